"""As fast as it goes (or at --kafka-rate); prints its own rate, CPU and memory over the measured seconds."""

import json
import os
from time import perf_counter

import gevent
import psutil
from locust import events, task
from locust.env import Environment

from locust_kafka import KafkaUser
from locust_kafka.plugin.plugin import Plugin

WARM_S, MEASURE_S = float(os.environ.get("WARM_S", "6")), float(os.environ.get("MEASURE_S", "8"))
VALUE = b"x" * 200
HOW = os.environ.get("HOW", "request")
LAG_PAUSE_S = 0.002


class Guest(KafkaUser):
    producers = os.environ["PRODUCERS"]

    @task
    def exchange(self) -> None:
        if HOW == "request":
            self.kafka.request(VALUE, name="echo")
        elif HOW == "send":
            self.kafka.send(VALUE, name="echo", wait_for_ack=False)
        else:
            for _ in self.kafka.arrivals():
                self.kafka.send(VALUE, name="echo", wait_for_ack=False)


@events.init.add_listener
def measure(environment: Environment, **_kwargs: object) -> None:
    """Look at this process from within, after the warm-up."""
    lags: list[float] = []

    def feel() -> None:
        while True:
            before = perf_counter()
            gevent.sleep(LAG_PAUSE_S)
            lags.append(perf_counter() - before - LAG_PAUSE_S)

    def look() -> None:
        process = psutil.Process()
        gevent.sleep(WARM_S)
        run = Plugin.of(environment).current_run()
        lags.clear()
        cpu, count = sum(process.cpu_times()[:2]), run.results.total.ended
        gevent.sleep(MEASURE_S)
        cpu, count = sum(process.cpu_times()[:2]) - cpu, run.results.total.ended - count
        figures = {"rate": count / MEASURE_S, "cpu_us": cpu / count * 1e6, "rss_mb": process.memory_info().rss / 1e6}
        figures["lag_ms"] = sorted(lags)[len(lags) * 999 // 1000] * 1e3 if lags else 0
        print("BENCH", json.dumps(figures), flush=True)

    gevent.spawn(look)
    if os.environ.get("LAG"):
        gevent.spawn(feel)
