"""The generator's own health: when could it have moved what it reports?

p99 is decided by the slowest hundredth.  So it could have moved by more than a tenth when more than one in a hundred
exchanges could have been off by more than a tenth of it; for what has no exchange of its own to show (a hub that
stands still), instants stand for exchanges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire
from locust_kafka.core.bounds import at_most
from locust_kafka.core.latency import LatencySeries

MS = 1_000_000
MAX_SHIFT = 0.1
"""How far p99 may have been moved, as a share of it."""
TAIL = 0.01
"""The share of exchanges that decides p99."""
MIN_LAG_NS = MS
"""Below that no lag is held against the generator: timers and threads are no more exact than that."""
MIN_HUB_LAG_NS = 5 * MS
"""The same for a hub at work: in the closed model its lag delays the next request, not a latency."""
SATURATED = 0.95
"""Of a core used by the hub's thread: it has nothing left to be on time with."""
MIN_WATCHED_NS = 2_000_000_000
"""Below this duration the self-check gives no verdict."""
STALLS = 20
STANDSTILL_NS = 1_000 * MS
"""A native thread that was kept from running for so long: the whole process stood still, and so did its stamps."""
HUB_EVERY_NS = 10 * MS
NATIVE_EVERY_NS = 20 * MS
"""How often the hub and the native thread are to come: between two times, nothing is seen."""

IDLE = 0.5
"""Of a core: a hub that used less and was late was kept from running, and another process would be so too."""
REMEDY = 'use more processes (--processes), producers = "shared" on the user class, or a machine with less else to do'


class Stall(NamedTuple):
    """A moment in which the generator stood still: when (ns on the wall clock), how long, and what (hub or native)."""

    at_ns: int
    length_ns: int
    kind: str


SERIES = ("hub", "native", "start", "gc")


class Health:
    """What the generator has seen of itself.

    Attributes:
        hub: how late the hub came to what was due, sampled evenly.
        native: how late a native thread did: what a stamp waits for.
        start: how late arrivals began for whom a user was waiting.
        gc: pauses of the garbage collector.
        watched_ns: how long it was looked at.
        cpu_ns: of the process meanwhile.
        hub_cpu_ns: of the hub's thread.
        stalls: the longest.
    """

    def __init__(self) -> None:
        self.hub, self.native, self.start, self.gc = (LatencySeries() for _ in SERIES)
        self.watched_ns = 0
        self.cpu_ns = 0
        self.hub_cpu_ns = 0
        self.stalls: list[Stall] = []

    def reset(self) -> None:
        """Reset it."""
        self.__init__()  # type: ignore[misc] # what it is at the start, in the same place

    def aggregate(self) -> None:
        """Count what was recorded."""
        for name in SERIES:
            getattr(self, name).aggregate()

    def stalled(self, stall: Stall) -> None:
        """Note a stall, if it is among the longest."""
        self.stalls.append(stall)
        self.stalls.sort(key=lambda one: -one.length_ns)
        del self.stalls[STALLS:]

    def add(self, other: Health) -> None:
        """Add another process's."""
        for name in SERIES:
            getattr(self, name).merge(getattr(other, name))
        self.watched_ns += other.watched_ns
        self.cpu_ns += other.cpu_ns
        self.hub_cpu_ns += other.hub_cpu_ns
        for stall in other.stalls:
            self.stalled(stall)

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain values."""
        return {
            **{name: getattr(self, name).to_wire() for name in SERIES},
            "watched_ns": self.watched_ns, "cpu_ns": self.cpu_ns, "hub_cpu_ns": self.hub_cpu_ns,
            "stalls": [tuple(stall) for stall in self.stalls],
        }  # fmt: skip

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`.

        Raises:
            LookupError, TypeError, ValueError: the data is not of that form.
        """
        health = cls()
        for name in SERIES:
            setattr(health, name, LatencySeries.from_wire(data[name]))
        health.watched_ns, health.cpu_ns, health.hub_cpu_ns = (
            wire.count(data[name]) for name in ("watched_ns", "cpu_ns", "hub_cpu_ns")
        )
        health.stalls = [
            Stall(wire.count(at_ns), wire.count(length_ns), wire.text(kind))
            for at_ns, length_ns, kind in at_most(wire.listed(data["stalls"]), STALLS)
        ]
        return health


def findings(health: Health, p99_ns: int, *, open_model: bool) -> list[str]:
    """Sentences that say how the generator could have moved its p99 by more than a tenth; empty when it could not."""
    if health.watched_ns < MIN_WATCHED_NS or not p99_ns:
        return []
    return list(_findings(health, p99_ns, open_model=open_model))


def standstills(health: Health) -> list[Stall]:
    """The times in which the whole process stood still."""
    return [stall for stall in health.stalls if stall.kind == "native" and stall.length_ns >= STANDSTILL_NS]


def _findings(health: Health, p99_ns: int, *, open_model: bool) -> Iterable[str]:
    tenth_ns = max(round(p99_ns * MAX_SHIFT), MIN_LAG_NS)
    used = health.hub_cpu_ns / health.watched_ns
    kept = f"its hub used {used:.0%} of a core: other processes, or a blocking call in a task, kept it from more"
    p99 = f"with a p99 of {p99_ns / MS:.1f} ms; {kept if used < IDLE else REMEDY}"
    if open_model:
        late = health.start.count_above(tenth_ns)
        if late > health.start.count * TAIL:
            yield (
                f"{late} of {health.start.count} arrivals began more than {tenth_ns / MS:.1f} ms late although a user "
                f"was waiting, {p99}"
            )
    else:
        hub_ns = max(tenth_ns, MIN_HUB_LAG_NS)
        held = _share(health.hub, hub_ns, HUB_EVERY_NS, health.watched_ns)
        if held > TAIL:
            yield (
                f"{held:.1%} of the time its users were held up by more than {hub_ns / MS:.1f} ms (the longest "
                f"{health.hub.max_ns / MS:.0f} ms), {p99}"
            )
    heard_late = _share(health.native, tenth_ns, NATIVE_EVERY_NS, health.watched_ns)
    if heard_late > TAIL:
        yield f"{heard_late:.1%} of the time stamps came more than {tenth_ns / MS:.1f} ms late, {p99}"
    for stall in standstills(health):
        yield (
            f"the process stood still for {stall.length_ns / 1e9:.1f} s (stopped, swapped out, or its machine paused): "
            "what was under way then bears its delay; repeat the run"
        )
    if used > SATURATED:
        yield f"its hub used {used:.0%} of a core, so it had nothing left to be on time with; {REMEDY}"


def _share(lags: LatencySeries, limit_ns: int, every_ns: int, watched_ns: int) -> float:
    """The share of instants at which something due would have waited for longer than the limit.

    A stall began, on average, half a look before the look that it delayed.
    """
    return (lags.time_above(limit_ns) + lags.count_above(limit_ns) * every_ns / 2) / watched_ns
