"""A few exchanges worth looking at, by trace id: the slowest, and the first of each kind that went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire
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
        service_ms: what the service itself says of its time, by the reply's `server-timing` header, in its order.
        request_at: where the request lies, as `topic [partition] at offset`; "" when that is not known.
        reply_at: the same of the reply.
    """

    kind: str
    name: str
    latency_ns: int
    trace_id: str
    legs: Legs | None = None
    reason: str = ""
    service_ms: tuple[tuple[str, float], ...] = ()
    request_at: str = ""
    reply_at: str = ""

    @classmethod
    def from_wire(cls, plain: Sequence[Any]) -> Self:
        """From a plain tuple of another process.

        Raises:
            TypeError, ValueError: it is not of that form.
        """
        kind, name, latency_ns, trace_id, legs, reason, service_ms, request_at, reply_at = plain
        texts = wire.texts([kind, name, trace_id, reason, request_at, reply_at])
        return cls(
            texts[0], texts[1], wire.signed(latency_ns), texts[2],
            Legs(*(None if ns is None else wire.signed(ns) for ns in wire.listed(legs))) if legs else None, texts[3],
            tuple((wire.text(what), int(wire.number(ms) * 1e6) / 1e6) for what, ms in wire.listed(service_ms)),
            texts[4], texts[5],
        )  # fmt: skip


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
