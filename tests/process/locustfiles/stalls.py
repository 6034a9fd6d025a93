"""Closed or open (--kafka-rate) users; with STALL set, the hub stands still for 50 ms, twice a second."""

import os
from time import perf_counter

import gevent
from gevent import monkey
from locust import events, task

from locust_kafka import KafkaUser

STALL = os.environ.get("STALL", "")
LENGTH_S = 0.05
sleep = monkey.get_original("time", "sleep")


class Guest(KafkaUser):
    producers = "shared"

    @task
    def exchange(self) -> None:
        self.kafka.request("Ada", name="wait")


def stall() -> None:
    while True:
        gevent.sleep(0.45)
        if STALL == "asleep":  # as a blocking call in C does
            sleep(LENGTH_S)
        else:  # as a long computation does
            until = perf_counter() + LENGTH_S
            while perf_counter() < until:
                pass


@events.test_start.add_listener
def begin(**_kwargs: object) -> None:
    if STALL:
        gevent.spawn(stall)
