"""The closed model without a rate; with one, requests that nobody waits for."""

from locust import task

from locust_kafka import KafkaUser

VALUE = b"x" * 200


class Guest(KafkaUser):
    producers = "shared"

    @task
    def exchange(self) -> None:
        if self.environment.parsed_options.kafka_rate:
            self.kafka.send(VALUE, name="echo", wait_for_ack=False)
        else:
            self.kafka.request(VALUE, name="echo")
