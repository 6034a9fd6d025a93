"""What is wrong when replies come and none matches: said once, with an example of both sides."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import Any

from locust_kafka.core.books import Books, Outcome
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
        self._replies = self._early = 0
        self._latest: tuple[Any, bytes | None] | None = None
        self._said = False

    def looks_for(self, correlation_id: bytes) -> None:
        """An id that a reply could have."""
        self._looked_for = self._looked_for or correlation_id.decode("ascii", "backslashreplace")

    def unmatched(self, message: Any, correlation_id: bytes | None, *, in_time: bool) -> None:
        """A reply matched nothing.

        Args:
            message: the reply.
            correlation_id: read from it; None when none could be read.
            in_time: whether our own requests may still be answered: then it is too early for an alarm.
        """
        if self._said:
            return
        self._latest = message, correlation_id
        if in_time:
            self._early += 1
            return
        now = perf_counter_ns()
        self._first_ns = self._first_ns or now
        self._replies += 1
        if now - self._first_ns > AFTER_NS and self._replies >= AFTER_REPLIES:
            self._say(self._replies)

    def conclude(self, total: Books) -> None:
        """The run has ended: say it of one that was too short for it to be said before."""
        replies = self._replies + self._early
        if replies >= AFTER_REPLIES and total.outcomes[Outcome.TIMED_OUT] and not total.outcomes[Outcome.MATCHED]:
            self._say(replies)

    def _say(self, replies: int) -> None:
        if self._said or self._latest is None or not self._looked_for:
            return
        self._said = True
        message, correlation_id = self._latest
        seen = correlation_id.decode("ascii", "backslashreplace") if correlation_id else "no id that could be read"
        headers = ", ".join(name[:60] for name, _value in record_headers(message) or ()) or "none"
        logger.warning(
            "%d replies came and none matches a request. Looked for (by --kafka-match %s), for example: %s. "
            "Seen: %s (key %.60r, headers: %s). If the service answers by another id, say so with "
            "--kafka-match key or --kafka-match header:NAME.",
            replies, self._match, self._looked_for, seen, message.key(), headers,
        )  # fmt: skip
