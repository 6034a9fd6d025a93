"""The books and latencies of one request name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from locust_kafka.core import wire
from locust_kafka.core.books import Books
from locust_kafka.core.latency import LatencySeries

LATENCIES = ("e2e_matched", "timed_out", "from_send", "send", "late", "duplicate")
LEGS = ("schedule", "request", "service", "reply")
PAYLOAD_LEGS = ("serialize", "deserialize")
"""Before the exchange begins and after its reply was received, where the user gave a hook: no part of its latency."""
RECORDED = LATENCIES + LEGS + PAYLOAD_LEGS
SHOWN = ("e2e", "e2e_matched", "from_send", "send", "late", "duplicate")
"""Latencies of the summary; `send` is the leg to the ack."""


class NameResults:
    """One request name's books and latency series."""

    __slots__ = ("books", "rejected", *RECORDED)

    e2e_matched: LatencySeries
    timed_out: LatencySeries
    from_send: LatencySeries
    send: LatencySeries
    late: LatencySeries
    duplicate: LatencySeries
    schedule: LatencySeries
    request: LatencySeries
    service: LatencySeries
    reply: LatencySeries
    serialize: LatencySeries
    deserialize: LatencySeries

    def __init__(self) -> None:
        self.books = Books()
        self.rejected = 0
        """Matched replies that failed the user's own check."""
        self.reset_latencies()

    @property
    def e2e(self) -> LatencySeries:
        """What a customer waits: matched, and timed out at its timeout."""
        both = LatencySeries()
        both.merge(self.e2e_matched)
        both.merge(self.timed_out)
        return both

    def reset_latencies(self) -> None:
        """Reset the series; the books are never reset."""
        for name in RECORDED:
            setattr(self, name, LatencySeries())

    def shown(self) -> dict[str, LatencySeries]:
        """The latencies by their names in the summary."""
        return {name: getattr(self, name) for name in SHOWN}

    def aggregate(self) -> None:
        """Count what was recorded."""
        for name in RECORDED:
            getattr(self, name).aggregate()

    def add(self, other: NameResults) -> None:
        """Add another's counts and latencies."""
        self.add_counts(other)
        self.add_latencies(other)

    def add_counts(self, other: NameResults) -> None:
        """Add another's counts alone."""
        self.books.add(other.books)
        self.rejected += other.rejected

    def add_latencies(self, other: NameResults) -> None:
        """Add another's latencies alone."""
        for name in RECORDED:
            getattr(self, name).merge(getattr(other, name))

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain values, without latencies."""
        return {"books": self.books.to_dict(), "rejected": self.rejected, "series": {}}

    def series_to_wire(self) -> dict[str, Any]:
        """The latencies for the master, for `series`; empty ones stay behind."""
        series = {name: getattr(self, name) for name in RECORDED}
        return {name: one.to_wire() for name, one in series.items() if one.count}

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`, with `series_to_wire` or without."""
        entry = cls()
        entry.books = Books.from_dict(data["books"])
        entry.rejected = wire.count(data["rejected"])
        for name in data["series"].keys() & set(RECORDED):
            setattr(entry, name, LatencySeries.from_wire(data["series"][name]))
        return entry
