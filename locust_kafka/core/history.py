"""A run second by second: what the charts, `history.csv` and the progress line are made from.

A second is sampled in each process and added up at the master by its number.  The latest seconds keep their latency
buckets, so that several processes and several seconds can be merged exactly; older ones keep only the figures of a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire
from locust_kafka.core.counters import COUNTED_LEGS, Counters
from locust_kafka.core.latency import LatencySeries

MERGE_S = 30
"""Seconds that stay open: a worker reports every three seconds, and may be late with it."""
MAX_ROWS = 7200
"""Two hours of seconds; beyond that, neighbours are merged and a row stands for two seconds, then for four."""
MAX_LENGTH_S = 3600.0
"""A second that was longer is none."""


@dataclass(slots=True)
class Second:
    """One second of one process, or of several.

    Attributes:
        at_s: when it ended, in whole seconds of the wall clock since 1970.
        length_s: how long it was: longer when the process was late.
        counters: what happened in it.
        e2e: latencies of the requests that ended in it.
        pending: requests under way at its end.
        users: Kafka users at its end.
        hub_lag_ns: the longest lag of the hub in it.
        hub_core: the part of one core that the hub's thread took; of several processes the busiest's.
        lag: records that the service's group was behind; None when that is not known.
        rebalances: of that group, that were seen in it.
    """

    at_s: int
    length_s: float = 1.0
    counters: Counters = field(default_factory=Counters)
    e2e: LatencySeries = field(default_factory=LatencySeries)
    pending: int = 0
    users: int = 0
    hub_lag_ns: int = 0
    hub_core: float = 0.0
    lag: int | None = None
    rebalances: int = 0
    _row: Row | None = None

    def add(self, other: Second, *, same_time: bool) -> None:
        """Add another process's second, or (not at the same time) the next second of the same process."""
        self._row = None
        self.counters.add(other.counters)
        self.e2e.merge(other.e2e)
        self.hub_lag_ns = max(self.hub_lag_ns, other.hub_lag_ns)
        self.hub_core = max(self.hub_core, other.hub_core)
        self.lag = _max_known(self.lag, other.lag)
        self.rebalances += other.rebalances
        if same_time:
            self.length_s = max(self.length_s, other.length_s)
            self.pending += other.pending
            self.users += other.users
        else:
            self.length_s += other.length_s
            self.at_s, self.pending, self.users = other.at_s, other.pending, other.users

    def row(self) -> Row:
        """Its figures; computed once, until something is added."""
        if self._row is None:
            self._row = self._figures()
        return self._row

    def _figures(self) -> Row:
        c = self.counters
        p50, p95, p99 = self.e2e_ms()
        schedule, request, service, reply, ack = (c.mean_ms(leg) for leg in COUNTED_LEGS)
        return Row(
            self.at_s, self.length_s, self.users, c.registered, c.matched, c.timed_out, c.undelivered, c.late,
            c.duplicates, self.pending, c.due, c.started, c.dropped, p50, p95, p99, schedule, request, service, reply,
            ack, self.hub_lag_ns / 1e6, round(self.hub_core, 3), self.lag,
            self.rebalances,
        )  # fmt: skip

    def e2e_ms(self) -> tuple[float | None, float | None, float | None]:
        """p50, p95 and p99 in ms; None when no request ended."""
        if not self.e2e.count:
            return None, None, None
        p50, p95, p99 = (ns / 1e6 for ns in self.e2e.percentiles_ns((500, 950, 990)))
        return p50, p95, p99

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain values."""
        counters = [getattr(self.counters, one.name) for one in fields(self.counters)]
        return {
            "at_s": self.at_s, "length_s": self.length_s, "counters": counters, "e2e": self.e2e.to_wire(),
            "pending": self.pending, "users": self.users, "hub_lag_ns": self.hub_lag_ns,
            "hub_core": self.hub_core,
        }  # fmt: skip

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`.

        Raises:
            LookupError, TypeError, ValueError: the data is not of that form.
        """
        at_s = wire.number(data["at_s"], 0.0, wire.MAX_INSTANT_S)
        length_s = wire.number(data["length_s"], wire.MIN_MAGNITUDE, MAX_LENGTH_S)
        series = LatencySeries.from_wire(data["e2e"])
        return cls(
            int(at_s), length_s, Counters.from_wire(data["counters"]), series, wire.count(data["pending"]),
            wire.count(data["users"]), wire.count(data["hub_lag_ns"]), wire.number(data["hub_core"], 0.0, 1.0),
        )  # fmt: skip


