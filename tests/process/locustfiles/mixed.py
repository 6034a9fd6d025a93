"""A KafkaUser beside an HTTP user, with tags, weights, on_start and on_stop."""

from locust import FastHttpUser, constant, tag, task

from locust_kafka import KafkaUser


class Guest(KafkaUser):
    weight = 3

    def on_start(self) -> None:
        print("<started>", flush=True)

    def on_stop(self) -> None:
        print("<stopped>", flush=True)

    @tag("wanted")
    @task
    def wanted(self) -> None:
        self.kafka.request("Ada", name="wanted")

    @tag("unwanted")
    @task
    def unwanted(self) -> None:
        self.kafka.request("Ada", name="unwanted")


class Browser(FastHttpUser):
    wait_time = constant(0.2)

    @tag("wanted")
    @task
    def look(self) -> None:
        self.client.get("/", name="home")
