"""The load under which faults happen: an open model that waits for nothing, so that a fault drops no arrival.

BREAK=die|hang|clock breaks the tester itself a few seconds after the run's begin.
"""

import os
import time

import gevent
from locust import events, task

from locust_kafka import KafkaUser
from locust_kafka.hub.thread import native_sleep
from locust_kafka.plugin.plugin import Plugin

VALUE = b"x" * int(os.environ.get("VALUE_BYTES", "200"))
BREAK = os.environ.get("BREAK", "")
AHEAD_S, STEPPED_S, BEFORE_S = 3600, 5, 6


class Guest(KafkaUser):
    """One of those who send."""

    producers = "shared"

    @task
    def exchange(self) -> None:
        """Requests at their intended times, whatever has become of the earlier ones."""
        for _ in self.kafka.arrivals():
            self.kafka.send(VALUE, name="exchange", wait_for_ack=False)


class Hangs:
    """In place of what the reply consumer's thread looks at in each turn: it never comes back from it."""

    def __bool__(self) -> bool:
        native_sleep(60)
        return False


class Dies:
    """The same: it raises there."""

    def __bool__(self) -> bool:
        raise OSError("broken on purpose")


def break_tester() -> None:
    """Wait for some seconds of load, then break."""
    gevent.sleep(BEFORE_S)
    if BREAK == "clock":
        seconds, nanoseconds = time.time, time.time_ns
        time.time, time.time_ns = lambda: seconds() + AHEAD_S, lambda: nanoseconds() + AHEAD_S * 10**9
        gevent.sleep(STEPPED_S)
        time.time, time.time_ns = seconds, nanoseconds
        print("the clock is right again", flush=True)
    else:
        run = Plugin.all()[0].current_run()
        run.engine.consumer._added = Hangs() if BREAK == "hang" else Dies()  # type: ignore[assignment,union-attr]


@events.test_start.add_listener
def start_breaking(**_kwargs: object) -> None:
    """Once, beside the load."""
    if BREAK:
        gevent.spawn(break_tester)
