"""A shape that steps each second, and ends by itself."""

from locust import LoadTestShape, task

from locust_kafka import KafkaUser


class Guest(KafkaUser):
    @task
    def exchange(self) -> None:
        self.kafka.request(b"Ada", name="wait")


class Steps(LoadTestShape):
    def tick(self) -> tuple[int, float] | None:
        second = int(self.get_run_time())
        return None if second >= 5 else (2 + second, 10)
