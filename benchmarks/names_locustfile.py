"""NAMES request names in turns; prints how large a worker's report of them is."""

import itertools
import os

import gevent
import msgpack
from locust import events, task
from locust.env import Environment

from locust_kafka import KafkaUser
from locust_kafka.plugin.plugin import Plugin

NAMES = int(os.environ["NAMES"])
BEFORE_END_S = float(os.environ["WEIGH_S"])
TURNS = itertools.cycle(f"name {number:04d} of many" for number in range(NAMES))


class Guest(KafkaUser):
    producers = "shared"

    @task
    def exchange(self) -> None:
        for _ in self.kafka.arrivals():
            self.kafka.send(b"x" * 200, name=next(TURNS), wait_for_ack=False)


@events.init.add_listener
def weigh(environment: Environment, **_kwargs: object) -> None:
    """Weigh the reports, near the end."""

    def look() -> None:
        gevent.sleep(BEFORE_END_S)
        results = Plugin.of(environment).current_run().results
        sizes = [len(msgpack.dumps(results.to_wire(latencies=latencies))) for latencies in (False, True)]
        print("REPORT", *sizes, flush=True)

    gevent.spawn(look)
