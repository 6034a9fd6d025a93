"""A fixed number of requests of two names; with SINGLE set, a listener makes every event fire singly."""

import os
import time

from locust import events, task

from locust_kafka import KafkaUser

if os.environ.get("SINGLE"):

    @events.request.add_listener
    def listen(**_kwargs: object) -> None:
        """Being there is enough."""


class Guest(KafkaUser):
    @task
    def burst(self) -> None:
        for number in range(40):
            self.kafka.request("Ada", name="even" if number % 2 == 0 else "odd")
        for _ in range(3):
            self.kafka.request(b"x" * 2_000_000, name="large")
        time.sleep(3)  # Locust writes its CSV files each second, and not once more at the end
        self.environment.runner.quit()
