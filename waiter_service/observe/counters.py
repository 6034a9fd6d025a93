"""Count what happens, and tell it.  One object for the whole service, safe from every thread."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from waiter_service.observe.prometheus import Timings

logger = logging.getLogger("waiter_service")


class Telemetry:
    """Named counters.  Oddities and errors are also logged, once per kind, with an example."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.timings: Timings | None = None
        """Histograms, when somebody may read them."""

    def count(self, what: str, times: int = 1) -> int:
        """Add to a counter; returns its new value."""
        with self._lock:
            self._counts[what] += times
            return self._counts[what]

    def odd(self, kind: str, example: str) -> None:
        """Count an oddity; the first of its kind is logged with the example."""
        if self.count(kind) == 1:
            logger.warning("%s: %s (logged once; counted from here on)", kind, example)

    def value(self, what: str) -> int:
        """A counter's value; 0 if it never counted."""
        with self._lock:
            return self._counts[what]

    def snapshot(self) -> dict[str, int]:
        """All counters that are not zero, by name."""
        with self._lock:
            return {name: count for name, count in sorted(self._counts.items()) if count}
