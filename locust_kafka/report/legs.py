"""Where the time went, for the summary: no figure finer than what is known of the brokers' clocks.

One rule for all outputs.  A leg that crosses two clocks is rounded to the step that its uncertainty allows, and it is
never below 0: a value below it is the uncertainty, not time.  For a single exchange the step is 0.5 ms at least, for
append times are whole milliseconds; a mean over many is better, and is rounded to what the clocks' offset allows.
"""

from __future__ import annotations

import math
from typing import Any

from locust_kafka.core.legs import step_ms
from locust_kafka.core.name_results import NameResults
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.measure import OURS, SINGLE_MS, to_step

_PHRASES = {
    "schedule": "intended start to produce()",
    "request": "produce() to the leader's append",
    "service": "append to append: replication, lag, the service, its producer",
    "reply": "the reply's append to its receipt",
    "ack": "beside them: produce() to the delivery report",
    "serialize": "before them: the value to bytes, by the user's serializer",
    "deserialize": "after them: the reply's bytes to its value",
}
_FIGURES = ("mean", "p50", "p90", "p99", "p999", "max")


def to_json(results: RunResults, entry: NameResults) -> dict[str, dict[str, float | int | None]]:
    """Figures by leg, in ms; a leg that nothing is known of is left out."""
    return {leg: _figures(results, entry, leg) for leg in _PHRASES if _series(entry, leg).count}


def request_mean_ms(results: RunResults, entry: NameResults) -> float | None:
    """The mean of the request leg, as it is shown; None when nothing is known of it."""
    series = entry.request
    if not series.count:
        return None
    return to_step(series.sum_ns / series.count / 1e6, _step(results, "request", "mean"))


def uncertainty_ms(results: RunResults) -> float | None:
    """How certain the offset between the clocks was, on average; None when no leg is known."""
    return round(results.offset_uncertainty_ns / results.leg_count / 1e6, 4) if results.leg_count else None


def clock_offset_ms(ahead_ms: float, uncertainty_ms: float) -> float:
    """How far a broker's clock is ahead of ours, rounded to the step that is known of it."""
    step = step_ms(int(uncertainty_ms * 1e6))
    return round(round(ahead_ms / step) * step, 3) + 0.0  # never -0.0


def lines(results: RunResults, whole: NameResults) -> list[str]:
    """The legs for people."""
    figures = to_json(results, whole)
    if not figures:
        return []
    heading = "".join(f"{name.replace('p999', 'p99.9'):>10}" for name in _FIGURES)
    out = ["", f"{'Where the time went, ms':<24}{'count':>7}{heading}"]
    for leg, row in figures.items():
        cells = "".join(f" {_shown(row[name], _step(results, leg, name)):>9}" for name in _FIGURES)
        out.append(f"  {leg:<20}{row['count']:>9}{cells}  {_PHRASES[leg]}")
    matched, registered = whole.e2e_matched.count, results.total.registered
    if matched < registered:
        out.append(f"  of the {matched} matched exchanges alone; {registered - matched} others had no reply in time")
    unknown = matched - whole.request.count
    if whole.request.count and unknown > 0 and not results.legs_unavailable:
        out.append(f"  request, service and reply without {unknown} that ended before the clocks were known to 10 ms")
    if results.legs_unavailable:
        which = "of some exchanges " if results.leg_count else ""
        out.append(f"  request, service and reply {which}are not known: {results.legs_unavailable}")
    for broker, (ahead, uncertainty) in sorted(results.clocks.items()):
        step = step_ms(int(uncertainty * 1e6))
        out.append(
            f"  the clock of {'broker ' + broker if broker else 'the broker'} is "
            f"{_decimals(clock_offset_ms(ahead, uncertainty), step, sign=True)} ms ahead of ours, "
            f"±{_up(uncertainty / 2):.2f} ms"
        )
    known = uncertainty_ms(results)
    if known is not None:
        out.append(
            f"  request, service and reply cross two clocks: their means are accurate to {_up(known):.2f} ms, "
            f"a single one to {SINGLE_MS} ms"
        )
    return out


def _series(entry: NameResults, leg: str) -> Any:
    return entry.send if leg == "ack" else getattr(entry, leg)


def _step(results: RunResults, leg: str, figure: str) -> float:
    """The step of a figure in ms; 0 for one that is exact."""
    if leg in OURS or figure == "count":
        return 0.0
    mean_step = step_ms(results.offset_uncertainty_ns // max(1, results.leg_count))
    return mean_step if figure == "mean" else max(mean_step, SINGLE_MS)


def _figures(results: RunResults, entry: NameResults, leg: str) -> dict[str, float | int | None]:
    figures = _series(entry, leg).summary()
    return {
        name: to_step(value, step) if value is not None and (step := _step(results, leg, name)) else value
        for name, value in figures.items()
    }


def _shown(value: float | int | None, step: float) -> str:
    return "-" if value is None else _decimals(value, step or 0.01)


def _up(ms: float) -> float:
    """Rounded up to 0.01: an uncertainty is never shown as 0.00."""
    return max(1, math.ceil(round(ms * 100, 6))) / 100


def _decimals(value: float, step: float, *, sign: bool = False) -> str:
    """With as many decimals as the step has."""
    places = max(0, math.ceil(-math.log10(step) - 1e-9)) if step < 1 else 0
    return f"{value:{'+' if sign else ''}.{places}f}"
