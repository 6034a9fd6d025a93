"""The summary: latencies, outcomes, verdicts and the equations, on the console and as JSON."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.results import SHOWN, NameResults, RunResults
from locust_kafka.report import health, legs

logger = logging.getLogger("locust_kafka")
console = logging.getLogger("locust.stats_logger")

_SERIES_PHRASES = {
    "e2e": "what a customer waits: matched, and timed out at its timeout",
    "e2e_matched": "matched replies alone",
    "from_send": "matched, from produce() instead of the intended start",
    "send": "produce() to the broker's ack",
    "late": "first replies that came after the timeout",
    "duplicate": "further replies to an answered request",
}
_OUTCOME_PHRASES = {
    Outcome.MATCHED: "the reply came in time",
    Outcome.TIMED_OUT: "no reply within the timeout",
    Outcome.UNDELIVERED: "the broker refused the request or never took it",
    Outcome.UNFINISHED: "the run was cut short before the deadline",
    Outcome.LOST: "pending at a worker that died",
}
_VERDICT_PHRASES = {
    Verdict.MATCH: "ended its request",
    Verdict.LATE: "first reply, after the timeout",
    Verdict.DUPLICATE: "a further reply",
    Verdict.UNEXPECTED: "reply to a request reported undelivered",
    Verdict.ORPHAN: "ours, but no longer remembered",
    Verdict.FOREIGN: "of another process or an earlier run",
    Verdict.MALFORMED: "no correlation id in it",
}
MIN_CORRECTED = 1000
MOST_STEPS = 10_000
"""Requests at most that one latency may have kept from being sent: beyond that the correction tells nothing."""
HIDDEN_RATIO = 1.1
"""A stall was hidden when the corrected p99 is so many times the raw one."""

_COLUMNS = ("p50", "p90", "p95", "p99", "p999", "max")


def to_json(ledger: RunResults) -> dict[str, Any]:
    """The summary as data: the layout that scripts rely on (README, "Summary")."""
    return {
        "balanced": ledger.balanced(closed=True),
        "valid": not ledger.invalid and not ledger.bottleneck,
        "invalid": ledger.invalid,
        **ledger.total.to_dict(),
        **_measured(ledger, ledger.whole()),
        "names": {
            name: {**entry.books.to_dict(), **_measured(ledger, entry)} for name, entry in sorted(ledger.names.items())
        },
        "self_check": health.to_json(ledger),
        "legs_known_to_ms": legs.width_ms(ledger),
        "legs_untold": ledger.legs_unavailable,
        "broker_clocks_ms": {
            broker: {"ahead": ahead, "known_to": width} for broker, (ahead, width) in ledger.clocks.items()
        },
        "notes": ledger.notes,
        "examples": [
            {
                "kind": example.kind,
                "name": example.name,
                "latency_ms": example.latency_ns / 1e6,
                "trace_id": example.trace_id,
                "link": link(ledger, example.trace_id),
                "legs_ms": legs.of_example(example),
            }
            for example in ledger.examples.all()
        ],
        "latency_since": ledger.since,
        "duration_s": round(ledger.duration_s, 3),
        "equations": [{"text": law.text, "holds": law.holds} for law in ledger.equations(closed=True)],
    }


def link(ledger: RunResults, trace_id: str) -> str:
    """Where a trace can be seen (`--kafka-trace-url`); "" when nobody said."""
    return ledger.trace_url.replace("{trace_id}", trace_id)


def write(ledger: RunResults, path: str) -> bool:
    """Write the JSON; a file that cannot be written is told, and False."""
    try:
        Path(path).write_text(json.dumps(to_json(ledger), indent=2) + "\n", "utf-8")
    except OSError as error:
        logger.error("the summary could not be written: %s", error)
        return False
    return True


def show(ledger: RunResults) -> None:
    """Print it the way Locust prints its tables."""
    for line in lines(ledger):
        console.info(line)


def lines(ledger: RunResults) -> list[str]:
    """The summary for people."""
    whole = ledger.whole()
    rate = ledger.total.registered / ledger.duration_s if ledger.duration_s else 0.0
    result = [
        "",
        f"Kafka request-reply: {ledger.total.registered} requests in {ledger.duration_s:.1f} s ({rate:.1f}/s)",
    ]
    result += ["", _heading("Latency, ms" + (f" ({ledger.since})" if ledger.since else ""))]
    result += [_latency_line(name, whole) for name in SHOWN if name != "from_send" or ledger.open_model]
    result += corrected(ledger, whole)
    result += legs.lines(ledger, whole)
    result += health.lines(ledger)
    if len(ledger.names) > 1:
        result += ["", _heading("E2E by request name, ms")]
        result += [_row(name, entry.e2e.summary(), "") for name, entry in sorted(ledger.names.items())]
    result += ["", "Outcomes, one per request"]
    result += [_count(o, ledger.total.outcomes[o], _OUTCOME_PHRASES[o]) for o in Outcome]
    if whole.rejected:
        result.append(f"  of the matched, {whole.rejected} were rejected by a check of the locustfile")
    result += ["", "Verdicts, one per reply"]
    result += [_count(v, ledger.total.verdicts[v], _VERDICT_PHRASES[v]) for v in Verdict]
    if ledger.notes:
        result += ["", "Beside the books"]
        result += [f"  {what:<48} {times:>9}" for what, times in sorted(ledger.notes.items())]
    if examples := ledger.examples.all():
        result += ["", "Worth a look"]
        for e in examples:
            told = ", ".join(f"{leg} {ms:.1f}" for leg, ms in legs.of_example(e).items())
            where = link(ledger, e.trace_id) or e.trace_id
            result.append(f"  {e.kind:<16} {e.name:<20.20} {e.latency_ns / 1e6:>10.1f} ms  {where}  {told}".rstrip())
    result += ["", "The books balance" if ledger.balanced(closed=True) else "THE BOOKS DO NOT BALANCE"]
    result += [f"  {'ok ' if law.holds else 'BAD'} {law.text}" for law in ledger.equations(closed=True)]
    result += [f"INVALID RUN: {sentence}" for sentence in ledger.invalid]
    return [*result, ""]


def _measured(ledger: RunResults, entry: NameResults) -> dict[str, Any]:
    return {
        "rejected": entry.rejected,
        "legs_ms": legs.to_json(ledger, entry),
        "latency_ms": {name: series.summary() for name, series in entry.shown().items()},
    }


def corrected(ledger: RunResults, whole: NameResults) -> list[str]:
    """The closed model's e2e as if its users had kept their pace: shown when stalls kept them from sending."""
    raw = whole.e2e
    if ledger.open_model or not ledger.all_waited or not ledger.user_s or raw.count < MIN_CORRECTED:
        return []
    interval_ns = max(int(ledger.user_s / ledger.total.registered * 1e9), raw.max_ns // MOST_STEPS)
    fixed = raw.corrected(interval_ns)
    if fixed.percentiles_ns((990,))[0] <= raw.percentiles_ns((990,))[0] * HIDDEN_RATIO:
        return []
    phrase = f"as if each user had sent every {interval_ns / 1e6:.1f} ms all the time (HdrHistogram's correction)"
    return [_row("e2e corrected", fixed.summary(), phrase)]


def _heading(title: str) -> str:
    return f"{title:<22}{'count':>9}" + "".join(f"{column.replace('p999', 'p99.9'):>10}" for column in _COLUMNS)


def _latency_line(name: str, whole: NameResults) -> str:
    return _row(name, whole.shown()[name].summary(), _SERIES_PHRASES[name])


def _row(name: str, summary: dict[str, Any], phrase: str) -> str:
    cells = "".join("         -" if summary[c] is None else f"{summary[c]:>10.2f}" for c in _COLUMNS)
    return f"  {name:<20}{summary['count']:>9}{cells}  {phrase}".rstrip()


def _count(kind: Outcome | Verdict, count: int, phrase: str) -> str:
    return f"  {kind.name.lower().replace('_', ' '):<14}{count:>9}  {phrase}"
