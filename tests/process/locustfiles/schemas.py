"""JSON Schema in the closed model, Protobuf with on_reply and expect(), and somebody who gets it all wrong."""

import os

import gevent
from confluent_kafka import Producer
from confluent_kafka.serialization import MessageField, SerializationContext
from locust import constant, task

from locust_kafka import KafkaUser, Reply
from tests.schemas import Order, client, json_schema, protobuf

REGISTRY = client(os.environ["REGISTRY_URL"])
SUFFIX = os.environ["SUFFIX"]
NAMES, ENOUGH = ["order", "json", "protobuf", "expected", "unreadable"], 20
"""The run ends when each has been answered so often."""


class JsonGuest(KafkaUser):
    request_topic, reply_topic = f"json-requests-{SUFFIX}", f"json-replies-{SUFFIX}"
    serializer, deserializer = json_schema(REGISTRY)
    wait_time = constant(0.02)

    @task
    def order(self) -> None:
        reply = self.kafka.request({"guest": "Ada"}, name="json")
        assert reply.value == {"guest": "Ada"}
        assert (reply.raw_value or b"")[:1] == b"\0"
        if NAMES and all(self.environment.stats.entries[(name, "E2E")].num_requests >= ENOUGH for name in NAMES):
            NAMES.clear()
            gevent.spawn(self.environment.runner.quit)  # from here the quitting would end with this user


class ProtobufGuest(KafkaUser):
    request_topic, reply_topic = f"protobuf-requests-{SUFFIX}", f"protobuf-replies-{SUFFIX}"
    serializer, deserializer = protobuf(REGISTRY)
    wait_time = constant(0.02)

    def on_start(self) -> None:
        self.other = Producer({"bootstrap.servers": self.environment.parsed_options.kafka_bootstrap, "linger.ms": 0})

    @task
    def order(self) -> None:
        self.kafka.send(Order(guest="Ada"), name="protobuf", on_reply=self.look)

    def on_stop(self) -> None:
        self.other.flush(5)

    @task
    def expected(self) -> None:
        answer = self.kafka.expect(name="expected")
        value = self.serializer(Order(guest="Ada"), SerializationContext(self.request_topic, MessageField.VALUE))
        self.other.produce(self.request_topic, value, headers=[("traceparent", answer.traceparent.encode())])
        self.other.poll(0)
        assert answer.wait().value.guest == "Ada"

    def look(self, reply: Reply) -> str:
        return "" if reply.value.guest == "Ada" else "not for Ada"


class Rude(JsonGuest):
    @task
    def order(self) -> None:
        reply = self.kafka.request({"guest": "Ada"}, name="unreadable", deserializer=protobuf(REGISTRY)[1])
        assert not reply
        self.kafka.request({"guest": 5}, name="unwritable")
