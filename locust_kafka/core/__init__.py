"""What decides: no clock, no thread, no gevent, no Kafka.  Time is an input, in ns of one monotonic clock."""
