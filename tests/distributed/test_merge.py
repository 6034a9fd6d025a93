"""What the master says is the sum of what its workers wrote, exchange by exchange."""

from __future__ import annotations

from pathlib import Path

from locust_kafka.report.from_log import LoggedRun, read_rows
from locust_kafka.report.summary import to_json
from tests.support import Waiter, assert_well_behaved, locust, read_summary


def test_the_sum_is_the_union_of_the_logs(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Outcomes, verdicts and every percentile of the master are those of the workers' exchange logs read together."""
    waiter.start("--drop", "3%", "--duplicate", "5%", "--late", "3%:1500ms", wait="uniform:5ms-60ms")
    with locust(
        broker, topics, "locustfiles/open.py", "--headless", "--only-summary", "--processes", "3", "-u", "12", "-r", "12",
        "-t", "6s", "--kafka-rate", "150", "--kafka-reply-timeout", "1", "--kafka-settle", "2",
        "--kafka-report", str(tmp_path / "report"), "--kafka-exchange-log", str(tmp_path / "x.csv.gz"),
    ) as run:  # fmt: skip
        assert run.wait() == 1, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "report" / "summary.json")
    logs = sorted(tmp_path.glob("x-*.csv.gz"))
    assert len(logs) == 3
    union = LoggedRun(1.0)
    for log in logs:
        union.add(read_rows(log))
    results, history = union.finish()
    found = to_json(results)
    assert found["requests"] == summary["requests"]
    for verdict in ("match", "late", "duplicate", "unexpected"):
        assert found["replies"][verdict] == summary["replies"][verdict]
    for series in ("e2e_matched", "late", "duplicate"):
        assert found["latency_ms"][series] == summary["latency_ms"][series], series
    columns, rows = summary["history"]["columns"], summary["history"]["rows"]
    for column in ("registered", "matched", "timed_out", "late", "duplicates"):
        of_log = sum(getattr(row, column) for row in history.rows())
        assert of_log == sum(row[columns.index(column)] for row in rows), column
