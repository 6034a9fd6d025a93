"""What the generator has seen of itself, for the summary."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from locust_kafka.core.health import MIN_WATCHED_NS, MS
from locust_kafka.core.results import RunResults

_PHRASES = {
    "hub": "how late the hub came to what was due",
    "native": "how late a native thread did: what a stamp waits for",
    "start": "how late arrivals began although a user was waiting",
    "gc": "pauses of the garbage collector",
}
_FIGURES = ("mean", "p50", "p90", "p99", "p999", "max")
STALLS_SHOWN = 3


def to_json(results: RunResults) -> dict[str, Any]:
    """Lags in ms, CPU as shares of one core, the longest stalls."""
    health = results.health
    watched_ns = health.watched_ns
    return {
        "ok": not results.bottleneck,
        "findings": results.bottleneck,
        "watched_s": health.watched_ns / 1e9,
        "cpu": round(health.cpu_ns / watched_ns, 4) if watched_ns else None,
        "hub_cpu": round(health.hub_cpu_ns / watched_ns, 4) if watched_ns else None,
        "lag_ms": {name: getattr(health, name).summary() for name in _PHRASES},
        "stalls": [
            {"at": _clock(stall.at_ns), "at_ns": stall.at_ns, "length_ms": stall.length_ns / MS, "kind": stall.kind}
            for stall in health.stalls
        ],
    }


def lines(results: RunResults) -> list[str]:
    """The same for people."""
    health = results.health
    if not health.watched_ns:
        return []
    heading = "".join(f"{name.replace('p999', 'p99.9'):>10}" for name in _FIGURES)
    result = ["", f"{'The generator itself, ms':<24}{'count':>7}{heading}"]
    for name, phrase in _PHRASES.items():
        figures = getattr(health, name).summary()
        if figures["count"]:
            cells = "".join(f" {figures[figure]:>9.2f}" for figure in _FIGURES)
            result.append(f"  {name:<20}{figures['count']:>9}{cells}  {phrase}")
    used, hub = health.cpu_ns / health.watched_ns, health.hub_cpu_ns / health.watched_ns
    result.append(f"  it used {used:.0%} of a core, its hub {hub:.0%}")
    if stalls := health.stalls[:STALLS_SHOWN]:
        shown = ", ".join(f"{_clock(one.at_ns)} {one.length_ns / MS:.0f} ms ({one.kind})" for one in stalls)
        result.append(f"  its longest stalls: {shown}")
    if health.watched_ns < MIN_WATCHED_NS:
        result.append("  it was watched too briefly to tell whether it could have moved p99")
    elif not results.bottleneck and results.whole().e2e_matched.count:
        result.append("  ok: it cannot have moved p99 by more than a tenth")
    return result + [f"INVALID RUN: the generator was the bottleneck: {finding}" for finding in results.bottleneck]


def _clock(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
