"""Users of Kafka, and others that have nothing to do with it: the command line chooses."""

from locust import User, constant, task

from locust_kafka import KafkaUser


class Caller(KafkaUser):
    @task
    def call(self) -> None:
        self.kafka.request("x")


class Other(User):
    wait_time = constant(0.1)

    @task
    def work(self) -> None:
        pass
