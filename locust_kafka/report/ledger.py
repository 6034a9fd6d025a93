"""Counts and latencies per request name: what the summary shows, and what workers send to the master."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from locust_kafka.core.books import Books, Equation, equations
from locust_kafka.core.examples import Example, Examples
from locust_kafka.core.latency import LatencySeries

SERIES = ("e2e", "e2e_matched", "send", "late", "duplicate")


class NameLedger:
    """One request name's books and latency series."""

    __slots__ = ("books", "duplicate", "e2e", "e2e_matched", "late", "rejected", "send")

    def __init__(self) -> None:
        self.books = Books()
        self.rejected = 0
        """Matched replies that failed the user's own check."""
        self.forget_latencies()

    def forget_latencies(self) -> None:
        """Begin the series anew; the books never are."""
        self.e2e = LatencySeries()
        self.e2e_matched = LatencySeries()
        self.send = LatencySeries()
        self.late = LatencySeries()
        self.duplicate = LatencySeries()

    def series(self) -> dict[str, LatencySeries]:
        """The series by their names in the summary."""
        return {name: getattr(self, name) for name in SERIES}

    def add(self, other: NameLedger) -> None:
        """Add another's counts and latencies."""
        self.books.add(other.books)
        self.rejected += other.rejected
        for name, series in self.series().items():
            series.merge(getattr(other, name))

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain values."""
        return {
            "books": self.books.to_dict(),
            "rejected": self.rejected,
            "series": {name: series.to_wire() for name, series in self.series().items()},
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        entry = cls()
        entry.books = Books.from_dict(data["books"])
        entry.rejected = data["rejected"]
        for name, series in data["series"].items():
            setattr(entry, name, LatencySeries.from_wire(series))
        return entry


class Ledger:
    """A run's ledger; of one process, or of all workers added up at the master.

    Attributes:
        total: what the correlator counted.
        replies_read: replies handed over by the reply consumer, counted before they were judged.
        names: the second entry: the same per request name, counted by the reports.
        notes: counters beside the books, by the words the summary uses.
        invalid: sentences that say why the run cannot be trusted; empty for a good run.
        examples: exchanges worth looking at; with tracing on, only such as are in the trace store.
        trace_url: template of a link to a trace; "" for none.
        since: since when the latency series count, in words; empty for the whole run.
    """

    def __init__(self) -> None:
        self.total = Books()
        self.replies_read = 0
        self.names: dict[str, NameLedger] = {}
        self.notes: dict[str, int] = {}
        self.invalid: list[str] = []
        self.examples = Examples()
        self.trace_url = ""
        self.since = ""
        self.duration_s = 0.0

    def name(self, name: str) -> NameLedger:
        """The entry of a request name, made on first use."""
        entry = self.names.get(name)
        if entry is None:
            entry = self.names[name] = NameLedger()
        return entry

    def note(self, what: str, times: int = 1) -> None:
        """Count something that stands beside the books."""
        self.notes[what] = self.notes.get(what, 0) + times

    def equations(self, *, closed: bool) -> list[Equation]:
        """The laws of the books with their numbers."""
        return equations(self.total, (entry.books for entry in self.names.values()), self.replies_read, closed=closed)

    def balanced(self, *, closed: bool) -> bool:
        """Whether every law holds."""
        return all(equation.holds for equation in self.equations(closed=closed))

    def whole(self) -> NameLedger:
        """All names added up."""
        whole = NameLedger()
        for entry in self.names.values():
            whole.add(entry)
        return whole

    def lose_pending(self) -> None:
        """The process is gone: what it had pending is LOST, in both entries."""
        self.total.lose_pending()
        for entry in self.names.values():
            entry.books.lose_pending()

    def add(self, other: Ledger) -> None:
        """Add another process's ledger."""
        self.total.add(other.total)
        self.replies_read += other.replies_read
        for name, entry in other.names.items():
            self.name(name).add(entry)
        for what, times in other.notes.items():
            self.note(what, times)
        self.invalid.extend(other.invalid)
        self.examples.merge(other.examples.all())
        self.trace_url = self.trace_url or other.trace_url
        self.since = self.since or other.since
        self.duration_s = max(self.duration_s, other.duration_s)

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain values."""
        return {
            "total": self.total.to_dict(),
            "replies_read": self.replies_read,
            "names": {name: entry.to_wire() for name, entry in self.names.items()},
            "notes": self.notes,
            "invalid": self.invalid,
            "examples": [tuple(example) for example in self.examples.all()],
            "trace_url": self.trace_url,
            "since": self.since,
            "duration_s": self.duration_s,
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        ledger = cls()
        ledger.total = Books.from_dict(data["total"])
        ledger.replies_read = data["replies_read"]
        ledger.names = {name: NameLedger.from_wire(entry) for name, entry in data["names"].items()}
        ledger.notes = dict(data["notes"])
        ledger.invalid = list(data["invalid"])
        ledger.examples.merge(Example(*example) for example in data["examples"])
        ledger.trace_url = data["trace_url"]
        ledger.since = data["since"]
        ledger.duration_s = data["duration_s"]
        return ledger
