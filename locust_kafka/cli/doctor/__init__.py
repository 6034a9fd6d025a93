"""`locust-kafka doctor`: looks at a cluster and at this machine before a load test, and says what to mend."""
