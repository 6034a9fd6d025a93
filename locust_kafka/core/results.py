"""Counts and latencies of a run, in all and per request name: what is shown, and what workers send to the master."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from locust_kafka.core import wire
from locust_kafka.core.before_wire import BeforeWire
from locust_kafka.core.books import Books, Equation, equations
from locust_kafka.core.bounds import MAX_SENTENCES, at_most
from locust_kafka.core.events import Disturbance, Event, Events
from locust_kafka.core.examples import Example, Examples
from locust_kafka.core.group import GroupResults
from locust_kafka.core.health import Health, findings, standstills
from locust_kafka.core.name_results import NameResults
from locust_kafka.core.routing import RoutingResults
from locust_kafka.core.schedule import Counts

MAX_NAMES = 1_000
OTHER_NAMES = "(more names)"
"""Where requests are counted whose names would be too many: a table of ten thousand rows says nothing."""

Pause = Callable[[], object]
"""Is called between the names, of which there may be many: whoever owns the results may give way to others."""

_SUMMED = (
    "replies_read", "user_s", "offered", "rows_unreported", "offset_uncertainty_ns", "leg_count",
    "request_bytes", "reply_bytes",
)  # fmt: skip
_FIRST = ("trace_url", "since", "legs_unavailable", "cluster")
"""Of several processes', the first that is not empty."""
_PLAIN: dict[str, wire.Reader] = {
    **dict.fromkeys(_SUMMED, wire.count), **dict.fromkeys(_FIRST, wire.text), "clocks": wire.clocks,
    "notes": wire.counts, "invalid": wire.sentences, "bottleneck": wire.sentences,
    **dict.fromkeys(("user_s", "offered", "load_s", "duration_s"), wire.number),
    **dict.fromkeys(("open_model", "all_waited"), wire.truth),
}  # fmt: skip
"""Attributes that travel to the master as they are, and what reads each there."""


def no_pause() -> None:
    """Go on at once."""


