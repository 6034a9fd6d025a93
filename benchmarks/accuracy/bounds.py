"""How far what is reported may be from what was seen, and which of these bounds a run has broken: decides, and measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

AFTER_P50_MS, AFTER_P99_MS = 0.2, 1.5
"""From the fetch response at our socket to the stamp, beyond what an idle process beside the run is late itself."""
LEG_MS = 0.25
"""Mean of a leg of two clocks, told less seen."""
STALL_SHARE = 0.01
"""The p99 of a run with a stall, told less the samples'."""
TWO_CLOCKS = ("request", "service", "reply")
"""The ack has one clock, and bears our thread's waking up, as all that lies after the wire does."""


class Late(NamedTuple):
    """How late something was, in ms."""

    p50_ms: float
    p99_ms: float


def after_the_wire(run: str, ours: Late, idle: Late) -> list[str]:
    """What the stamps of a run break.

    Args:
        run: its name.
        ours: from the wire to the stamp.
        idle: how late the machine woke the idle process beside the run.
    """
    bounds = Late(AFTER_P50_MS, AFTER_P99_MS)
    return [
        f"{run}: {what} after the wire is {found:.2f} ms: above {bound:g} ms and the {beside:.2f} ms that an idle process "
        "beside the run was late"
        for what, found, bound, beside in zip(("p50", "p99"), ours, bounds, idle, strict=True)
        if not found <= bound + beside
    ]


def legs(run: str, biases_ms: Mapping[str, float | None]) -> list[str]:
    """What the legs of a run break.

    Args:
        run: its name.
        biases_ms: mean of each leg, told less seen; None for one that was not told, for the offset was not known.
    """
    return [
        f"{run}: the mean of the {leg} leg is {bias:+.3f} ms from what was seen: more than {LEG_MS:g} ms"
        for leg in TWO_CLOCKS
        if (bias := biases_ms[leg]) is not None and not abs(bias) <= LEG_MS
    ]


def offsets(biases_ms: Iterable[Mapping[str, float | None]]) -> list[str]:
    """What it breaks that no run has told its legs: then nothing has held them against anything."""
    told = any(bias[leg] is not None for bias in biases_ms for leg in TWO_CLOCKS)
    return [] if told else ["the offset between the clocks was known in no run: no leg was compared"]


def stall(told_ms: float, seen_ms: float) -> list[str]:
    """What the p99 after a stall of the service breaks."""
    if abs(told_ms - seen_ms) <= STALL_SHARE * seen_ms:
        return []
    return [
        f"after a stall p99 is {told_ms:.1f} ms, {seen_ms:.1f} ms by the samples: more than {STALL_SHARE:.0%} apart"
    ]


def timeouts(late_ms: Iterable[float]) -> list[str]:
    """What timeouts break that were told so long after their deadlines."""
    ordered = sorted(late_ms)
    if not ordered:
        return ["no timeout was told at all: nothing was compared"]
    if ordered[0] >= 0:
        return []
    early = sum(late < 0 for late in ordered)
    return [f"{early} of {len(ordered)} timeouts were told before their deadlines, by {-ordered[0]:.3f} ms at most"]