class Row(NamedTuple):
    """The figures of a second: counts of that second, latencies and means in ms (None where there is none)."""

    at_s: int
    length_s: float
    users: int
    registered: int
    matched: int
    timed_out: int
    undelivered: int
    late: int
    duplicates: int
    pending: int
    due: int
    started: int
    dropped: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    schedule_ms: float | None
    request_ms: float | None
    service_ms: float | None
    reply_ms: float | None
    ack_ms: float | None
    hub_lag_ms: float
    hub_core: float
    lag: int | None = None
    rebalances: int = 0

    @property
    def achieved_rate(self) -> float:
        """Requests a second that were sent."""
        return self.registered / self.length_s

    @property
    def offered_rate(self) -> float:
        """Arrivals a second that were planned; 0 in the closed model."""
        return self.due / self.length_s


class History:
    """The seconds of a run."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._open: dict[int, Second] = {}
        self.seconds_per_row = 1
        """Of the closed rows."""
        self._closing: Second | None = None
        self._notes: dict[int, tuple[int | None, int]] = {}
        self._merged = 0

    def add(self, second: Second) -> None:
        """Add a second of one process.  One that comes after its place was closed is added to the oldest open one."""
        at_s = max(second.at_s, min(self._open, default=second.at_s))
        known = self._open.get(at_s)
        if known is None:
            self._open[at_s] = second
            if at_s in self._notes:
                self.annotate(at_s, *self._notes.pop(at_s))
        else:
            known.add(second, same_time=True)
        while len(self._open) > MERGE_S:
            self._close(self._open.pop(min(self._open)))

    def annotate(self, at_s: int, lag: int | None, rebalances: int) -> None:
        """Add what was seen of the service's group; for a second that is to come as well."""
        known = self._open.get(at_s)
        if known is not None:
            known.add(Second(at_s, 0.0, lag=lag, rebalances=rebalances), same_time=True)
        elif at_s > max(self._open, default=0):
            before = self._notes.get(at_s, (None, 0))
            self._notes[at_s] = _max_known(lag, before[0]), rebalances + before[1]
            while len(self._notes) > MERGE_S:
                del self._notes[min(self._notes)]

    def rows(self) -> list[Row]:
        """All rows, the oldest first; the latest may still grow."""
        closing = [self._closing.row()] if self._closing is not None else []
        return self._rows + closing + [self._open[at_s].row() for at_s in sorted(self._open)]

    def latest(self, seconds: int) -> Second | None:
        """The last so many seconds as one, without the very last, which other processes may not have reported yet."""
        chosen = [self._open[at_s] for at_s in sorted(self._open)][-seconds - 1 : -1]
        return merged(chosen) if chosen else None

    def _close(self, second: Second) -> None:
        if self._closing is None:
            self._closing, self._merged = second, 1
        else:
            self._closing.add(second, same_time=False)
            self._merged += 1
        if self._merged == self.seconds_per_row:
            self._rows.append(self._closing.row())
            self._closing = None
        if len(self._rows) >= MAX_ROWS:
            self._rows = [_both(*pair) for pair in zip(self._rows[::2], self._rows[1::2], strict=True)]
            self.seconds_per_row *= 2


def merged(seconds: Iterable[Second]) -> Second:
    """Successive seconds as one; of at least one."""
    ordered = list(seconds)
    whole = Second(ordered[0].at_s, 0.0)
    for second in ordered:
        whole.add(second, same_time=False)
    return whole


def _max_known(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


def _both(first: Row, second: Row) -> Row:
    """Two successive rows as one.  Of their percentiles and means the higher stands: a peak must not vanish."""
    values: dict[str, Any] = {}
    for name, one, other in zip(Row._fields, first, second, strict=True):
        if name in ("at_s", "users", "pending"):
            values[name] = other
        elif name.endswith(("_ms", "_core", "lag")):
            values[name] = max((value for value in (one, other) if value is not None), default=None)
        else:
            values[name] = (one or 0) + (other or 0)
    return Row(**values)
