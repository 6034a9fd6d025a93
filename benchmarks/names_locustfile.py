"""NAMES request names in turns; prints how large a worker's report of them is."""

import itertools
import os

import msgpack
from locust import events, task
from locust.env import Environment

from locust_kafka import KafkaUser
from locust_kafka.plugin.plugin import Plugin

NAMES = int(os.environ["NAMES"])
TURNS = itertools.cycle(f"name {number:04d} of many" for number in range(NAMES))


class Guest(KafkaUser):
    producers = "shared"

    @task
    def exchange(self) -> None:
        for _ in self.kafka.arrivals():
            self.kafka.send(b"x" * 200, name=next(TURNS), wait_for_ack=False)


@events.quitting.add_listener
def weigh(environment: Environment, **_kwargs: object) -> None:
    """Weigh a worker's report when the run is over: weighing holds the hub."""
    run = Plugin.of(environment).worker_run()
    if run is not None:
        sizes = [len(msgpack.dumps(run.results.to_wire(latencies=latencies))) for latencies in (False, True)]
        print("REPORT", *sizes, flush=True)
