"""The summary of a run as data, and as a file: the layout that scripts rely on (docs/report.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from locust_kafka.core.checks import Judged
from locust_kafka.core.name_results import NameResults
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.measure import single_legs_ms
from locust_kafka.paths import write_output
from locust_kafka.report import before_wire, health, legs, verdict

SCHEMA_VERSION = 1
"""Of the layout, as `assets/summary.schema.json` describes it."""


def to_json(
    results: RunResults, judged: Sequence[Judged] = (), *, closed: bool = True, max_names: int | None = None
) -> dict[str, Any]:
    """The summary as data.  A figure that does not exist (of no exchange at all) is null.

    Args:
        results: of a run.
        judged: its checks.
        closed: whether the run has ended, so that nothing may be pending.
        max_names: for whoever asks every other second: of so many names, those used most, their e2e alone.
    """
    whole = results.whole()
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict.sentence(results, judged),
        "checks": [
            {"text": one.text, "found": one.found, "passed": one.passed, "reason": one.reason} for one in judged
        ],
        "balanced": results.balanced(closed=closed),
        "valid": not results.invalid and not results.bottleneck,
        "invalid": results.invalid,
        "load_s": round(results.load_s, 3),
        "duration_s": round(results.duration_s, 3),
        "offered_rate": round(results.offered, 3) if results.open_model else None,
        "achieved_rate": round(achieved_rate(results), 3),
        "arrivals": results.arrivals._asdict() if results.open_model else None,
        **results.total.to_dict(),
        "replies_of_other_workers": results.routing.siblings,
        "reply_routing": dict(results.routing.processes),
        "payload_bytes": {"requests": results.request_bytes, "replies": results.reply_bytes},
        **_measured(results, whole),
        "before_the_wire": before_wire.to_json(results, whole),
        "names": _names(results, max_names),
        "self_check": health.to_json(results),
        "legs_uncertainty_ms": legs.uncertainty_ms(results),
        "legs_unavailable": results.legs_unavailable,
        "broker_clocks_ms": {
            broker: {"offset": legs.clock_offset_ms(ahead, uncertainty), "uncertainty": round(uncertainty, 4)}
            for broker, (ahead, uncertainty) in results.clocks.items()
        },
        **_happened(results),
        "notes": results.notes,
        "examples": _examples(results),
        "latency_since": results.since,
        "equations": [{"text": law.text, "holds": law.holds} for law in results.equations(closed=closed)],
    }


def achieved_rate(results: RunResults) -> float:
    """Requests per second while users could send; arrivals that began, in the open model."""
    count = results.arrivals.started if results.open_model else results.total.registered
    return count / results.load_s if results.load_s else 0.0


def link(results: RunResults, trace_id: str) -> str:
    """Where a trace can be seen (`--kafka-trace-url`); "" when nobody said."""
    return results.trace_url.replace("{trace_id}", trace_id)


def write(results: RunResults, path: str, judged: Sequence[Judged] = ()) -> None:
    """Write the JSON.

    Raises:
        OSError: the file cannot be written.
    """
    write_output(path, json.dumps(to_json(results, judged), indent=2) + "\n")


def _names(results: RunResults, most: int | None) -> dict[str, Any]:
    if most is None:
        return {
            name: {**entry.books.to_dict(), **_measured(results, entry)}
            for name, entry in sorted(results.names.items())
        }
    used = sorted(results.names.items(), key=lambda item: -item[1].books.registered)[:most]
    return {name: {**entry.books.to_dict(), "latency_ms": {"e2e": entry.e2e.summary()}} for name, entry in sorted(used)}


def _happened(results: RunResults) -> dict[str, Any]:
    return {
        "group": None if results.group is None else results.group.to_json(),
        "events": [[event.at_s, event.words] for event in results.happened()],
        "disturbances": [
            {"from_s": one.from_s, "to_s": one.to_s, "words": one.words, "events": [list(e) for e in one.events]}
            for one in results.disturbances
        ],
    }


def _examples(results: RunResults) -> list[dict[str, Any]]:
    return [
        {
            "kind": example.kind,
            "name": example.name,
            "reason": example.reason,
            "latency_ms": example.latency_ns / 1e6,
            "trace_id": example.trace_id,
            "link": link(results, example.trace_id),
            "legs_ms": single_legs_ms(example.legs),
            "service_ms": [[what, ms] for what, ms in example.service_ms],
            "request_at": example.request_at,
            "reply_at": example.reply_at,
        }
        for example in results.examples.all()
    ]


def _measured(results: RunResults, entry: NameResults) -> dict[str, Any]:
    return {
        "rejected": entry.rejected,
        "legs_ms": legs.to_json(results, entry),
        "latency_ms": {name: series.summary() for name, series in entry.shown().items()},
    }
