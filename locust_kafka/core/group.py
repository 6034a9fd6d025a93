"""The consumer group of the service under test, looked at once a second: how far behind it is, and its rebalances.

Two looks a second apart cannot show everything: several rebalances between them count as one, so the count is a lower
bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire
from locust_kafka.core.events import MAX_EVENTS, Event

STABLE, EMPTY = "STABLE", "EMPTY"
ABSENT = frozenset({"DEAD", "UNKNOWN"})
"""What Kafka answers for a group that it does not know."""
REBALANCING = frozenset({"PREPARING_REBALANCING", "COMPLETING_REBALANCING", "ASSIGNING", "RECONCILING"})


class GroupSample(NamedTuple):
    """One look.

    Attributes:
        at_s: when, in seconds of the wall clock since 1970.
        state: Kafka's word for the group's state, in capitals.
        members: the partitions of each member, by its id.
        lag: records that are appended and not committed, of all partitions with a committed offset; None when nothing
            was ever committed.
        leaderless: partitions of the request topics without a leader.
        under_replicated: those with fewer replicas in sync than they have.
    """

    at_s: float
    state: str
    members: Mapping[str, frozenset[str]]
    lag: int | None
    leaderless: int = 0
    under_replicated: int = 0

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """From the plain values that the reader's process prints.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: they are not of that form.
        """
        members = {wire.text(member): frozenset(wire.texts(parts)) for member, parts in data["members"].items()}
        return cls(
            wire.number(data["at_s"], 0.0, wire.MAX_INSTANT_S), wire.text(data["state"]), members,
            None if data["lag"] is None else wire.count(data["lag"]), wire.count(data["leaderless"]),
            wire.count(data["under_replicated"]),
        )  # fmt: skip


@dataclass
class GroupResults:
    """What was seen of a group during a run.

    Attributes:
        name: the group's.
        lag_max: the most records that it was behind; None when that was never known.
        lag_end: the same at the last look.
        rebalances: how many were seen.
        events: the first MAX_EVENTS of what happened to the group or its topic.
        exists: whether Kafka knew such a group at any look.
    """

    name: str
    lag_max: int | None = None
    lag_end: int | None = None
    rebalances: int = 0
    events: list[Event] = field(default_factory=list)
    exists: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the summary."""
        return {
            "name": self.name, "lag_max": self.lag_max, "lag_end": self.lag_end, "rebalances": self.rebalances,
            "events": [[event.at_s, event.words] for event in self.events],
        }  # fmt: skip


class GroupTracker:
    """Compares each look with the one before.

    Args:
        name: the group's.
    """

    def __init__(self, name: str) -> None:
        self.results = GroupResults(name)
        self._before: GroupSample | None = None
        self._settled: Mapping[str, frozenset[str]] | None = None
        self._rebalancing_since_s: float | None = None

    def add_sample(self, look: GroupSample) -> int:
        """Take one look; how many rebalances it showed."""
        results, before = self.results, self._before
        if look.lag is not None:
            results.lag_max = max(look.lag, results.lag_max or 0)
        results.lag_end = look.lag
        if look.state not in ABSENT:
            results.exists = True
        elif before is None:
            self._note(look.at_s, "there is no such group: see its name, and whether the service runs")
        shown = self._judge(look)
        results.rebalances += shown
        if look.state == EMPTY and before is not None and before.state != EMPTY:
            self._note(look.at_s, "the group has no members: nobody reads the requests")
        for was, now, what in (
            (before.leaderless if before else 0, look.leaderless, "without a leader"),
            (before.under_replicated if before else 0, look.under_replicated, "under-replicated"),
        ):
            if now > was:
                self._note(look.at_s, f"partitions of the request topic {what}: {now}")
            elif was > now == 0:
                self._note(look.at_s, f"no partition of the request topic is {what} any more")
        self._before = look
        return shown

    def _judge(self, look: GroupSample) -> int:
        if look.state in REBALANCING:
            if self._rebalancing_since_s is None:
                self._rebalancing_since_s = look.at_s
            return 0
        if look.state != STABLE:
            return 0
        before, self._settled = self._settled, look.members
        since_s, self._rebalancing_since_s = self._rebalancing_since_s, None
        if before is None or (since_s is None and before == look.members):
            return 0
        took = "within a second" if since_s is None else f"about {max(1, round(look.at_s - since_s))} s"
        self._note(look.at_s, f"rebalance, {took}: {len(before)} → {len(look.members)} members")
        return 1

    def _note(self, at_s: float, words: str) -> None:
        if len(self.results.events) < MAX_EVENTS:
            self.results.events.append(Event(at_s, words))
