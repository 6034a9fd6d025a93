"""What leaves the service beside replies: counters and the log, Prometheus, spans."""
