"""Requests that another client sends: as a service behind HTTP would, with the traceparent that it was handed."""

import os

from confluent_kafka import Producer
from locust import FastHttpUser, task

from locust_kafka import KafkaUser


class Customer(KafkaUser, FastHttpUser):
    host = "http://127.0.0.1:9"  # nothing is sent there: that both can be one class is the point

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self.other = Producer({"bootstrap.servers": options.kafka_bootstrap, "linger.ms": 0})
        self.topics = options.kafka_request_topic, options.kafka_reply_topic

    @task
    def both(self) -> None:  # one task, for two would be chosen by chance
        self.order()
        self.nobody()

    def order(self) -> None:
        answer = self.kafka.expect(name="order")
        headers = [("traceparent", answer.traceparent.encode()), ("reply-to", self.topics[1].encode())]
        self.other.produce(self.topics[0], b"Ada", headers=headers)
        self.other.poll(0)
        reply = answer.wait()
        if reply:
            assert b"for Ada" in (reply.value or b"")
            assert reply.trace_id == answer.correlation_id

    def nobody(self) -> None:
        assert not self.kafka.expect(os.urandom(16).hex(), name="nobody", timeout=0.3).wait()
