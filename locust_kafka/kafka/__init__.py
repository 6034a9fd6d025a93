"""The edges that carry: reply consumer, producers, and the hand-over from native threads to the hub."""
