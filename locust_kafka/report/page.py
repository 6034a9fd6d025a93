"""What the live page and `report.html` draw, as plain data; `assets/view.js` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from locust_kafka.core.checks import Judged
from locust_kafka.core.history import Row
from locust_kafka.core.results import RunResults
from locust_kafka.report import summary, verdict


def data(
    results: RunResults,
    rows: Iterable[Row],
    judged: Sequence[Judged],
    facts: Mapping[str, str],
    *,
    run: str = "",
    begun: bool = True,
    ready: bool = True,
    ended: bool = True,
    words: str = "",
    refusal: str = "",
    workers: Sequence[Mapping[str, Any]] = (),
    max_names: int | None = None,
) -> dict[str, Any]:
    """One picture of a run.

    Args:
        results: up to now.
        rows: its history.
        judged: its checks.
        facts: settings without secrets, versions, by their names.
        run: changes when the rows begin again: another run, or rows that stand for more seconds than before.
        begun: whether there is a run at all.
        ready: whether users may send yet.
        ended: whether these are the last figures.
        words: where the run stands, while it has not ended.
        refusal: why it could not begin; "" when it could.
        workers: how each worker of a distributed run is, as `plugin.seconds.WorkerSeconds.table` tells it.
        max_names: as in `summary.to_json`.
    """
    if refusal:
        said = "The run could not begin."
    elif ended:
        said = verdict.sentence(results, judged)
    elif begun:
        said = "The run goes on." if ready else "The run is being made ready."
    else:
        said = "No run has begun."
    return {
        "run": run,
        "verdict": said,
        "words": words,
        "refusal": refusal,
        "ended": ended,
        "history": {"columns": list(Row._fields), "rows": [list(row) for row in rows]},
        "summary": {**summary.to_json(results, judged, closed=ended, max_names=max_names), "verdict": said},
        "facts": dict(facts),
        "workers": [dict(one) for one in workers],
    }
