"""What people write, right and wrong; MODE says which."""

import os
import sys

import gevent
from locust import constant, task

from locust_kafka import KafkaUser

MODE = os.environ.get("MODE", "plain")


class Caller(KafkaUser):
    wait_time = constant(0.1)

    @task
    def call(self) -> None:
        kafka = self.kafka
        if MODE == "chain":
            kafka.send("a", name="first", on_reply=lambda _reply: kafka.request("b", name="second") and None)
        elif MODE == "dict":
            kafka.request({"a": 1})  # type: ignore[call-overload]
        elif MODE == "header":
            kafka.request("x", headers={"a\udc80": b"v"})
        elif MODE == "name":
            kafka.request("x", name=200)  # type: ignore[call-overload]
        elif MODE == "topic":
            kafka.request("x", topic=self.request_topic[:-1])
        elif MODE == "interrupt":
            with kafka.request("x", catch_response=True):
                self.interrupt()
        elif MODE == "parent":
            headers = {"traceparent": f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"}
            assert kafka.request("x", headers=headers).ok
        elif MODE == "raise":
            kafka.request("x")
            raise RuntimeError("a mistake of the locustfile's")
        elif MODE == "timeout":
            kafka.request("x")
            raise gevent.Timeout(0)
        elif MODE == "exit":
            kafka.send("x", on_reply=lambda _reply: sys.exit(0))
        elif MODE == "nothing":
            pass
        elif MODE == "nokey":
            reply = kafka.request("x", key=None)
            assert reply.key is None, reply.key
        else:
            kafka.request("x")

    def interrupt(self) -> None:
        from locust.exception import RescheduleTask

        raise RescheduleTask

    def on_stop(self) -> None:
        if MODE == "chain":
            self.kafka.request("bye", name="bye")
