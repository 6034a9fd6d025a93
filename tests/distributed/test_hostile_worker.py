"""A real master, a real worker, and one that sends anything: the run ends, in words, and no file is written elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support import ROOT, Process, Waiter, assert_well_behaved, free_port, locust, read_summary

HOSTILE = ROOT / "tests" / "distributed" / "hostile_worker.py"


def test_a_master_survives_a_hostile_worker(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """Hundreds of malformed messages: the honest worker's figures are kept, the run is invalid and says whose fault."""
    waiter.start()
    port, report = str(free_port()), tmp_path / "run" / "report"
    report.parent.mkdir()
    master = ["--master", "--master-bind-port", port, "--headless", "--only-summary", "--expect-workers", "2"]
    options = [*master, "-u", "4", "-r", "4", "-t", "5s", "--kafka-settle", "0.2", "--kafka-report", str(report)]
    worker = ["--worker", "--master-port", port]
    with (
        locust(broker, topics, "locustfiles/closed.py", *options) as run,
        locust(broker, topics, "locustfiles/closed.py", *worker) as honest,
        Process([sys.executable, str(HOSTILE), port, "7"]) as hostile,
    ):
        assert run.wait(180) == 4, run.output  # the flood takes a busy machine a while
        hostile.wait()
        honest.wait()
    assert hostile.output == ""
    assert "locust_kafka" not in "".join(line for line in run.lines if line.startswith("  File"))
    assert_well_behaved(honest.output)
    assert "a message of worker 'hostile_worker' is passed over" in run.output
    summary = read_summary(report / "summary.json")
    assert not summary["valid"]
    assert any("hostile_worker" in sentence for sentence in summary["invalid"])
    assert summary["requests"]["matched"] >= 2
    json.loads(json.dumps(summary, allow_nan=False))
    assert [path.name for path in report.parent.iterdir()] == ["report"]
    assert len(list(report.iterdir())) == 5
