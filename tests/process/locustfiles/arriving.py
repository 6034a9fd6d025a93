"""A tight loop over arrivals, and a shape that sets the rate."""

import os

from locust import LoadTestShape, task

from locust_kafka import KafkaUser, set_rate

VALUE = b"x" * 200


class Guest(KafkaUser):
    producers = "shared"

    @task
    def send_all(self) -> None:
        if os.environ.get("LOOP"):
            for _ in self.kafka.arrivals():
                self.kafka.send(VALUE, name="wait", wait_for_ack=False)
        else:
            self.kafka.send(VALUE, name="wait")


if os.environ.get("SHAPED"):

    class Steps(LoadTestShape):
        """100 a second for two seconds, then 300, for six seconds in all."""

        def tick(self) -> tuple[int, float] | None:
            seconds = self.get_run_time()
            if seconds > 6:
                return None
            set_rate(100 if seconds < 2 else 300)
            return 4, 100
