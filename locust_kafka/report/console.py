"""The summary for people, printed the way Locust prints its tables."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.checks import Judged
from locust_kafka.core.name_results import SHOWN, NameResults
from locust_kafka.core.results import MAX_NAMES, OTHER_NAMES, RunResults
from locust_kafka.exchange.measure import single_legs_ms
from locust_kafka.options import SHARED
from locust_kafka.report import before_wire, health, legs, verdict
from locust_kafka.report.summary import achieved_rate, link

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
"""Exchanges below which a correction says nothing."""
MAX_STEPS = 10_000
"""At most this many omitted requests per measured one."""
HIDDEN_RATIO = 1.1
"""A stall was hidden when the corrected p99 is so many times the raw one."""

_COLUMNS = ("p50", "p90", "p95", "p99", "p999", "max")


def show(results: RunResults, judged: Sequence[Judged] = ()) -> None:
    """Print it."""
    for line in lines(results, judged):
        console.info(line)


def lines(
    results: RunResults, judged: Sequence[Judged] = (), phrases: Mapping[str, str] = _SERIES_PHRASES
) -> list[str]:
    """The summary, line by line.

    Args:
        results: of the whole run.
        judged: its checks.
        phrases: what each latency series means.
    """
    whole = results.whole()
    out = ["", verdict.sentence(results, judged), *verdict.check_lines(judged), *_head(results)]
    out += ["", _heading("Latency, ms")]
    if results.since:
        out.append(f"  ({results.since})")
    shown = [name for name in SHOWN if name in phrases and (name != "from_send" or results.open_model)]
    out += [_row(name, getattr(whole, name).summary(), phrases[name]) for name in shown]
    out += corrected(results, whole)
    out += legs.lines(results, whole) + before_wire.lines(results, whole)
    out += health.lines(results)
    if len(results.names) > 1:
        out += ["", _heading("E2E by request name, ms")]
        out += [_row(name, entry.e2e.summary(), "") for name, entry in sorted(results.names.items())]
    if OTHER_NAMES in results.names:
        out.append(
            f"  more than {MAX_NAMES} request names: the later ones are counted together; give requests of one kind "
            "the same name"
        )
    out += _outcomes(results, whole) + _verdicts(results)
    if results.notes:
        out += ["", "Beside the books"]
        out += [f"  {what:<48} {times:>9}" for what, times in sorted(results.notes.items())]
    out += _disturbances(results) + _group(results)
    out += _examples(results)
    out += ["", "The books balance" if results.balanced(closed=True) else "THE BOOKS DO NOT BALANCE"]
    out += [f"  {'ok ' if law.holds else 'BAD'} {law.text}" for law in results.equations(closed=True)]
    out += [f"INVALID RUN: {sentence}" for sentence in results.invalid]
    return [*out, ""]


def _head(results: RunResults) -> list[str]:
    registered, after_s = results.total.registered, results.duration_s - results.load_s
    rest = f", then {after_s:.1f} s of drain and settle" if after_s > 0.05 else ""
    out = ["", f"Kafka request-reply: {registered} requests in {results.load_s:.1f} s of load{rest}"]
    if not results.open_model:
        return [*out, f"  rate {achieved_rate(results):.1f}/s"]
    due, started, dropped, given_back = results.arrivals
    out.append(f"  offered {results.offered:.1f}/s, achieved {achieved_rate(results):.1f}/s")
    out.append(f"  arrivals: {due} due, {started} started, {dropped} dropped, {given_back} given back")
    if due and dropped * 100 > due:
        out.append(
            f"  {dropped / due:.1%} of the arrivals were dropped: nobody was free to take them in time; "
            "give more users, or see whether the service keeps up"
        )
    return out


def _outcomes(results: RunResults, whole: NameResults) -> list[str]:
    out = ["", "Outcomes, one per request"]
    out += [_count(o, results.total.outcomes[o], _OUTCOME_PHRASES[o]) for o in Outcome]
    timed_out, late = results.total.outcomes[Outcome.TIMED_OUT], results.total.verdicts[Verdict.LATE]
    if timed_out:
        answered = min(late, timed_out)
        out.append(f"  of the timed out, {answered} were answered late and {timed_out - answered} not by the end")
    if whole.rejected:
        out.append(f"  of the matched, {whole.rejected} were rejected: by the locustfile, or by their error header")
    if results.rows_unreported:
        out.append(
            f"  {results.rows_unreported} requests with catch_response=True have no row: their `with` block is missing"
        )
    return out


def _verdicts(results: RunResults) -> list[str]:
    out = ["", "Verdicts, one per reply"]
    out += [_count(v, results.total.verdicts[v], _VERDICT_PHRASES[v]) for v in Verdict]
    siblings = results.routing.siblings
    if siblings:
        foreign = results.total.verdicts[Verdict.FOREIGN] - siblings
        out.append(f"  of the foreign, {siblings} belong to this run's other workers and {foreign} to others")
    if results.routing.processes.keys() - {SHARED} or results.routing.processes.total() > 1:
        found = ", ".join(f"{words} ({count})" for words, count in sorted(results.routing.processes.items()))
        out.append(f"  reply routing, and how many processes went by it: {found}")
    return out


def _disturbances(results: RunResults) -> list[str]:
    out = ["", "Disturbed"] if results.disturbances else []
    for one in results.disturbances:
        out.append(f"  {_clock(one.from_s)} to {_clock(one.to_s)} ({one.length_s:.0f} s)  {one.words}")
        out += [f"      {_clock(event.at_s)}  {event.words}" for event in one.events[:10]]
    return out


def _clock(at_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_s))


def _group(results: RunResults) -> list[str]:
    group = results.group
    if group is None:
        return []
    if not group.exists:
        return ["", f"Consumer group {group.name}: there is none of this name"]
    behind = "its lag is not known: nothing was ever committed"
    if group.lag_max is not None:
        behind = f"at most {group.lag_max} records behind, {'-' if group.lag_end is None else group.lag_end} at the end"
    out = ["", f"Consumer group {group.name}: {behind}; {group.rebalances} rebalances seen"]
    return out + [f"  {_clock(at_s)}  {words}" for at_s, words in group.events[:20]]


def _examples(results: RunResults) -> list[str]:
    examples = results.examples.all()
    out = ["", "Worth a look"] if examples else []
    for e in examples:
        parts = [f"{leg} {ms:.1f}" for leg, ms in single_legs_ms(e.legs).items()]
        where = link(results, e.trace_id) or e.trace_id
        words = f"  {e.reason}" if e.reason and not e.reason.startswith("no reply") else ""
        line = f"  {e.kind:<16} {e.name:<20.20} {e.latency_ns / 1e6:>10.1f} ms  {where}  {', '.join(parts)}{words}"
        out.append(line.rstrip())
    return out


def corrected(results: RunResults, whole: NameResults) -> list[str]:
    """The closed model's e2e as if its users had kept their pace: shown when stalls kept them from sending."""
    raw = whole.e2e
    if results.open_model or not results.all_waited or not results.user_s or raw.count < MIN_CORRECTED:
        return []
    interval_ns = max(int(results.user_s / results.total.registered * 1e9), raw.max_ns // MAX_STEPS)
    fixed = raw.corrected(interval_ns)
    if fixed.percentiles_ns((990,))[0] <= raw.percentiles_ns((990,))[0] * HIDDEN_RATIO:
        return []
    phrase = f"as if each user had sent every {interval_ns / 1e6:.1f} ms all the time (HdrHistogram's correction)"
    return [_row("e2e corrected", fixed.summary(), phrase)]


def _heading(title: str) -> str:
    return f"{title:<22}{'count':>9}" + "".join(f"{column.replace('p999', 'p99.9'):>10}" for column in _COLUMNS)


def _row(name: str, summary: dict[str, Any], phrase: str) -> str:
    cells = "".join("         -" if summary[c] is None else f" {summary[c]:>9.2f}" for c in _COLUMNS)
    return f"  {name:<20}{summary['count']:>9}{cells}  {phrase}".rstrip()


def _count(kind: Outcome | Verdict, count: int, phrase: str) -> str:
    return f"  {kind.name.lower().replace('_', ' '):<14}{count:>9}  {phrase}"
