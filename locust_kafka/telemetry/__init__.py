"""What leaves the process while it runs: spans and metrics."""
