"""Looks at the generator itself while it runs: is the hub on time, are native threads, what does the collector cost?"""

from __future__ import annotations

import gc
import time
from collections import deque
from time import perf_counter_ns
from typing import Any

import gevent

from locust_kafka.core.health import HUB_EVERY_NS, MS, NATIVE_EVERY_NS, Health, Stall
from locust_kafka.hub.thread import NativeThread, native_sleep
from locust_kafka.hub.timer import HubTimer

ACCOUNT_EVERY_NS = 250 * MS
STALL_NS = 5 * MS
"""Lags from here on are noted one by one, as long as they are among the longest."""


class SelfCheck:
    """Watches one process during a run.

    Args:
        health: where it notes what it sees.
        from_ns: what lies before this does not count (start-up, warm-up).
    """

    def __init__(self, health: Health, from_ns: int) -> None:
        self._health = health
        self._from_ns = from_ns
        self._wall_ns = time.time_ns() - perf_counter_ns()
        self._native: deque[tuple[int, int]] = deque()
        self._pauses: deque[int] = deque()
        self._stopping = False
        self._longest_lag_ns = 0
        self._gc_began_ns = self._began_ns = self._cpu_ns = self._hub_cpu_ns = 0
        self._timer = HubTimer()
        self._thread = NativeThread(self._beat, lambda _death: None)
        self._thread.start()
        gc.callbacks.append(self._collecting)
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """Stop watching."""
        self._stopping = True
        self._greenlet.kill()
        self._timer.close()
        if self._collecting in gc.callbacks:
            gc.callbacks.remove(self._collecting)

    def reset(self) -> None:
        """Reset what was seen, when the latencies are reset."""
        self._health.reset()
        self._native.clear()
        self._pauses.clear()
        self._from_ns = self._began_ns = perf_counter_ns()
        self._cpu_ns, self._hub_cpu_ns = time.process_time_ns(), time.thread_time_ns()

    def take_longest_lag(self) -> int:
        """The longest lag of the hub (ns) since this was asked last."""
        lag_ns, self._longest_lag_ns = self._longest_lag_ns, 0
        return lag_ns

    def started(self, intended_ns: int, now_ns: int) -> None:
        """An arrival began for whom a user had been waiting."""
        if intended_ns > self._from_ns:
            self._health.start.record(now_ns - intended_ns)

    def _watch(self) -> None:
        self._timer.wait_until(self._from_ns)
        self.reset()
        health = self._health
        account_ns = 0
        while True:
            due_ns = perf_counter_ns() + HUB_EVERY_NS
            self._timer.wait_until(due_ns)
            now_ns = perf_counter_ns()
            self._lagged("hub", now_ns, now_ns - due_ns)
            self._longest_lag_ns = max(self._longest_lag_ns, now_ns - due_ns)
            while self._native:
                self._lagged("native", *self._native.popleft())
            while self._pauses:
                health.gc.record(self._pauses.popleft())
            if now_ns < account_ns:
                continue
            account_ns = now_ns + ACCOUNT_EVERY_NS
            health.aggregate()
            health.watched_ns = now_ns - self._began_ns
            health.cpu_ns = time.process_time_ns() - self._cpu_ns
            health.hub_cpu_ns = time.thread_time_ns() - self._hub_cpu_ns

    def _beat(self) -> None:
        while not self._stopping:
            due_ns = perf_counter_ns() + NATIVE_EVERY_NS
            native_sleep(NATIVE_EVERY_NS / 1e9)
            now_ns = perf_counter_ns()
            self._native.append((now_ns, now_ns - due_ns))

    def _lagged(self, kind: str, now_ns: int, lag_ns: int) -> None:
        getattr(self._health, kind).record(lag_ns)
        if lag_ns > STALL_NS:
            self._health.stalled(Stall(now_ns - lag_ns + self._wall_ns, lag_ns, kind))

    def _collecting(self, phase: str, _info: dict[str, Any]) -> None:
        now_ns = perf_counter_ns()
        if phase == "start":
            self._gc_began_ns = now_ns
        elif self._gc_began_ns > self._from_ns:
            self._pauses.append(now_ns - self._gc_began_ns)  # in whatever thread it happened
