"""As fast as it goes (or at --kafka-rate); with MEASURE_S it says when its window begins and ends, and what ended in it."""

import json
import os
import sys
from time import perf_counter
from typing import Any

import gevent
from gevent.event import Event
from locust import events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locust_kafka import KafkaUser
from locust_kafka.plugin.plugin import Plugin

VALUE = b"x" * 200
HOW = os.environ.get("HOW", "request")
LAG_PAUSE_S = 0.002
LOOK, SEEN = "bench_look", "bench_seen"


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


class Window:
    """The measured seconds, told in lines; whoever reads them looks at this process and its workers from outside.

    Users and their figures are with the workers, so the master asks them; alone, Locust hands the message back.
    """

    def __init__(self, environment: Environment) -> None:
        assert environment.runner is not None
        self._environment = environment
        self._runner = environment.runner
        self._seen: dict[str, int] = {}
        self._all_seen = Event()
        self._lags: list[float] = []
        if not isinstance(self._runner, MasterRunner):
            self._runner.register_message(LOOK, self._look)
        if not isinstance(self._runner, WorkerRunner):
            self._runner.register_message(SEEN, self._note)
            environment.events.spawning_complete.add_listener(lambda **_kwargs: gevent.spawn(self._measure))

    def _measure(self) -> None:
        gevent.sleep(float(os.environ.get("WARM_S", "3")))
        self._environment.events.reset_stats.fire()
        self._lags.clear()
        began = self._ask()
        say("BENCH begin")
        gevent.sleep(float(os.environ["MEASURE_S"]))
        lags = sorted(self._lags)
        say("BENCH end")
        ended = self._ask()
        figures = {"count": sum(ended[who] - began.get(who, 0) for who in ended)}
        say(f"BENCH {json.dumps({**figures, 'lag_ms': lags[len(lags) * 999 // 1000] * 1e3 if lags else 0})}")

    def _ask(self) -> dict[str, int]:
        """How many exchanges have ended, by worker."""
        self._seen = {}
        self._all_seen.clear()
        self._runner.send_message(LOOK)
        self._all_seen.wait(10)
        return self._seen

    def _look(self, **_kwargs: object) -> None:
        run = Plugin.of(self._environment).current_run()
        run.recorder.aggregate()  # what has ended is counted in heaps
        self._runner.send_message(SEEN, {"who": self._runner.client_id, "ended": run.results.total.ended})

    def _note(self, msg: Any, **_kwargs: object) -> None:
        self._seen[msg.data["who"]] = msg.data["ended"]
        if len(self._seen) == self._runner.worker_count:
            self._all_seen.set()

    def feel(self) -> None:
        """How late this process's hub is."""
        while True:
            before = perf_counter()
            gevent.sleep(LAG_PAUSE_S)
            self._lags.append(perf_counter() - before - LAG_PAUSE_S)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")  # one write: workers write to the same pipe
    sys.stdout.flush()


@events.init.add_listener
def measure(environment: Environment, **_kwargs: object) -> None:
    if "MEASURE_S" in os.environ:
        window = Window(environment)
        if os.environ.get("LAG"):
            gevent.spawn(window.feel)
