"""A few exchanges worth looking at, by trace id: the slowest, and the first of each kind that went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from locust_kafka.core.legs import Legs

SLOWEST = "slowest"
EXAMPLES_PER_KIND = 3


class Example(NamedTuple):
    """One exchange.

    Attributes:
        kind: why it is worth a look.
        name: of the request.
        latency_ns: from its (intended) start to its end, or to the reply in question.
        trace_id: where to look.
        legs: where its time went; None when it is not known.
        reason: why it failed, in words; empty when it did not.
    """

    kind: str
    name: str
    latency_ns: int
    trace_id: str
    legs: Legs | None = None
    reason: str = ""


class Examples:
    """Keeps EXAMPLES_PER_KIND of every kind: of the slowest the slowest, of the others the first."""

    def __init__(self) -> None:
        self.slower_than_ns = 0
        """Nothing faster can be among the slowest any more."""
        self._kinds: dict[str, list[Example]] = {}

    def add(self, example: Example) -> None:
        """Offer one."""
        found = self._kinds.setdefault(example.kind, [])
        if example.kind == SLOWEST:
            found.append(example)
            found.sort(key=lambda kept: -kept.latency_ns)
            del found[EXAMPLES_PER_KIND:]
            if len(found) == EXAMPLES_PER_KIND:
                self.slower_than_ns = found[-1].latency_ns
        elif len(found) < EXAMPLES_PER_KIND:
            found.append(example)

    def wants(self, kind: str) -> bool:
        """Whether there is room for one more of this kind, which is not SLOWEST."""
        return len(self._kinds.get(kind, ())) < EXAMPLES_PER_KIND

    def merge(self, others: Iterable[Example]) -> None:
        """Offer all of another process's."""
        for example in others:
            self.add(example)

    def reset_slowest(self) -> None:
        """The latencies are reset."""
        self._kinds.pop(SLOWEST, None)
        self.slower_than_ns = 0

    def all(self) -> list[Example]:
        """Those kept, the slowest first."""
        return [
            example for kind in sorted(self._kinds, key=lambda k: (k != SLOWEST, k)) for example in self._kinds[kind]
        ]
