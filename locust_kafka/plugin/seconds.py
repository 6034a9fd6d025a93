"""The master's history of a run: the seconds that its workers report, added up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from locust.runners import MasterRunner

from locust_kafka.core.history import History, Second
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
        self._run_id = run_id
        self._bad: set[str] = set()
        listen_first(runner.environment.events.worker_report, self._worker_report)

    def begin(self) -> None:
        """Another run begins."""
        self.history = History()
        self._bad.clear()

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
            for second in seconds:
                self.history.add(second)
