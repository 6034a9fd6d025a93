"""Requests that nobody answers; prints how long each user waited beyond its timeout, in ms."""

from time import perf_counter

from locust import task

from locust_kafka import KafkaUser

TIMEOUT_S = 0.5


class Guest(KafkaUser):
    producers = "shared"

    def on_start(self) -> None:
        self.kafka.request("Ada", name="first", timeout=TIMEOUT_S)  # waits for the producer to be ready

    @task
    def exchange(self) -> None:
        began = perf_counter()
        self.kafka.request("Ada", name="silent", timeout=TIMEOUT_S)
        print(f"LATE {(perf_counter() - began - TIMEOUT_S) * 1e3:.3f}", flush=True)
