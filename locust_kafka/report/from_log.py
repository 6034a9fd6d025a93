"""A run's results again, from the exchange logs that it left: a month later, or of several workers together."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from locust_kafka.core import wire
from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.counters import Counters
from locust_kafka.core.examples import SLOWEST, Example
from locust_kafka.core.history import History, Second
from locust_kafka.core.results import RunResults
from locust_kafka.report.exchange_log import COLUMNS

NS = 1_000_000_000
LEGS = ("schedule", "request", "service", "reply")
_MS = 1e6
_LONGEST_MS = 1e9


class LogError(ValueError):
    """A file is no exchange log; the sentence names it and the line."""


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of an exchange log, plain or gzipped.

    Raises:
        LogError: it cannot be read, or is no exchange log.
    """
    try:
        with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
            reader = csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))
            if reader.fieldnames != COLUMNS.split(","):
                raise LogError(f"{path} is no exchange log: its first line is not that of --kafka-exchange-log")
            for row in reader:
                if None in row or None in row.values():
                    raise LogError(f"{path}, line {reader.line_num}: the row has more or fewer values than columns")
                yield row
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise LogError(f"{path} cannot be read: {error}") from error


class LoggedRun:
    """Adds up the rows of one run, in any order.

    Args:
        reply_timeout_s: at which a timeout counts; None leaves timeouts out of e2e, for the log does not say it.
    """

    def __init__(self, reply_timeout_s: float | None) -> None:
        self.results = RunResults()
        self._timeout_ns = None if reply_timeout_s is None else int(reply_timeout_s * NS)
        self._seconds: dict[int, Second] = {}
        self._first_ns = self._last_ns = self._ended_ns = 0

    def add(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Add rows.

        Raises:
            LogError: a value is not what the column holds.
        """
        for row in rows:
            try:
                self._add(row)
            except (ValueError, KeyError) as error:
                raise LogError(f"the row of trace {row['trace_id'][:64]!r} cannot be read: {error}") from error

    def finish(self) -> tuple[RunResults, History]:
        """The results and the seconds of all rows."""
        results, history = self.results, History()
        results.load_s = (self._last_ns - self._first_ns) / NS
        results.duration_s = (max(self._ended_ns, self._last_ns) - self._first_ns) / NS
        results.replies_read = sum(results.total.verdicts)
        pending = 0
        for at_s in sorted(self._seconds):
            second = self._seconds[at_s]
            counters = second.counters
            pending += counters.registered - counters.matched - counters.timed_out - counters.undelivered
            second.pending = max(0, pending)
            history.add(second)
        timed_out = results.total.outcomes[Outcome.TIMED_OUT]
        if self._timeout_ns is None and timed_out:
            results.note("timeouts that e2e is without: give --reply-timeout", timed_out)
        return results, history

    def _add(self, row: Mapping[str, str]) -> None:
        intended_ns, sent_ns, received_ns = (_instant(row[name]) for name in ("intended_ns", "sent_ns", "received_ns"))
        if not intended_ns or (row["verdict"] and received_ns < intended_ns):
            raise ValueError("its reply came before it was to start")
        verdict = Verdict[row["verdict"]] if row["verdict"] else None
        entry, total = self.results.name(row["name"]), self.results.total
        for books in (total, entry.books):
            if verdict is not None:
                books.verdicts[verdict] += 1
        if row["outcome"]:
            self._ended(row, Outcome[row["outcome"]], intended_ns, sent_ns, received_ns)
            return
        latency_ns = received_ns - intended_ns
        second = self._second(received_ns)
        if verdict is Verdict.LATE:
            entry.late.record(latency_ns)
            second.counters.late += 1
        elif verdict is Verdict.DUPLICATE:
            entry.duplicate.record(latency_ns)
            second.counters.duplicates += 1
        if verdict is not None:
            kind = f"{verdict.name.lower()} reply"
            self.results.examples.add(Example(kind, row["name"], latency_ns, row["trace_id"]))

    def _ended(
        self, row: Mapping[str, str], outcome: Outcome, intended_ns: int, sent_ns: int, received_ns: int
    ) -> None:
        entry, total = self.results.name(row["name"]), self.results.total
        for books in (total, entry.books):
            books.registered += 1
            books.outcomes[outcome] += 1
        self._first_ns = min(self._first_ns or intended_ns, intended_ns)
        self._last_ns = max(self._last_ns, sent_ns or intended_ns)
        self._second(sent_ns or intended_ns).counters.registered += 1
        if row["ack_ms"]:
            entry.send.record(_leg_ns(row["ack_ms"]))
        if outcome is Outcome.MATCHED:
            self._matched(row, intended_ns, received_ns)
        elif outcome is Outcome.TIMED_OUT:
            timeout_ns = self._timeout_ns
            second = self._second(intended_ns + (timeout_ns or 0))
            second.counters.timed_out += 1
            if timeout_ns is not None:
                entry.timed_out.record(timeout_ns)
                second.e2e.record(timeout_ns)
            self.results.examples.add(Example("timed out", row["name"], timeout_ns or 0, row["trace_id"]))
        elif outcome is Outcome.UNDELIVERED:
            self._second(sent_ns or intended_ns).counters.undelivered += 1
            self.results.examples.add(Example("undelivered", row["name"], 0, row["trace_id"]))

    def _matched(self, row: Mapping[str, str], intended_ns: int, received_ns: int) -> None:
        entry, latency_ns = self.results.name(row["name"]), received_ns - intended_ns
        second = self._second(received_ns)
        second.counters.matched += 1
        second.e2e.record(latency_ns)
        entry.e2e_matched.record(latency_ns)
        for leg in LEGS:
            # As in the summary: the legs of two clocks are those of acknowledged exchanges.
            if row[f"{leg}_ms"] and (leg == "schedule" or row["acked_ns"]):
                leg_ns = _leg_ns(row[f"{leg}_ms"])
                getattr(entry, leg).record(leg_ns)
                counters = second.counters
                setattr(counters, f"{leg}_ns", getattr(counters, f"{leg}_ns") + leg_ns)
                setattr(counters, f"{leg}_count", getattr(counters, f"{leg}_count") + 1)
        if latency_ns > self.results.examples.slower_than_ns:
            self.results.examples.add(Example(SLOWEST, row["name"], latency_ns, row["trace_id"]))

    def _second(self, at_ns: int) -> Second:
        self._ended_ns = max(self._ended_ns, at_ns)
        at_s = at_ns // NS + 1  # named by its end, as the sampler's
        second = self._seconds.get(at_s)
        if second is None:
            second = self._seconds[at_s] = Second(at_s, 1.0, Counters())
        return second


def _instant(text: str) -> int:
    """Nanoseconds of the wall clock; 0 for what never came."""
    return wire.count(int(text)) if text else 0


def _leg_ns(text: str) -> int:
    return round(wire.number(float(text), 0.0, _LONGEST_MS) * _MS)
