"""Requests, and now and then one that the broker refuses for its size."""

import os

from locust import constant, tag, task

from locust_kafka import KafkaUser


class Guest(KafkaUser):
    """Paced, so that every exchange can be looked at."""

    producers = "shared"
    wait_time = constant(0.02)

    @tag("wanted")
    @task
    def exchange(self) -> None:
        """One exchange."""
        self.kafka.request("Ada", name="wait")

    @tag("refused")
    @task
    def refused(self) -> None:
        """To a topic that takes no record of this size."""
        self.kafka.request("x" * 5000, name="refused", topic=os.environ["SMALL_TOPIC"])
