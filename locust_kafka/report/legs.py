"""Where the time went, for the summary: no figure finer than what is known of the brokers' clocks."""

from __future__ import annotations

from typing import Any

from locust_kafka.core.examples import Example
from locust_kafka.core.legs import step_ms
from locust_kafka.core.results import NameResults, RunResults

OURS = ("schedule", "ack")
SINGLE_MS = 0.5
"""What a single leg of two clocks is known to: append times are whole milliseconds."""

_PHRASES = {
    "schedule": "intended start to produce()",
    "request": "produce() to the leader's append",
    "service": "append to append: replication, lag, the service, its producer",
    "reply": "the reply's append to its receipt",
    "ack": "beside them: produce() to the delivery report",
}
_FIGURES = ("mean", "p50", "p90", "p99", "p999", "max")


def to_json(ledger: RunResults, entry: NameResults) -> dict[str, dict[str, float | int | None]]:
    """Figures by leg, in ms; empty for a leg that nothing is known of."""
    return {leg: _figures(ledger, entry, leg) for leg in _PHRASES if _series(entry, leg).count}


def width_ms(ledger: RunResults) -> float | None:
    """How well the offset between the clocks was known, on average; None when no leg was told."""
    return round(ledger.offset_uncertainty_ns / ledger.leg_count / 1e6, 4) if ledger.leg_count else None


def of_example(example: Example) -> dict[str, float]:
    """The legs of one exchange, in ms; those that are known."""
    if example.legs is None:
        return {}
    return {
        leg: round(ns / 1e6, 3 if leg in OURS else 1)
        for leg in _PHRASES
        if (ns := getattr(example.legs, f"{leg}_ns")) is not None
    }


def lines(ledger: RunResults, whole: NameResults) -> list[str]:
    """The legs for people."""
    told = to_json(ledger, whole)
    if not told:
        return []
    heading = "".join(f"{name.replace('p999', 'p99.9'):>10}" for name in _FIGURES)
    result = ["", f"{'Where the time went, ms':<24}{'count':>7}{heading}"]
    for leg, figures in told.items():
        cells = "".join(f"{figures[name]:>10.2f}" for name in _FIGURES)
        result.append(f"  {leg:<20}{figures['count']:>9}{cells}  {_PHRASES[leg]}")
    if ledger.legs_unavailable:
        which = "of some exchanges " if ledger.leg_count else ""
        result.append(f"  request, service and reply {which}cannot be told: {ledger.legs_unavailable}")
    for broker, (ahead, width) in sorted(ledger.clocks.items()):
        step = step_ms(int(width * 1e6))
        result.append(
            f"  the clock of {'broker ' + broker if broker else 'the broker'} is {_to_step(ahead, step):+.2f} ms ahead "
            f"of ours, known to {width:.2f} ms"
        )
    known = width_ms(ledger)
    if known is not None:
        result.append(
            f"  means over two clocks are known to {known:.2f} ms and printed no finer, a single leg to {SINGLE_MS} ms"
        )
    return result


def _series(entry: NameResults, leg: str) -> Any:
    return entry.send if leg == "ack" else getattr(entry, leg)


def _figures(ledger: RunResults, entry: NameResults, leg: str) -> dict[str, float | int | None]:
    figures = _series(entry, leg).summary()
    if leg in OURS:
        return figures  # type: ignore[no-any-return]
    mean_step = step_ms(ledger.offset_uncertainty_ns // max(1, ledger.leg_count))
    for name in figures.keys() - {"count"}:
        figures[name] = _to_step(figures[name], mean_step if name == "mean" else max(mean_step, SINGLE_MS))
    return figures  # type: ignore[no-any-return]


def _to_step(value: float, step: float) -> float:
    return round(round(value / step) * step, 3)
