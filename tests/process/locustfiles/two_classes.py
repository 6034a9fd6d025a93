"""Two kinds of users on topics of their own; those of the second come from SECOND_REQUESTS and SECOND_REPLIES."""

import os

from locust import constant, task

from locust_kafka import KafkaUser


class First(KafkaUser):
    """On the topics of the options."""

    wait_time = constant(0.05)

    @task
    def exchange(self) -> None:
        """One exchange."""
        self.kafka.request("Ada", name="first")


class Second(KafkaUser):
    """On topics of its own."""

    request_topic = os.environ.get("SECOND_REQUESTS")
    reply_topic = os.environ.get("SECOND_REPLIES")
    bootstrap = os.environ.get("SECOND_BOOTSTRAP")
    producers = "shared"
    wait_time = constant(0.05)

    @task
    def exchange(self) -> None:
        """One exchange."""
        self.kafka.request("Grace", name="second")
