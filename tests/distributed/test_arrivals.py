"""The open model inside Locust: arrivals start when they are due, and none is lost between processes."""

from __future__ import annotations

import csv
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import Waiter, assert_well_behaved, locust, read_summary

LOCUSTFILE = "tests/process/locustfiles/arriving.py"


def run(
    broker: str, topics: tuple[str, str], tmp_path: Path, *options: str, **environment: str
) -> tuple[dict[str, Any], list[float]]:
    """The summary, and the intended starts in seconds after the first."""
    with locust(
        broker, topics, LOCUSTFILE, "--headless", "--only-summary", "-r", "100", "--kafka-settle", "0",
        "--kafka-summary", str(tmp_path / "s.json"), "--kafka-exchange-log", str(tmp_path / "x.csv"), *options,
        **environment,
    ) as process:  # fmt: skip
        assert process.wait() == 0, process.output
    assert_well_behaved(process.output)
    rows = [row for path in tmp_path.glob("x*.csv") for row in csv.DictReader(path.open())]
    intended = sorted(int(row["intended_ns"]) for row in rows)
    return read_summary(tmp_path / "s.json"), [(at - intended[0]) / 1e9 for at in intended]


def between(starts: list[float], low_s: float, high_s: float) -> int:
    return sum(low_s <= at < high_s for at in starts)


@pytest.mark.parametrize("loop", ["", "1"], ids=["tasks", "arrivals"])
def test_a_ramp_with_workers(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, loop: str) -> None:
    """The rate of all workers together rises as planned, whoever takes the arrivals, and latency counts from them."""
    waiter.start()
    options = ["-u", "8", "-t", "8s", "--processes", "2", "--kafka-rate", "50:350/3s"]
    summary, starts = run(broker, topics, tmp_path, *options, LOOP=loop)
    assert summary["balanced"]
    dropped = summary["notes"].get("arrivals dropped: nobody was free in time, or by the end", 0)
    assert dropped <= 20  # what was due in the moment of the end
    # 50 t + 50 t² arrivals after t seconds of the ramp, 350 a second after its end; workers begin within a second.
    assert between(starts, 0, 1) == pytest.approx(100, abs=60)
    assert between(starts, 2, 3) == pytest.approx(300, abs=60)
    assert between(starts, 4.5, 5.5) == pytest.approx(350, abs=10)
    assert summary["legs_ms"]["schedule"]["count"] == summary["requests"]["matched"]
    assert summary["latency_ms"]["from_send"]["count"] == summary["requests"]["matched"]
    assert summary["latency_ms"]["from_send"]["p50"] <= summary["latency_ms"]["e2e"]["p50"]


def test_poisson_arrivals(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Gaps as long as the mean, or longer, are 1 in e; with constant arrivals half of them would be."""
    waiter.start()
    options = ["-u", "8", "-t", "6s", "--kafka-rate", "200", "--kafka-arrivals", "poisson"]
    summary, starts = run(broker, topics, tmp_path, *options)
    gaps = [after - before for before, after in pairwise(starts)]
    assert len(gaps) > 500
    assert sum(gap >= 2 / 200 for gap in gaps) / len(gaps) == pytest.approx(0.135, abs=0.06)
    assert sum(gap < 0.2 / 200 for gap in gaps) / len(gaps) == pytest.approx(0.181, abs=0.06)
    assert summary["balanced"]


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["local", "workers"])
def test_a_shape_sets_the_rate(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: list[str]
) -> None:
    """set_rate() in a shape's tick begins the open model and changes its rate, on workers too."""
    waiter.start()
    summary, starts = run(broker, topics, tmp_path, *processes, SHAPED="1")
    assert summary["balanced"]
    last = starts[-1]
    # Intended starts follow the plan whatever the machine does; only when a tick comes is the machine's.
    assert between(starts, last - 2.2, last - 0.2) == pytest.approx(600, abs=5)
    assert between(starts, 0.2, 1.0) == pytest.approx(80, abs=3)
    assert sum(summary["arrivals"][end] for end in ("started", "dropped", "given_back")) == summary["arrivals"]["due"]
    assert summary["arrivals"]["started"] == len(starts)


def test_a_worker_that_leaves_leaves_its_share(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """The others take over the whole rate."""
    waiter.start()
    common = ["--kafka-settle", "0", "--kafka-rate", "200", "--kafka-exchange-log", str(tmp_path / "x.csv")]
    port = ["--master-bind-port", "15577"]
    master_options = ["--headless", "--only-summary", "--master", *port, "--expect-workers", "2", "-u", "8", "-r", "100",
                      "-t", "14s", "--kafka-summary", str(tmp_path / "s.json"), *common]  # fmt: skip
    worker_options = ["--worker", "--master-port", "15577", *common]
    with (
        locust(broker, topics, LOCUSTFILE, *master_options) as master,
        locust(broker, topics, LOCUSTFILE, *worker_options) as stays,
        locust(broker, topics, LOCUSTFILE, *worker_options) as leaves,
    ):
        master.await_users()
        time.sleep(3)
        leaves.signal(signal.SIGTERM)
        leaves.wait()
        master.wait()
        stays.wait()
    rows = [row for path in tmp_path.glob("x*.csv") for row in csv.DictReader(path.open())]
    intended = sorted(int(row["intended_ns"]) / 1e9 for row in rows)
    last = intended[-1]
    assert sum(last - 2.5 <= at < last - 0.5 for at in intended) == pytest.approx(400, abs=40)
