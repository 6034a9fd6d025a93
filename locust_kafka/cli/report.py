"""`locust-kafka report`: a report again from what runs have left, also of several runs side by side."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from locust_kafka.core import wire
from locust_kafka.errors import EXIT_NOT_STARTED
from locust_kafka.paths import write_output
from locust_kafka.report import html, page
from locust_kafka.report.folder import SUMMARY
from locust_kafka.report.from_log import LogError, LoggedRun, read_rows
from locust_kafka.settings import MAX_TIMEOUT_S

LOGS = (".csv", ".csv.gz")
FROM_LOGS = "Made from exchange logs: whether the run was valid, and what the generator saw of itself, is not in them."


def run_report(paths: Sequence[str], out: str, reply_timeout_s: float | None) -> int:
    """Write the report; the exit code.

    Args:
        paths: folders of --kafka-report, their summary.json, and exchange logs; all logs together are one run.
        out: where the HTML goes.
        reply_timeout_s: at which timeouts of an exchange log count, up to an hour; None when nobody said.
    """
    if reply_timeout_s is not None and not 0 < reply_timeout_s <= MAX_TIMEOUT_S:  # neither is what is not a number
        limits = f"give a number above 0, at most {MAX_TIMEOUT_S:g}"
        print(f"locust-kafka report: --reply-timeout {reply_timeout_s:g} is refused: {limits}", file=sys.stderr)
        return EXIT_NOT_STARTED
    try:
        pages = _pages([Path(path) for path in paths], reply_timeout_s)
        text = html.document(pages[0][1] if len(pages) == 1 else _side_by_side(pages), "Kafka request-reply")
        write_output(out, text)
    except LogError as error:
        print(f"locust-kafka report: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    except OSError as error:
        what = "name a file with --out" if Path(out).is_dir() else "give another path"
        print(f"locust-kafka report: {error.filename or out}: {error.strerror}; {what}", file=sys.stderr)
        return EXIT_NOT_STARTED
    print(f"{out}: {len(pages)} run{'s' * (len(pages) > 1)}")
    for label, one in pages:
        print(f"  {label}: {one['verdict']}")
    return 0


def _pages(paths: list[Path], reply_timeout_s: float | None) -> list[tuple[str, dict[str, Any]]]:
    pages = [(str(path), _of_summary(path)) for path in paths if not path.name.endswith(LOGS)]
    logs = [path for path in paths if path.name.endswith(LOGS)]
    if len({path.resolve() for path in logs}) < len(logs):
        raise LogError("an exchange log is named twice: its requests would count twice")
    if logs:
        run = LoggedRun(reply_timeout_s)
        for path in logs:
            run.add(read_rows(path))
        results, history = run.finish()
        facts = {"from": ", ".join(map(str, logs))}
        made = page.data(results, history.rows(), [], facts, words=FROM_LOGS)
        made["verdict"] = made["summary"]["verdict"] = made["verdict"].replace("VALID: ", "")
        pages.append((", ".join(map(str, logs)), made))
    return pages


def _of_summary(path: Path) -> dict[str, Any]:
    file = path / SUMMARY if path.is_dir() else path
    try:
        summary = json.loads(file.read_text("utf-8"))
        facts, history, workers = summary.pop("run"), summary.pop("history"), summary.pop("workers", [])
        verdict = wire.text(summary["verdict"])
        _check(summary, facts, history, workers)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LogError(f"{file} is no summary of --kafka-report (that of --kafka-summary has no history)") from error
    return {
        "run": "", "verdict": verdict, "words": "", "refusal": "", "ended": True, "history": history,
        "summary": summary, "facts": facts, "workers": workers,
    }  # fmt: skip


def _check(summary: dict[str, Any], facts: Any, history: Any, workers: Any) -> None:
    """What the page draws is there, and can be written: no text that is no UTF-8, no number that is none."""
    json.dumps([summary, facts, history, workers], ensure_ascii=False, allow_nan=False).encode()
    columns = wire.texts(history["columns"])
    for row in wire.listed(history["rows"]):
        if len(wire.listed(row)) != len(columns):
            raise ValueError("a row of the history has more or fewer values than columns")
        for cell in row:
            if cell is not None:
                wire.number(cell, -wire.MAX_VALUE)
    for check in wire.listed(summary["checks"]):
        wire.truth(check["passed"])
        wire.texts([check["text"], check["found"]])
    for one in (*wire.listed(workers), facts, *(summary[name] for name in ("requests", "replies", "latency_ms"))):
        one.items()  # a mapping


def _side_by_side(pages: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return {"compare": [{"label": label, "summary": one["summary"]} for label, one in pages]}
