"""Bounded queues, the threads between them, and what travels through.  Knows nothing of Kafka."""
