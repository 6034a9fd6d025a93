"""The books: one outcome per request, one verdict per reply, and the equations that must hold at every instant."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from locust_kafka.core import wire


class Outcome(enum.IntEnum):
    """How a request ended.  Every registered request ends exactly once."""

    MATCHED = 0
    """Its reply came in time."""
    TIMED_OUT = 1
    """No reply by its deadline."""
    UNDELIVERED = 2
    """The broker refused it or never took it."""
    UNFINISHED = 3
    """The run was cut short before its deadline."""
    LOST = 4
    """Only at the master: pending in the last report of a worker that died."""


class Verdict(enum.IntEnum):
    """What a reply turned out to be.  Every reply gets exactly one."""

    MATCH = 0
    """It ended its request as MATCHED."""
    LATE = 1
    """The first reply to a request that had timed out or was cut short."""
    DUPLICATE = 2
    """A further reply."""
    UNEXPECTED = 3
    """The first reply to a request that was reported undelivered: the broker had it after all."""
    ORPHAN = 4
    """Ours by its prefix, but not remembered."""
    FOREIGN = 5
    """Not known to be ours: another process, an earlier run, somebody else."""
    MALFORMED = 6
    """No correlation id could be read from it."""


# Rows of counters are lists indexed by Outcome and Verdict: hashing enum members was a seventh of the matching's cost.
def outcome_row() -> list[int]:
    """Zeros, one per outcome."""
    return [0] * len(Outcome)


def verdict_row() -> list[int]:
    """Zeros, one per verdict."""
    return [0] * len(Verdict)


@dataclass(slots=True)
class Books:
    """Counts of requests and replies; of a run, of one request name, or of many workers added up."""

    registered: int = 0
    outcomes: list[int] = field(default_factory=outcome_row)
    verdicts: list[int] = field(default_factory=verdict_row)

    @property
    def ended(self) -> int:
        """Requests that have an outcome."""
        return sum(self.outcomes)

    @property
    def pending(self) -> int:
        """Requests that have none yet."""
        return self.registered - self.ended

    @property
    def read(self) -> int:
        """Replies that have a verdict."""
        return sum(self.verdicts)

    def add(self, other: Books) -> None:
        """Add another process's or name's counts to these."""
        self.registered += other.registered
        for outcome, count in enumerate(other.outcomes):
            self.outcomes[outcome] += count
        for verdict, count in enumerate(other.verdicts):
            self.verdicts[verdict] += count

    def lose_pending(self) -> None:
        """The process that had them is gone: what was pending is LOST."""
        self.outcomes[Outcome.LOST] += self.pending

    def to_dict(self) -> dict[str, dict[str, int]]:
        """`{"requests": {...}, "replies": {...}}` with the names that the summary uses."""
        return {
            "requests": {
                "registered": self.registered,
                **{outcome.name.lower(): self.outcomes[outcome] for outcome in Outcome},
                "pending": self.pending,
            },
            "replies": {
                "read": self.read,
                **{verdict.name.lower(): self.verdicts[verdict] for verdict in Verdict},
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, int]]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            LookupError, TypeError, ValueError: the data is not of that form.
        """
        return cls(
            wire.count(data["requests"]["registered"]),
            [wire.count(data["requests"][outcome.name.lower()]) for outcome in Outcome],
            [wire.count(data["replies"][verdict.name.lower()]) for verdict in Verdict],
        )


@dataclass(frozen=True, slots=True)
class Equation:
    """One law of the books with its numbers: `text` is for people, `holds` for machines."""

    text: str
    holds: bool


def equations(total: Books, by_name: Iterable[Books], replies_read: int, *, closed: bool) -> list[Equation]:
    """The laws that must hold.

    Args:
        total: what the correlator counted.
        by_name: what the reports counted, per request name, each on its own: the second entry of double entry.
        replies_read: how many replies the reply consumer handed over, counted before any of them was judged.
        closed: whether the run is over, so that nothing may be pending.
    """
    o, v = total.outcomes, total.verdicts
    named = Books()
    for books in by_name:
        named.add(books)
    ended = " + ".join(str(count) for count in o)
    judged = " + ".join(str(count) for count in v)
    laws = [
        Equation(
            f"registered {total.registered} = matched + timed out + undelivered + unfinished + lost + pending "
            f"= {ended} + {total.pending}",
            total.pending >= 0,
        ),
        Equation(
            f"replies read {replies_read} = match + late + duplicate + unexpected + orphan + foreign + malformed "
            f"= {judged}",
            replies_read == total.read,
        ),
        Equation(f"match {v[Verdict.MATCH]} = matched {o[Outcome.MATCHED]}", v[Verdict.MATCH] == o[Outcome.MATCHED]),
        Equation(
            f"by name: {named.registered} registered, {named.ended} ended = {total.registered}, {total.ended} in all",
            (named.registered, named.outcomes) == (total.registered, o)
            and named.verdicts[: Verdict.ORPHAN] == v[: Verdict.ORPHAN],  # an orphan has no name
        ),
    ]
    if closed:
        laws.append(Equation(f"pending at the end {total.pending} = 0", total.pending == 0))
    return laws
