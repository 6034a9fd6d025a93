"""Which replies a process asks for and reads, so that N workers do not read everything N times.

Each worker owns the reply partitions whose numbers leave its own number as the remainder.  A request asks for one of
them, chosen by its trace id, so that whoever sees the reply knows where it was to go.  All partitions are owned by
somebody: a reply that goes astray is seen, by another worker.

Whether a service honours the request cannot be told by looking at it.  With `auto` the first replies of the run prove
it: until then everything is read, so that nothing can be missed.  Requests of our own beforehand would be requests that
nobody planned, at a service that may not take them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire
from locust_kafka.core.bounds import MAX_ITEMS, MAX_SENTENCES, at_most

Partition = tuple[str, int]
"""A topic and the number of a partition."""

PROVEN_AT = 100
"""Replies that must all have come where they were asked to."""
GENERATION = 8
"""Hex digits that all trace ids of a process and run begin with."""


class TooFewPartitions(ValueError):
    """A worker would own no partition of a reply topic; the text is a sentence."""


class Share(NamedTuple):
    """Which of the workers this process is.

    Attributes:
        number: its own, from 0; `workers` for one that joined later, and owns nothing.
        workers: how many there were when the run began.
    """

    number: int = 0
    workers: int = 1

    @property
    def joined_late(self) -> bool:
        """Whether there is nothing left to own."""
        return self.number >= self.workers

    def owns(self, partition: int) -> bool:
        """Whether the partition of that number is this process's."""
        return partition % self.workers == self.number

    def divide(self, partitions: Iterable[Partition]) -> dict[str, list[int]]:
        """By topic the numbers that this process owns, of all partitions of the reply topics.

        Raises:
            TooFewPartitions: some worker would own none.
        """
        numbers: dict[str, list[int]] = {}
        for topic, number in sorted(partitions):
            numbers.setdefault(topic, []).append(number)
        for topic, all_of_it in numbers.items():
            if len(all_of_it) < self.workers:
                raise TooFewPartitions(
                    f"{self.workers} workers cannot share the {len(all_of_it)} partitions of reply topic {topic!r}: "
                    "give it at least as many, or use --kafka-reply-routing shared or topic"
                )
        return {topic: [one for one in all_of_it if self.owns(one)] for topic, all_of_it in numbers.items()}


def wanted_partition(owned: list[int], trace_id: bytes) -> int:
    """The partition that the reply to a request is asked to come to: by the last two digits of its trace id."""
    return owned[int(trace_id[-2:], 16) % len(owned)]


class Proof:
    """Whether the service sends replies where they are asked to.

    Args:
        owned: by reply topic the partitions that this process owns.
        generation: what its trace ids begin with.
    """

    def __init__(self, owned: Mapping[str, list[int]], generation: bytes) -> None:
        self._owned, self._generation = owned, generation
        self.kept = 0
        """Replies that came where they were asked to."""
        self.honoured: bool | None = None
        """None while it is not known."""

    def add(self, trace_id: bytes, topic: str, number: int) -> None:
        """A reply to a request of ours has come; one to a trace that the user has begun proves nothing."""
        if self.honoured is not None or not trace_id.startswith(self._generation):
            return
        owned = self._owned.get(topic)
        if not owned or number != wanted_partition(owned, trace_id):
            self.honoured = False
            return
        self.kept += 1
        if self.kept >= PROVEN_AT:
            self.honoured = True


class RoutingResults:
    """How the replies of a run were routed; of one process, or of all workers added up.

    Attributes:
        processes: how many went by which routing, by the words the summary uses.
        siblings: foreign replies that belong to other processes of this run.
        narrowed: what the trace ids of processes begin with that read their own partitions only.
        astray: replies seen on a partition that belongs to another process than their request's, by what their trace
            ids begin with.
    """

    def __init__(self) -> None:
        self.processes: Counter[str] = Counter()
        self.siblings = 0
        self.narrowed: set[str] = set()
        self.astray: Counter[str] = Counter()

    @property
    def lost(self) -> int:
        """Replies that were seen, but not by who waited for them."""
        return sum(count for generation, count in self.astray.items() if generation in self.narrowed)

    @property
    def sentence(self) -> str:
        """Why the run cannot be trusted; "" when it can."""
        if not self.lost:
            return ""
        return (
            f"{self.lost} replies came to partitions of other workers than those who waited for them: the service does "
            "not always honour reply-partition, so requests may have timed out that were answered; "
            "use --kafka-reply-routing shared"
        )

    def add(self, other: RoutingResults) -> None:
        """Add another process's."""
        self.processes.update(other.processes)
        self.siblings += other.siblings
        self.narrowed |= other.narrowed
        self.astray.update(other.astray)

    def to_wire(self) -> list[Any]:
        """For the master: plain values."""
        return [dict(self.processes), self.siblings, sorted(self.narrowed), dict(self.astray)]

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """The inverse of `to_wire`.

        Raises:
            TypeError, ValueError: it is not of that form.
        """
        processes, siblings, narrowed, astray = wire.listed(data)
        results = cls()
        results.siblings = wire.count(siblings)
        results.processes.update(wire.counts(at_most(processes, MAX_SENTENCES)))
        results.narrowed.update(at_most(wire.texts(narrowed), MAX_ITEMS))
        results.astray.update(wire.counts(astray))
        return results