class RunResults:
    """A run's results; of one process, or of all workers added up at the master.

    Attributes:
        total: what the correlator counted.
        replies_read: replies handed over by the reply consumer, counted before they were judged.
        names: the second entry: the same per request name, counted by the recorder.
        arrivals: what became of the planned arrivals (open model).
        notes: counters besides the books, by the words the summary uses.
        invalid: sentences that say why the run cannot be trusted; empty for a good run.
        examples: exchanges worth looking at; with tracing on, only such as are in the trace store.
        trace_url: template of a link to a trace; "" for none.
        since: since when the latency series count, in words; empty for the whole run.
        load_s: how long users could send (s): from the first event until the stop began.
        duration_s: the same with drain and settle (s).
        user_s: seconds that users were there, all added up; 0 in the open model.
        open_model: whether arrivals were planned.
        offered: arrivals per second that were planned, on average; 0 in the closed model.
        all_waited: whether every user waited for its reply before it went on.
        rows_unreported: checked replies whose `with` block was never entered, so that they have no row.
        clocks: how far each broker's clock is ahead of this machine's (ms), and how certain that is (ms).
        offset_uncertainty_ns: of the clocks' offset, added up over the `leg_count` exchanges whose legs are known.
        health: what the generator has seen of itself.
        bottleneck: sentences that say how the generator could have moved the figures; empty for a good run.
        legs_unavailable: why legs are not known, in words; empty when they are.
        routing: how its replies were routed.
        before_wire: how long requests waited in librdkafka before they reached the socket.
        group: what was seen of the service's consumer group, by the process that looks; None when nobody does.
        cluster: its id and brokers, in words; empty while nobody has asked it.
        events: what happened to this run, as its processes have seen it.
        disturbances: when its figures stood out, once it has ended.
        request_bytes: payloads of all requests that were registered.
        reply_bytes: payloads of all replies that were read.
    """

    def __init__(self) -> None:
        self.total = Books()
        self.replies_read = 0
        self.names: dict[str, NameResults] = {}
        self.arrivals = Counts()
        self.notes: dict[str, int] = {}
        self.invalid: list[str] = []
        self.examples = Examples()
        self.trace_url = ""
        self.since = ""
        self.load_s = 0.0
        self.duration_s = 0.0
        self.user_s = 0.0
        self.open_model = False
        self.offered = 0.0
        self.all_waited = True
        self.rows_unreported = 0
        self.clocks: dict[str, tuple[float, float]] = {}
        self.offset_uncertainty_ns = 0
        self.leg_count = 0
        self.legs_unavailable = ""
        self.routing = RoutingResults()
        self.before_wire = BeforeWire()
        self.health = Health()
        self.bottleneck: list[str] = []
        self.cluster = ""
        self.group: GroupResults | None = None
        self.request_bytes = self.reply_bytes = 0
        self.events = Events()
        self.disturbances: list[Disturbance] = []

    def name(self, name: str) -> NameResults:
        """The entry of a request name, made on first use; beyond MAX_NAMES that of OTHER_NAMES."""
        entry = self.names.get(name)
        if entry is None:
            if len(self.names) >= MAX_NAMES and name != OTHER_NAMES:
                return self.name(OTHER_NAMES)
            entry = self.names[name] = NameResults()
        return entry

    def note(self, what: str, times: int = 1) -> None:
        """Count something that is no outcome and no verdict."""
        self.notes[what] = self.notes.get(what, 0) + times

    def equations(self, *, closed: bool) -> list[Equation]:
        """The laws of the books with their numbers."""
        laws = equations(self.total, (entry.books for entry in self.names.values()), self.replies_read, closed=closed)
        if self.open_model:
            due, started, dropped, given_back = self.arrivals
            laws.append(Equation(
                f"arrivals due {due} = started + dropped + given back = {started} + {dropped} + {given_back}",
                not closed or due == started + dropped + given_back,
            ))  # fmt: skip
        return laws

    def balanced(self, *, closed: bool) -> bool:
        """Whether every law holds."""
        return all(equation.holds for equation in self.equations(closed=closed))

    def happened(self) -> list[Event]:
        """All that is known to have happened: to the run, to its process, and to the service's group."""
        still = [
            Event(stall.at_ns / 1e9, f"the tester stood still for {stall.length_ns / 1e9:.1f} s")
            for stall in standstills(self.health)
        ]
        return sorted([*self.events.all(), *still, *(self.group.events if self.group is not None else [])])

    def whole(self) -> NameResults:
        """All names added up."""
        whole = NameResults()
        for entry in self.names.values():
            whole.add(entry)
        return whole

    def judge_generator(self) -> None:
        """Say how this process could have moved the p99 that it reports."""
        e2e = self.whole().e2e
        if e2e.count:
            self.bottleneck += findings(self.health, e2e.percentiles_ns((990,))[0], open_model=self.open_model)

    def lose_pending(self) -> None:
        """The process is gone: what it had pending is LOST, in both entries."""
        self.total.lose_pending()
        for entry in self.names.values():
            entry.books.lose_pending()
        due, started, dropped, given_back = self.arrivals  # what was due and not taken is gone with it
        self.arrivals = Counts(due, started, due - started - given_back if self.open_model else dropped, given_back)

    def reset_latencies(self, since: str) -> None:
        """Reset the latency series, never the books; `since` says in words from when on they count."""
        for entry in self.names.values():
            entry.reset_latencies()
        self.before_wire.reset()
        self.examples.reset_slowest()
        self.since = since

    def drain_buffers(self, pause: Pause = no_pause) -> None:
        """Count latencies that were only gathered."""
        for entry in [*self.names.values()]:
            entry.aggregate()
            pause()

    def add(self, other: RunResults, pause: Pause = no_pause) -> None:
        """Add another process's results: all counts as they are now, then the latencies, name by name."""
        names = [(self.name(name), entry) for name, entry in other.names.items()]
        self._add_counts(other)
        for ours, entry in names:
            ours.add_latencies(entry)
            pause()

    def _add_counts(self, other: RunResults) -> None:
        self.total.add(other.total)
        for attribute in _SUMMED:
            setattr(self, attribute, getattr(self, attribute) + getattr(other, attribute))
        for attribute in _FIRST:
            setattr(self, attribute, getattr(self, attribute) or getattr(other, attribute))
        for name, entry in other.names.items():
            self.name(name).add_counts(entry)
        self.arrivals = Counts(*map(sum, zip(self.arrivals, other.arrivals, strict=True)))
        for what, times in other.notes.items():
            self.note(what, times)
        self.invalid.extend(other.invalid)
        self.examples.merge(other.examples.all())
        self.load_s = max(self.load_s, other.load_s)
        self.duration_s = max(self.duration_s, other.duration_s)
        self.open_model = self.open_model or other.open_model
        self.all_waited = self.all_waited and other.all_waited
        for broker, clock in other.clocks.items():
            self.clocks[broker] = max(self.clocks.get(broker, clock), clock, key=lambda known: known[1])
        self.routing.add(other.routing)
        self.before_wire.add(other.before_wire)
        self.health.add(other.health)
        self.bottleneck.extend(other.bottleneck)
        self.group = self.group or other.group
        self.events.merge(other.events.all())
        self.disturbances = self.disturbances or other.disturbances

    def copy(self, pause: Pause = no_pause) -> RunResults:
        """Results of their own, as they are now: for whoever needs long to read them."""
        result = RunResults()
        result.add(self, pause)
        return result

    def to_wire(self, *, latencies: bool = True, pause: Pause = no_pause) -> dict[str, Any]:
        """For the master: plain values; all counts as they are now, then the latencies, name by name.

        Args:
            latencies: whether the latency series go along; without them it is small enough for every few seconds.
            pause: between the names' latencies.
        """
        wire = self._to_wire(latencies=latencies)
        for name, entry in [*self.names.items()] if latencies else []:
            wire["names"][name]["series"] = entry.series_to_wire()
            pause()
        return wire

    def _to_wire(self, *, latencies: bool) -> dict[str, Any]:
        return {
            "total": self.total.to_dict(),
            "names": {name: entry.to_wire() for name, entry in self.names.items()},
            "arrivals": tuple(self.arrivals),
            "routing": self.routing.to_wire(),
            "health": self.health.to_wire() if latencies else None,
            "before_wire": self.before_wire.to_wire(),
            "events": self.events.to_wire(),
            "examples": [tuple(example) for example in self.examples.all()] if latencies else [],
            **{name: getattr(self, name) for name in _PLAIN},
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`; what did not go along is empty.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: the data is not of that form.
        """
        results = cls()
        results.total = Books.from_dict(data["total"])
        names = at_most(data["names"], MAX_NAMES + 1).items()
        results.names = {wire.text(name): NameResults.from_wire(entry) for name, entry in names}
        results.arrivals = Counts(*map(wire.count, data["arrivals"]))
        results.routing = RoutingResults.from_wire(data["routing"])
        results.health = Health.from_wire(data["health"]) if data["health"] else Health()
        results.before_wire = BeforeWire.from_wire(data["before_wire"])
        results.events = Events.from_wire(data["events"])
        results.examples.merge(map(Example.from_wire, at_most(data["examples"], MAX_SENTENCES)))
        for name, read in _PLAIN.items():
            setattr(results, name, read(data[name]))
        return results
