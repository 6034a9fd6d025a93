"""A gate in CI: checks decide the exit code, and what the job leaves says why."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import jsonschema
import junitparser
import pytest

from locust_kafka.report.html import asset
from tests.support import NO_BROKER, Waiter, assert_headed, assert_well_behaved, locust, read_summary

CLOSED = "locustfiles/closed.py"
COMMON = ["--headless", "--only-summary", "-u", "4", "-r", "4", "--kafka-settle", "0.3", "--kafka-reply-timeout", "1"]


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
def test_checks_decide(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: int) -> None:
    """Locust alone would fail for the duplicates; good checks make it 0, a failed one 7, with expected and actual."""
    waiter.start("--duplicate", "30%", wait="20ms")
    options = [*COMMON, "-t", "5s", "--kafka-check", "timeouts == 0", "--kafka-check", "e2e.max < 1s"]
    options += ["--processes", str(processes)] if processes else []
    page = tmp_path / "page.md"
    with locust(broker, topics, CLOSED, *options, GITHUB_STEP_SUMMARY=str(page)) as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    assert_headed(run.output, "PASSED: all 2 checks hold")
    assert_headed(page.read_text(), "PASSED")
    folder = tmp_path / "results"
    options += ["--kafka-check", "duplicates == 0", "--kafka-report", str(folder)]
    with locust(broker, topics, CLOSED, *options) as run:
        assert run.wait() == 7, run.output
    assert_well_behaved(run.output)
    summary = read_summary(folder / "summary.json")
    jsonschema.validate(summary, json.loads(asset("summary.schema.json")))
    duplicates = summary["replies"]["duplicate"]
    assert f"check failed: duplicates == 0: {duplicates}" in run.output
    suites = junitparser.JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (suites.tests, suites.failures, suites.errors) == (4, 1, int(not summary["self_check"]["ok"]))
    # The history is of the sum: what each second counted adds up to the books.
    columns = summary["history"]["columns"]
    for column, count in (
        ("registered", summary["requests"]["registered"]), ("matched", summary["requests"]["matched"]),
        ("duplicates", duplicates),
    ):  # fmt: skip
        assert sum(row[columns.index(column)] for row in summary["history"]["rows"]) == count
    assert len(summary["history"]["rows"]) >= 4
    assert summary["run"]["--kafka-check"].count("\n") == 2


def test_nothing_answered_is_a_failed_check(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """With every request timed out e2e_matched has no value, and a value that does not exist fails."""
    options = [*COMMON, "-t", "3s", "--kafka-check", "e2e_matched.p95 < 1s"]
    with locust(broker, topics, CLOSED, *options) as run:
        assert run.wait() == 7, run.output
    assert "check failed: e2e_matched.p95 < 1s: no value" in run.output


def test_an_invalid_run_keeps_its_code(tmp_path: Path) -> None:
    """A run that could not begin is not judged: its code is 3, good checks or not; a bad check is refused before all."""
    with locust(NO_BROKER, ("a", "b"), CLOSED, *COMMON, "-t", "3s", "--kafka-check", "duplicates == 0") as run:
        assert run.wait(45) == 3, run.output
    with locust(NO_BROKER, ("a", "b"), CLOSED, *COMMON, "-t", "3s", "--kafka-check", "e2e.p9x < 1s") as run:
        assert run.wait(30) == 3, run.output
    assert "'p9x' stands in column 5 of 'e2e.p9x < 1s'" in run.output
    assert_well_behaved(run.output)


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
def test_a_check_that_stays_broken_ends_the_run(
    broker: str, topics: tuple[str, str], waiter: Waiter, processes: int
) -> None:
    """With abort, a run of an hour ends after ten seconds of a broken check, drained and with code 7."""
    waiter.start(wait="50ms")
    options = [*COMMON, "-t", "1h", "--kafka-check", "e2e.p50 < 10ms abort"]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, CLOSED, *options) as run:
        assert run.wait(60) == 7, run.output
    assert_well_behaved(run.output)
    assert "a check has failed for 10 s, so the run ends: e2e.p50 < 10ms abort" in run.output
    assert "The books balance" in run.output
    assert re.search(r"last \d+ s: sent \d+/s, e2e p50 ", run.output)


@pytest.mark.slow
def test_a_slower_run_is_a_regression(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Of ten pairs of equal runs none is called a regression; a service that takes a fifth longer is."""
    options = [*COMMON, "-t", "27s", "--kafka-check", "timeouts == 0"]
    service = waiter.start(wait="80ms")
    for number in range(11):
        before = ["--kafka-baseline", str(tmp_path / str(number - 1))] if number else []
        with locust(broker, topics, CLOSED, *options, *before, "--kafka-report", str(tmp_path / str(number))) as run:
            assert run.wait() == 0, run.output
        assert "within the noise" in run.output or "a difference that is allowed" in run.output or not number
    service.signal(signal.SIGTERM)
    service.wait()
    waiter.start(wait="96ms")
    with locust(broker, topics, CLOSED, *options, "--kafka-baseline", str(tmp_path / "10")) as run:
        assert run.wait() == 7, run.output
    assert_well_behaved(run.output)
    assert re.search(r"check failed: e2e p50 at most 10% slower than the baseline: \+[12]\d", run.output), run.output
