"""What is wrong when replies come and none matches: said once, with an example of both sides."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import Any

from locust_kafka.kafka.record import record_headers

logger = logging.getLogger("locust_kafka")

AFTER_NS = 3_000_000_000
AFTER_REPLIES = 5


class Diagnosis:
    """Watches unmatched replies while nothing has matched yet.

    Args:
        match: the rule, as in `--kafka-match`.
    """

    def __init__(self, match: str) -> None:
        self._match = match
        self._looked_for = ""
        self._first_ns = 0
        self._replies = 0
        self._said = False

    def looks_for(self, correlation_id: bytes) -> None:
        """An id that a reply could have."""
        self._looked_for = self._looked_for or correlation_id.decode("ascii", "backslashreplace")

    def saw(self, message: Any, correlation_id: bytes | None) -> None:
        """A reply matched nothing; None when no id could be read from it."""
        if self._said:
            return
        now = perf_counter_ns()
        self._first_ns = self._first_ns or now
        self._replies += 1
        if now - self._first_ns > AFTER_NS and self._replies >= AFTER_REPLIES and self._looked_for:
            self._said = True
            seen = correlation_id.decode("ascii", "backslashreplace") if correlation_id else "no id that could be read"
            headers = ", ".join(name[:60] for name, _value in record_headers(message) or ()) or "none"
            logger.warning(
                "%d replies came and none matches a request. Looked for (by --kafka-match %s), for example: %s. "
                "Seen: %s (key %.60r, headers: %s). If the service answers by another id, say so with "
                "--kafka-match key or --kafka-match header:NAME.",
                self._replies, self._match, self._looked_for, seen, message.key(), headers,
            )  # fmt: skip
