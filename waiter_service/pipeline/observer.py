"""What the stages tell those who observe them.  The observers implement these; the stages import none of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from waiter_service.core.request import ParsedRequest, Request

REBALANCE_MS = "rebalance milliseconds"
"""A counter: from joining, or from giving partitions back, to the next assignment."""


class Delivered(NamedTuple):
    """Where a reply is: partition, offset, and when the broker appended it (ms since 1970; None if it does not say)."""

    partition: int
    offset: int
    append_ms: int | None


class Counters(Protocol):
    """Counts by name."""

    def count(self, what: str, times: int = 1) -> int:
        """Add to a counter; returns its new value."""

    def anomaly(self, kind: str, example: str) -> None:
        """Count an anomaly or an error; the first of its kind is logged with the example."""


class Timings(Protocol):
    """Records durations as they end."""

    def record_processed(self, nanoseconds: int) -> None:
        """Record the time from a request's receipt to the end of its processing."""

    def record_wait(self, nanoseconds: int) -> None:
        """Record the time that a request was held on purpose."""


class SendSpan(Protocol):
    """The span of one reply on its way."""

    traceparent: bytes
    """The header's value that the reply carries."""

    def end(self, delivered: Delivered | None, error_name: str = "", error_text: str = "") -> None:
        """End the span with the delivery report: where the reply is, or the error."""


class RequestSpan(Protocol):
    """The span of one request, from its receipt until its last reply is acknowledged."""

    def record_wait(self, planned_ms: float, queued_ns: int, taken_ns: int, done_ns: int) -> None:
        """Record a wait that is over; stamps are of time.perf_counter_ns."""

    def start_send(self, topic: str) -> SendSpan:
        """Start the span of one reply."""

    def end(self) -> None:
        """End the span."""


class Tracing(Protocol):
    """Makes spans."""

    def start_request(self, request: Request, parsed: ParsedRequest) -> RequestSpan | None:
        """Start the span of a request; None when nobody records it."""

    def record_event(self, name: str, took_ns: int = 0, **attributes: str | int) -> None:
        """Record what belongs to no request, such as a rebalance, as a trace of its own; it took so long until now."""
