"""`--kafka-report DIR`: everything that one run leaves, in one folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from hdrh.histogram import HdrHistogram

from locust_kafka.core.checks import Judged
from locust_kafka.core.history import Row
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.paths import make_folder, open_output, write_output
from locust_kafka.report import html, junit, page, summary

SUMMARY, REPORT, JUNIT = "summary.json", "report.html", "junit.xml"
PERCENTILES, HISTORY = "percentiles.hgrm", "history.csv"
HIGHEST_US = 10**11
US_PER_MS = 1000.0
RATES = ("offered_rate", "achieved_rate")


def write(
    directory: Path, results: RunResults, rows: Sequence[Row], judged: Sequence[Judged], facts: Mapping[str, str],
    workers: Sequence[Mapping[str, Any]] = (),
) -> None:  # fmt: skip
    """Write the files; the folder is made.

    Args:
        directory: where; files of an earlier run in it are replaced.
        results: of the whole run.
        rows: its history.
        judged: its checks.
        facts: settings without secrets, versions, by their names.
        workers: of a distributed run, each as it was at its end.

    Raises:
        OSError: a file cannot be written.
    """
    make_folder(directory)
    whole = {
        **summary.to_json(results, judged), "run": dict(facts), "workers": [dict(one) for one in workers],
        "history": {"columns": list(Row._fields), "rows": [list(row) for row in rows]},
    }  # fmt: skip
    write_output(directory / SUMMARY, json.dumps(whole, indent=2) + "\n")
    drawn = page.data(results, rows, judged, facts, workers=workers)
    write_output(directory / REPORT, html.document(drawn, "Kafka request-reply"))
    junit.write(judged, results, directory / JUNIT)
    with io.TextIOWrapper(open_output(directory / HISTORY), encoding="utf-8", newline="") as file:
        write_history(rows, file)
    with open_output(directory / PERCENTILES) as out:
        histogram(results.whole().e2e).output_percentile_distribution(out, US_PER_MS)


def remove_report(directory: Path) -> bool:
    """Remove what `write` has left of an earlier run; whether there was anything."""
    found = False
    for name in (SUMMARY, REPORT, JUNIT, PERCENTILES, HISTORY):
        file = directory / name
        if file.is_file() and not file.is_symlink():
            file.unlink(missing_ok=True)
            found = True
    return found


def write_history(rows: Sequence[Row], out: TextIO) -> None:
    """A line for each second; a figure that does not exist is empty."""
    writer = csv.writer(out)
    writer.writerow((*Row._fields, *RATES))
    for row in rows:
        cells = ["" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row]
        writer.writerow((*cells, *(f"{getattr(row, rate):.6g}" for rate in RATES)))


def histogram(series: LatencySeries) -> HdrHistogram:
    """The series in HdrHistogram's own form, in µs."""
    result = HdrHistogram(1, HIGHEST_US, 3)
    for us, count in sorted(dict(series.to_wire()["buckets"]).items()):
        result.record_value(us, count)
    return result
