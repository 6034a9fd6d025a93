"""Closed model as fast as it goes; prints its own rate, CPU and memory over the measured seconds."""

import json
import os

import gevent
import psutil
from locust import events, task

from locust_kafka import KafkaUser
from locust_kafka.plugin import Plugin

WARM_S, MEASURE_S = 6, 8
VALUE = b"x" * 200


class Guest(KafkaUser):
    producers = os.environ["PRODUCERS"]

    @task
    def exchange(self) -> None:
        self.kafka.request(VALUE, name="echo")


@events.init.add_listener
def measure(environment: object, **_kwargs: object) -> None:
    """Look at this process from within, after the warm-up."""

    def look() -> None:
        process = psutil.Process()
        gevent.sleep(WARM_S)
        run = Plugin.instance.current_run()
        cpu, count = sum(process.cpu_times()[:2]), run.ledger.total.ended
        gevent.sleep(MEASURE_S)
        cpu, count = sum(process.cpu_times()[:2]) - cpu, run.ledger.total.ended - count
        rss = process.memory_info().rss / 1e6
        print("BENCH", json.dumps({"rate": count / MEASURE_S, "cpu_us": cpu / count * 1e6, "rss_mb": rss}), flush=True)

    gevent.spawn(look)
