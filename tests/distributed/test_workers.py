"""Workers that end, and that die: what they had under way is accounted for."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support import Waiter, assert_balanced, assert_well_behaved, free_port, locust, read_summary

CLOSED = "locustfiles/closed.py"


def test_a_second_ctrl_c_reaches_the_workers(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """The same with workers: they answer the master before all ends."""
    with locust(
        broker, topics, CLOSED, "--headless", "--only-summary", "-u", "6", "-r", "6", "--processes", "2",
        "--kafka-reply-timeout", "3600", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        run.await_users()
        time.sleep(3)
        run.signal(signal.SIGINT, group=True)
        run.await_line("draining: 3 requests", times=2)
        run.signal(signal.SIGINT, group=True)
        run.wait(20)
    assert_well_behaved(run.output)
    requests = assert_balanced(tmp_path / "s.json", at_least=6)
    assert requests["unfinished"] == 6


@pytest.mark.parametrize(("allowed", "code"), [("off", 4), ("on", 1)])
def test_a_worker_that_dies_is_accounted_for(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, allowed: str, code: int
) -> None:
    """A worker killed with -9: what it had pending is LOST, the books balance, and the run is invalid unless allowed."""
    waiter.start("--drop", "100%")
    port = str(free_port())
    connect = ["--master-port", port]
    master = ["--master", "--expect-workers", "2", "--master-bind-port", port, "--headless", "-t", "14s", "-u", "8"]
    master += ["--kafka-allow-lost", allowed, "-r", "8", "--only-summary", "--kafka-summary", str(tmp_path / "s.json")]
    common = ["--kafka-reply-timeout", "9", "--kafka-settle", "0"]
    with (
        locust(broker, topics, CLOSED, *master, *common) as run,
        locust(broker, topics, CLOSED, "--worker", *connect, *common) as worker,
        locust(broker, topics, CLOSED, "--worker", *connect, *common) as victim,
    ):
        run.await_users()
        time.sleep(7)
        victim.signal(signal.SIGKILL)
        assert run.wait() == code, run.output
        worker.wait()
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"], summary["equations"]
    assert summary["requests"]["lost"] == 4
    assert "ended without a last report" in run.output
    assert (not summary["invalid"]) == (allowed == "on")
    assert summary["valid"] == (allowed == "on" and summary["self_check"]["ok"])
