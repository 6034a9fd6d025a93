"""The generator looks at itself: stalls of its hub make the run invalid, work alone does not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import Process, Waiter, assert_well_behaved, locust, read_summary


def run(
    broker: str, topics: tuple[str, str], tmp_path: Path, *options: str, **environment: str
) -> tuple[int, dict[str, Any], str]:
    with locust(
        broker, topics, "tests/process/locustfiles/stalls.py", "--headless", "--only-summary", "-u", "20", "-r", "100",
        "-t", "8s", "--kafka-settle", "0", "--kafka-warmup", "2", "--kafka-summary", str(tmp_path / "s.json"), *options,
        LOCUST_KAFKA_SELF_CHECK="fail", **environment,
    ) as process:  # fmt: skip
        code = process.wait()
    assert_well_behaved(process.output)
    return code, read_summary(tmp_path / "s.json"), process.output


@pytest.mark.parametrize("kind", ["asleep", "busy"])
@pytest.mark.parametrize("model", [[], ["--kafka-rate", "100"]], ids=["closed", "open"])
def test_stalls_of_the_hub_make_the_run_invalid(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, kind: str, model: list[str]
) -> None:
    """50 ms twice a second, in either model: exit code 5, a sentence with the remedy, and the stalls themselves."""
    waiter.start(wait="20ms")
    code, summary, output = run(broker, topics, tmp_path, *model, STALL=kind)
    assert code == 5, output
    assert "the generator was the bottleneck" in output
    assert "a blocking call in a task" in output
    assert not summary["self_check"]["ok"]
    assert not summary["valid"]
    assert summary["balanced"]
    stalls = [stall for stall in summary["self_check"]["stalls"] if stall["kind"] == "hub"]
    assert len(stalls) >= 5
    assert summary["self_check"]["lag_ms"]["hub"]["max"] >= 40


@pytest.mark.parametrize("load", [["-u", "1"], ["--kafka-rate", "300"]], ids=["idle", "half_open"])
def test_work_alone_does_not(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, load: list[str]
) -> None:
    """Idle, and with some hundred exchanges a second, the run is valid; else an idle process was late as often."""
    waiter.start(wait="uniform:20ms-300ms")
    with Process([sys.executable, "-m", "tests.process.metronome"]) as metronome:
        code, summary, output = run(broker, topics, tmp_path, *load)
    assert summary["self_check"]["watched_s"] > 3
    assert summary["self_check"]["ok"] == summary["valid"] == (code == 0)
    if code == 0:
        assert "it cannot have moved p99 by more than a tenth" in output
    else:  # what the self-check says is true of a process that does nothing, too
        assert code == 5
        tenth_ms = max(1.0, summary["latency_ms"]["e2e"]["p99"] / 10)
        lates_ms = [float(line) for line in metronome.lines]
        assert sum(late > tenth_ms for late in lates_ms) > 4, (summary["self_check"], lates_ms)


def test_shown_only_when_so_wanted(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """With --kafka-self-check show the finding is told and the exit code is Locust's."""
    waiter.start(wait="20ms")
    code, summary, output = run(broker, topics, tmp_path, "--kafka-self-check", "show", STALL="asleep")
    assert code == 0, output
    assert "the generator was the bottleneck" in output
    assert summary["self_check"]["findings"]
