"""Requests of two kinds: ordinary ones, and every 50th one that the broker or librdkafka refuses for its size."""

import itertools
import os

from locust import task

from locust_kafka import KafkaUser

TOO_LARGE = b"x" * int(os.environ["TOO_LARGE"])


class Guest(KafkaUser):
    producers = os.environ.get("PRODUCERS", "own")

    def on_start(self) -> None:
        self.count = itertools.count(1)

    @task
    def exchange(self) -> None:
        value = TOO_LARGE if next(self.count) % 50 == 0 else b"Ada"
        if os.environ["MODEL"] == "open":
            self.kafka.send(value, name="wait")
        else:
            self.kafka.request(value, name="wait")
