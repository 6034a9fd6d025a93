"""Where an exchange's time went, known from stamps alone: the tester's own, and the broker's append times.

| leg | from → to | clock |
|---|---|---|
| schedule | intended start → produce() | ours |
| request | produce() → request appended | two clocks |
| service | request appended → reply appended | the brokers' |
| reply | reply appended → received | two clocks |
| ack | produce() → delivery report | ours |

The offset between a broker's clock and ours needs no traffic of its own: a request was appended after it was sent and
before it was acknowledged, a reply before it was received, and every such exchange bounds the offset.  Append times are
floors to whole milliseconds, so a single leg of two clocks is known to half a millisecond; means are better, as long as
requests do not leave in step with the broker's milliseconds (see `schedule.DITHER_NS`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

NOBODY = -1
MS = 1_000_000
HALF_MS = MS // 2
SLOT_NS = 500 * MS
SLOTS = 10
"""Bounds older than that many slots are forgotten: clocks drift, at 50 ppm a quarter of a millisecond in 5 s."""
MAX_OFFSET_UNCERTAINTY_NS = 10 * MS
"""An offset that is less certain than this is of no use for legs."""

RecordMetadata = tuple[int, int, int]
"""Partition, offset, append time in ms (0 when the topic's stamp is not the broker's own)."""


class Offset(NamedTuple):
    """The broker's clock less ours: `ns`, known to ± `width_ns` / 2."""

    ns: int
    width_ns: int


class BrokerClock:
    """The offset of one broker's clock, from bounds.  Robust against a clock that is set: newer bounds win."""

    def __init__(self) -> None:
        self._slots: deque[tuple[int, float, float]] = deque(maxlen=SLOTS)
        self._offset: Offset | None = None

    def bound(self, now_ns: int, low_ns: float, high_ns: float) -> None:
        """The offset lies between these (infinite where nothing is known)."""
        slot = now_ns // SLOT_NS
        if self._slots and self._slots[-1][0] >= slot:
            slot, low, high = self._slots.pop()
            low_ns, high_ns = max(low, low_ns), min(high, high_ns)
        self._slots.append((slot, low_ns, high_ns))
        while self._slots[0][0] <= slot - SLOTS:
            self._slots.popleft()
        self._offset = self._intersect()

    @property
    def offset(self) -> Offset | None:
        """As far as it is known; None while a bound is missing on either side."""
        return self._offset

    @property
    def usable_offset(self) -> Offset | None:
        """The offset, if it is known well enough for legs; else None."""
        return self._offset if self._offset is not None and self._offset.width_ns <= MAX_OFFSET_UNCERTAINTY_NS else None

    def _intersect(self) -> Offset | None:
        low, high = -math.inf, math.inf
        for _slot, slot_low, slot_high in reversed(self._slots):
            both_low, both_high = max(low, slot_low), min(high, slot_high)
            if both_low <= both_high:  # else the clock was set meanwhile: what came later counts
                low, high = both_low, both_high
        if math.isinf(low) or math.isinf(high):
            return None
        return Offset(int((low + high) / 2), int(high - low))


class Legs(NamedTuple):
    """One exchange's legs in ns; None for what cannot be told."""

    schedule_ns: int | None
    request_ns: int | None
    service_ns: int | None
    reply_ns: int | None
    ack_ns: int | None


class Clocks:
    """The clocks of all brokers, by what they lead.

    Before anybody has told who leads what, all share one clock: that of the only broker there is.
    """

    def __init__(self) -> None:
        self._leaders: dict[tuple[str, int], int] = {}
        self._clocks: dict[int, BrokerClock] = {}
        self._only: int | None = NOBODY

    def lead(self, leaders: Mapping[tuple[str, int], int]) -> None:
        """Who leads what, from metadata.

        A broker that won or lost a partition begins anew: meanwhile its bounds may have come from another's clock.
        """
        for place, leader in leaders.items():
            before = self._leaders.get(place)
            if before is not None and before != leader:
                self._clocks.pop(before, None)
                self._clocks.pop(leader, None)
        self._leaders.update(leaders)
        brokers = set(self._leaders.values()) or {NOBODY}
        self._only = brokers.pop() if len(brokers) == 1 else None
        shared = self._clocks.pop(NOBODY, None) if self._leaders else None
        if shared is not None and self._only is not None:
            self._clocks.setdefault(self._only, shared)  # it was this broker's all along

    @property
    def only_leader(self) -> int | None:
        """The broker that leads everything, if it is one."""
        return self._only

    def leader(self, topic: str, partition: int) -> int:
        """Who leads a partition."""
        return self._leaders.get((topic, partition), NOBODY)

    def of(self, broker: int) -> BrokerClock:
        """A broker's clock."""
        clock = self._clocks.get(broker)
        if clock is None:
            clock = self._clocks[broker] = BrokerClock()
        return clock

    def offsets(self) -> dict[int, Offset]:
        """What is known, by broker."""
        return {broker: clock.offset for broker, clock in self._clocks.items() if clock.offset is not None}


def step_ms(width_ns: int) -> float:
    """The step to print a figure in whose error is `width_ns`: the next of 0.01, 0.02, 0.05, 0.1, … ms above it."""
    step = 0.01
    for factor in (2, 2.5, 2) * 3:
        if step * MS >= width_ns:
            break
        step *= factor
    return round(step, 3)
