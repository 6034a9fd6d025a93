"""A run's life: made ready, measured, drained, closed."""
