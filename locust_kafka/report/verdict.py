"""What came of a run, in one plain sentence: the first line of the summary, and a CI job's page."""

from __future__ import annotations

from collections.abc import Sequence

from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import TASK_ERRORS, Judged
from locust_kafka.core.results import RunResults


def sentence(results: RunResults, judged: Sequence[Judged]) -> str:
    """The verdict.

    Args:
        results: of the whole run.
        judged: its checks; none when there were none.
    """
    if results.invalid:
        return f"INVALID, do not use these figures: {results.invalid[0]}"
    if results.bottleneck:
        return "INVALID, do not use these figures: the generator was the bottleneck"
    if unfinished := results.total.outcomes[Outcome.UNFINISHED]:
        return f"CUT SHORT: {unfinished:,} of the requests are UNFINISHED; {_measured(results)}"
    failed = [one for one in judged if not one.passed]
    if failed:
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"FAILED: {failed[0].words}{more}"
    raised = results.notes.get(TASK_ERRORS, 0)
    also = f"; {raised:,} tasks raised an exception" if raised else ""
    if judged:
        return f"PASSED: {_checks(len(judged))}; {_measured(results)}{also}"
    if not results.total.registered:
        return f"NO REQUESTS: none was registered{also}"
    if not results.total.outcomes[Outcome.MATCHED]:
        return f"NO REPLY: none of {results.total.registered:,} requests was answered in time{also}"
    return f"VALID: {_measured(results)}{also}"


def check_lines(judged: Sequence[Judged]) -> list[str]:
    """A line for each check."""
    return [f"  {'ok    ' if one.passed else 'FAILED'} {one.words}" for one in judged]


def markdown(results: RunResults, judged: Sequence[Judged]) -> str:
    """The page of a CI job (GitHub's step summary): the verdict, the checks, and the latencies."""
    out = ["## Kafka request-reply", "", _escape(sentence(results, judged)), ""]
    if judged:
        out += ["| check | found | |", "|---|---|---|"]
        for one in judged:
            said = "ok" if one.passed else "**failed**"
            out.append(f"| `{_cell(one.text)}` | {_cell(one.found)} | {said} |")
        out.append("")
    out += ["| latency, ms | count | p50 | p95 | p99 | max |", "|---|--:|--:|--:|--:|--:|"]
    for name, series in results.whole().shown().items():
        figures = series.summary()
        cells = " | ".join("" if figures[f] is None else f"{figures[f]:.2f}" for f in ("p50", "p95", "p99", "max"))
        out.append(f"| {name} | {figures['count']} | {cells} |")
    return "\n".join(out) + "\n"


def _checks(count: int) -> str:
    return "the check holds" if count == 1 else f"all {count} checks hold"


def _measured(results: RunResults) -> str:
    registered, matched = results.total.registered, results.total.outcomes[Outcome.MATCHED]
    if not registered:
        return "no request was sent"
    e2e = results.whole().e2e
    p99 = f", p99 {e2e.percentiles_ns((990,))[0] / 1e6:,.1f} ms" if e2e.count else ""
    # Rounded down: all but one is never all.
    share = "all" if matched == registered else f"{matched * 10_000 // registered / 100:.2f} %"
    return f"{share} of {registered:,} requests were answered in time{p99}"


def _cell(text: str) -> str:
    """For a table's cell: no line break, no bar, no backtick."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())


def _escape(text: str) -> str:
    return " ".join(text.replace("<", "&lt;").split())
