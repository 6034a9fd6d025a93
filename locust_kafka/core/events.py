"""Moments of a run that a person wants to know of: a lost broker, a new leader, a rebalance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire

MAX_EVENTS = 200
"""Events that are kept, the first ones."""
SAME_S = 2.0
"""Several processes see the same thing at nearly the same time: it is one event."""
MAX_WORDS = 300
"""Characters of an event that another process has told."""


class Event(NamedTuple):
    """Something that happened: when (s since 1970), and what, in words."""

    at_s: float
    words: str


@dataclass
class Disturbance:
    """A time in which a run was disturbed.

    Attributes:
        from_s: its begin, in seconds since 1970.
        to_s: its end.
        words: what stood out, in words.
        events: what happened shortly before it, or within it.
    """

    from_s: float
    to_s: float
    words: str = ""
    events: list[Event] = field(default_factory=list)

    @property
    def length_s(self) -> float:
        """How long it was (s)."""
        return self.to_s - self.from_s


class Events:
    """The events of a run, in order; of one process or of several."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def all(self) -> list[Event]:
        """All of them, the oldest first."""
        return sorted(self._events)

    def add(self, at_s: float, words: str) -> None:
        """Add one; beyond MAX_EVENTS it is left out, and so is one that another process has told already."""
        known = any(one.words == words and abs(one.at_s - at_s) < SAME_S for one in self._events)
        if not known and len(self._events) < MAX_EVENTS:
            self._events.append(Event(at_s, words))

    def merge(self, others: Iterable[Event]) -> None:
        """Add another process's."""
        for at_s, words in others:
            self.add(at_s, words)

    def to_wire(self) -> list[tuple[float, str]]:
        """For the master: plain values."""
        return [(one.at_s, one.words) for one in self._events]

    @classmethod
    def from_wire(cls, data: Sequence[Any]) -> Self:
        """The inverse of `to_wire`.

        Raises:
            LookupError, TypeError, ValueError: the data is not of that form.
        """
        events = cls()
        for at_s, words in data:
            events.add(wire.number(at_s, 0.0, wire.MAX_INSTANT_S), wire.text(words)[:MAX_WORDS])
        return events
