"""The command `locust-kafka`."""
