"""Requests of two kinds: ordinary ones, and every 50th one that the broker or librdkafka refuses for its size."""

import itertools
import os

from locust import task

from locust_kafka import KafkaUser

TOO_LARGE = b"x" * int(os.environ["TOO_LARGE"])
count = itertools.count(1)


class Guest(KafkaUser):
    producers = os.environ.get("PRODUCERS", "own")

    @task
    def exchange(self) -> None:
        value = TOO_LARGE if next(count) % 50 == 0 else b"Ada"
        if os.environ["MODEL"] == "open":
            self.kafka.send(value, name="wait")
        else:
            self.kafka.request(value, name="wait")
