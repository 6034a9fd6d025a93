"""The hub's alarm: it always rings."""

from __future__ import annotations

import sys

from tests.support import Process

SCRIPT = """
from gevent import monkey; monkey.patch_all()
from time import perf_counter_ns
import gevent
from locust_kafka.hub.timer import HubTimer
alarm = HubTimer()
early = 0
for nanoseconds in [0.25, 0.5, 0.999, 1, 1.5, 10, 1e3, 1e5, 2.5e6] * 40:
    due = perf_counter_ns() + nanoseconds
    alarm.wait_until(due)
    early += perf_counter_ns() < due
gevent.spawn_later(0.05, alarm.notify)
alarm.wait_until(float("inf"))
alarm.close()
print("rang", early)
"""


def test_an_alarm_never_sleeps_through() -> None:
    """However near the instant, even less than a nanosecond ahead, it is woken, never before; and by a notify."""
    with Process([sys.executable, "-c", SCRIPT]) as process:
        assert process.wait(60) == 0, process.output
    assert "rang 0" in process.output
