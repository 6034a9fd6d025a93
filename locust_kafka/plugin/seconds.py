"""The master's history of a run: the seconds that its workers report, added up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from locust.runners import MasterRunner

from locust_kafka.core.history import History, Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.compat import listen_first

logger = logging.getLogger("locust_kafka")


class WorkerSeconds:
    """Listens to the workers' reports.

    Args:
        runner: Locust's.
        run_id: gives the present run's; seconds of another one are passed over.
    """

    def __init__(self, runner: MasterRunner, run_id: Callable[[], str]) -> None:
        self.history = History()
        self.failures: dict[str, str] = {}
        """Why a worker could not begin or go on, by its name."""
        self._runner = runner
        self._run_id = run_id
        self._bad: set[str] = set()
        self._latest: dict[str, tuple[float, Second]] = {}
        listen_first(runner.environment.events.worker_report, self._worker_report)

    def begin(self) -> None:
        """Another run begins."""
        self.history = History()
        self._bad.clear()
        self._latest.clear()
        self.failures.clear()

    def table(self) -> list[dict[str, Any]]:
        """How each worker is: its last second, how long ago it reported, and what it said of a failure."""
        found = []
        for name in sorted({*self._runner.clients, *self._latest, *self.failures}):
            node, (heard_s, last) = self._runner.clients.get(name), self._latest.get(name, (None, Second(0)))
            found.append({
                "name": name,
                "state": "gone" if node is None else node.state,
                "users": last.users,
                "rate": last.counters.registered / last.length_s,
                "pending": last.pending,
                "hub_core": last.hub_core,
                "hub_lag_ms": last.hub_lag_ns / 1e6,
                "reported_s": None if heard_s is None else time.monotonic() - heard_s,
                "failure": self.failures.get(name, ""),
            })  # fmt: skip
        return found

    def _worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: Any) -> None:
        if m.Seconds.type not in data:
            return
        try:
            message = m.Seconds.from_wire(data.pop(m.Seconds.type))
            seconds = [Second.from_wire(one) for one in message.seconds]
        except (m.BadMessage, LookupError, TypeError, ValueError, AttributeError):
            if client_id not in self._bad:
                self._bad.add(client_id)
                logger.warning("the history of worker %s cannot be read: the charts are without it", client_id)
            return
        if message.run == self._run_id():
            if seconds:
                self._latest[client_id] = (time.monotonic(), replace(seconds[-1], e2e=LatencySeries(), _row=None))
            for second in seconds:
                self.history.add(second)
