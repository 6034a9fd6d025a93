"""What happened between two moments of a run: the difference of their counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from locust_kafka.core import wire
from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults

COUNTED_LEGS = ("schedule", "request", "service", "reply", "send")


@dataclass(slots=True)
class Counters:
    """Counts, as they are at one moment; the difference of two is what happened between them."""

    registered: int = 0
    matched: int = 0
    timed_out: int = 0
    undelivered: int = 0
    late: int = 0
    duplicates: int = 0
    due: int = 0
    started: int = 0
    dropped: int = 0
    schedule_ns: int = 0
    schedule_count: int = 0
    request_ns: int = 0
    request_count: int = 0
    service_ns: int = 0
    service_count: int = 0
    reply_ns: int = 0
    reply_count: int = 0
    send_ns: int = 0
    send_count: int = 0

    @classmethod
    def of(cls, results: RunResults) -> Self:
        """Those of a run up to now."""
        outcomes, verdicts, arrivals = results.total.outcomes, results.total.verdicts, results.arrivals
        counters = cls(
            results.total.registered, outcomes[Outcome.MATCHED], outcomes[Outcome.TIMED_OUT],
            outcomes[Outcome.UNDELIVERED], verdicts[Verdict.LATE], verdicts[Verdict.DUPLICATE],
            arrivals.due, arrivals.started, arrivals.dropped,
        )  # fmt: skip
        for entry in results.names.values():
            for leg in COUNTED_LEGS:
                series: LatencySeries = getattr(entry, leg)
                setattr(counters, f"{leg}_ns", getattr(counters, f"{leg}_ns") + series.sum_ns)
                setattr(counters, f"{leg}_count", getattr(counters, f"{leg}_count") + series.count)
        return counters

    @classmethod
    def from_wire(cls, plain: Sequence[Any]) -> Self:
        """From the plain values of another process, in the order of the attributes; a leg's sum may be below 0.

        Raises:
            TypeError, ValueError: they are not of that form.
        """
        names = [one.name for one in fields(cls)]
        return cls(*(
            wire.signed(value) if name.endswith("_ns") else wire.count(value)
            for name, value in zip(names, wire.listed(plain), strict=True)
        ))  # fmt: skip

    def since(self, before: Counters) -> Counters:
        """What happened after `before`.  A latency series that was reset meanwhile begins again at 0."""
        difference = Counters()
        for one in fields(self):
            now, then = getattr(self, one.name), getattr(before, one.name)
            setattr(difference, one.name, now - then if now >= then else now)
        return difference

    def add(self, other: Counters) -> None:
        """Add another's."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def mean_ms(self, leg: str) -> float | None:
        """The mean of a leg in ms; None when it is known of no exchange."""
        count: int = getattr(self, f"{leg}_count")
        return getattr(self, f"{leg}_ns") / count / 1e6 if count else None
