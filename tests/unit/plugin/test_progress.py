"""A check with abort ends a run when it is broken for good; the master's seconds and sum."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.event import EventHook

from locust_kafka.core.checks import ABORT_AFTER_S
from locust_kafka.core.counters import Counters
from locust_kafka.core.history import History, Second
from locust_kafka.core.results import RunResults
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.progress import Progress
from locust_kafka.plugin.seconds import WorkerSeconds
from locust_kafka.plugin.summing import add_up
from locust_kafka.settings import parse
from locust_kafka.values import Given
from tests.unit.core.test_checks import results_of

MS = 1_000_000


def progress_of(results: list[RunResults], *checks: str) -> Progress:
    settings = parse({"kafka_check": Given(";".join(checks), "x")})
    return Progress(settings, History, lambda: results[-1], lambda _sentence: None, headless=False)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_only_a_check_that_stays_broken_aborts(broken: list[bool]) -> None:
    """Sampled once a second it aborts when the last ABORT_AFTER_S and the moment before were all broken, no sooner."""
    results: list[RunResults] = []
    progress = progress_of(results, "e2e.p50 < 10ms abort", "duplicates == 7")
    in_a_row = 0
    for second, bad in enumerate(broken):
        results.append(results_of([(50 if bad else 5) * MS], 0, 0))
        said = progress.broken(float(second))
        in_a_row = in_a_row + 1 if bad else 0
        assert bool(said) == (in_a_row > ABORT_AFTER_S)
        if said:
            assert "e2e.p50 < 10ms abort: 50ms" in said
            return
    progress.stop()


def test_what_has_no_value_yet_aborts_nothing() -> None:
    """Before the first reply a latency has no value, and that is no broken check until the end."""
    results = [RunResults()]
    progress = progress_of(results, "e2e_matched.p50 < 10ms abort")
    assert not any(progress.broken(float(second)) for second in range(60))
    results.append(results_of([], 5, 0))
    assert not any(progress.broken(float(second)) for second in range(60, 120))
    progress.stop()


class Runner:
    """A master's runner, as far as it hears reports."""

    def __init__(self) -> None:
        self.environment = SimpleNamespace(events=SimpleNamespace(worker_report=EventHook()))

    def report(self, worker: str, message: m.Message | dict[str, Any]) -> None:
        wire = message.to_wire() if isinstance(message, m.Message) else message
        self.environment.events.worker_report.fire(client_id=worker, data={m.Seconds.type: wire})


def test_seconds_of_all_workers_are_one_history(caplog: pytest.LogCaptureFixture) -> None:
    """Seconds of the present run are added up by their number; another run's, and nonsense, change nothing."""
    runner = Runner()
    seconds = WorkerSeconds(runner, lambda: "now")  # type: ignore[arg-type]
    for worker in ("a", "b"):
        runner.report(
            worker, m.Seconds("now", [Second(at_s, 1.0, Counters(registered=2)).to_wire() for at_s in (1, 2)])
        )
    runner.report("a", m.Seconds("before", [Second(1, 1.0, Counters(registered=50)).to_wire()]))
    for nonsense in ({}, {"version": m.VERSION, "run": "now", "seconds": [{"at_s": "x"}]}, {"version": 0}):
        runner.report("c", nonsense)
    assert [(row.at_s, row.registered) for row in seconds.history.rows()] == [(1, 4), (2, 4)]
    assert caplog.text.count("the history of worker c cannot be read") == 1
    seconds.begin()
    assert seconds.history.rows() == []


@pytest.mark.parametrize("allowed", [True, False])
def test_lost_requests_may_be_allowed(allowed: bool) -> None:
    """A dead worker's pending requests are LOST either way; only whether the run is valid differs."""
    dead = results_of([5 * MS], 0, 0)
    dead.total.registered += 2
    dead.name("n").books.registered += 2
    total = add_up(["a"], {"a": dead}, opened=["a"], finished=[], unreadable=[], allow_lost=allowed)
    assert total.total.pending == 0
    assert total.total.outcomes[4] == 2
    words = "\n".join(total.invalid)
    assert ("2 pending requests are LOST" in words) == (not allowed)
    assert total.notes.get("workers that ended without a last report", 0) == allowed
