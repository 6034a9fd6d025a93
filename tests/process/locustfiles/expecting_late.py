"""Plain requests first; then replies are expected to requests that a producer outside of the plugin sends."""

import os

from confluent_kafka import Producer
from locust import task

from locust_kafka import KafkaUser

PLAIN = 400


class Guest(KafkaUser):
    producers = "shared"
    sent = 0
    outside: Producer | None = None

    @task
    def exchange(self) -> None:
        Guest.sent += 1
        if Guest.sent <= PLAIN:
            self.kafka.request("Ada", name="plain")
            return
        if Guest.outside is None:
            Guest.outside = Producer({"bootstrap.servers": os.environ["BOOTSTRAP"], "linger.ms": 0})
        expected = self.kafka.expect(name="expected")
        headers: list[tuple[str, str | bytes | None]] = [
            ("traceparent", expected.traceparent), ("reply-to", os.environ["REPLY_TOPIC"])
        ]  # fmt: skip
        Guest.outside.produce(os.environ["REQUEST_TOPIC"], "Ada", expected.correlation_id, headers=headers)
        Guest.outside.poll(0)
        expected.wait()
