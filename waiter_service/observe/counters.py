"""Counts what happens, and logs the first anomaly of each kind."""

from __future__ import annotations

import logging
import threading
from collections import Counter

_logger = logging.getLogger("waiter_service")


class Counters:
    """Named counters; one object for the whole service, safe from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, what: str, times: int = 1) -> int:
        """Add to a counter; returns its new value."""
        with self._lock:
            self._counts[what] += times
            return self._counts[what]

    def anomaly(self, kind: str, example: str) -> None:
        """Count an anomaly or an error; the first of its kind is logged with the example."""
        if self.count(kind) == 1:
            _logger.warning("%s: %s (logged once; counted from here on)", kind, example)

    def value(self, what: str) -> int:
        """Return a counter's value; 0 if it never counted."""
        with self._lock:
            return self._counts[what]

    def snapshot(self) -> dict[str, int]:
        """Return all counters that are not zero, by name."""
        with self._lock:
            return {name: count for name, count in sorted(self._counts.items()) if count}
