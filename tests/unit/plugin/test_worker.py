"""A worker's side, with stand-ins for Locust's runner and for its run: each question is answered, each run once."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.runners import STATE_INIT, STATE_RUNNING

from locust_kafka.core.books import Outcome
from locust_kafka.core.schedule import Stage
from locust_kafka.errors import NotReady, RunInvalid
from locust_kafka.plugin import messages as m
from locust_kafka.plugin import worker as worker_module
from locust_kafka.plugin.worker import WorkerSide
from tests.unit.plugin.runners import StubRun, StubWorker, let_greenlets_run

RUN, OTHER = "this run", "another run"


class Worker:
    """A worker's side, the run that its process has, and what it was told to reset."""

    def __init__(self, run: StubRun | None) -> None:
        self.run, self.since = run, ""
        self.runner = StubWorker()
        self.side = WorkerSide(self.runner, self)  # type: ignore[arg-type]

    def worker_run(self) -> Any:
        return self.run

    def reset(self, since: str) -> None:
        self.since = since

    def said(self, kind: type[m.Message]) -> list[Any]:
        return [message for message in self.runner.done if isinstance(message, kind)]


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(StubRun(RUN, [("a", Outcome.MATCHED), ("a", Outcome.TIMED_OUT)]))
    yield worker
    assert worker.run is not None
    worker.run.drained.set()
    let_greenlets_run()


ACTS = st.lists(
    st.sampled_from(["asked", "asked for another", "cut", "bad version", "Locust stops", "quits", "drained"]),
    max_size=8,
)


@given(ACTS)
def test_every_question_is_answered_and_a_run_is_reported_once(acts: list[str]) -> None:
    """In whatever order: a run drains once, its statistics go once and before its results, and no question is lost."""
    run = StubRun(RUN, [("a", Outcome.MATCHED)])
    worker = Worker(run)
    told_to_end = False
    for act in acts:
        before = len(worker.runner.done)
        if act.startswith(("asked", "cut")):
            wanted = OTHER if act == "asked for another" else RUN
            worker.runner.hear(m.Finish(wanted, act == "cut"))
            let_greenlets_run()
            answers = [one for one in worker.runner.done[before:] if isinstance(one, (m.Finishing, m.Finished))]
            assert answers, "the master hears nothing"
            assert {one.run for one in answers} == {wanted}
            told_to_end = told_to_end or wanted == RUN
        elif act == "bad version":
            worker.runner.hear({**m.Finish(RUN, True).to_wire(), "version": 0}, m.Finish.type)
            let_greenlets_run()
            assert len(worker.runner.done) == before
        elif act == "drained":
            run.drained.set()
        else:
            told_to_end = True
            if act == "quits":
                gevent.spawn(worker.side.finish, run, quitting=True)
            else:
                worker.side.locust_stopped(run)  # type: ignore[arg-type]
        let_greenlets_run()
    run.drained.set()
    let_greenlets_run()
    done = worker.runner.done
    results = [one for one in worker.said(m.Finished) if one.run == RUN]
    assert done.count("stats") == bool(results) == told_to_end
    if results:
        assert done.index("stats") < done.index(results[0])
        assert all(one == results[0] for one in results)
        assert results[0].results is not None
        assert results[0].results["total"]["requests"]["matched"] == 1
    assert all(one.results is None for one in worker.said(m.Finished) if one.run == OTHER)
    assert bool(run.cuts) == ("cut" in acts)
    said = len(done)
    let_greenlets_run()
    assert len(done) == said  # and then it is silent


def test_users_are_stopped_before_the_drain(worker: Worker) -> None:
    """What their `on_stop` sends belongs to the run; a Locust that has stopped them already is not asked again."""
    assert worker.run is not None
    worker.run.drained.set()
    worker.runner.hear(m.Finish(RUN, False))
    let_greenlets_run()
    assert [one for one in worker.runner.done if not isinstance(one, m.Finishing)] == [
        "stop", "stats", m.Finished(RUN, worker.run.results.to_wire()),
    ]  # fmt: skip
    worker.run = StubRun("next")
    worker.run.drained.set()
    worker.runner.done.clear()
    worker.runner.hear(m.Finish("next", False))
    let_greenlets_run()
    assert "stop" not in worker.runner.done
    assert worker.said(m.Finished)


def test_it_says_that_it_drains_until_it_has(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The master hears of it again and again while the drain lasts, whoever began it, and no more after it."""
    monkeypatch.setattr(worker_module, "FINISHING_EVERY_S", 0)
    assert worker.run is not None
    worker.side.locust_stopped(worker.run)  # type: ignore[arg-type]
    let_greenlets_run()
    first = len(worker.said(m.Finishing))
    let_greenlets_run()
    assert len(worker.said(m.Finishing)) > first > 1
    assert not worker.said(m.Finished)
    worker.run.drained.set()
    let_greenlets_run()
    said = len(worker.runner.done)
    assert isinstance(worker.runner.done[-1], (m.Finished, m.Finishing))
    assert len(worker.said(m.Finished)) == 1
    let_greenlets_run()
    assert len(worker.runner.done) == said


def test_a_stop_that_fails_does_not_keep_the_end_away(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's stop raises what a listener raises: the run drains and is reported all the same; then it is silent."""
    monkeypatch.setattr(worker_module, "FINISHING_EVERY_S", 0)
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *_: None)
    assert worker.run is not None
    worker.runner.failing_stop = True
    worker.run.drained.set()
    worker.runner.hear(m.Finish(RUN, False))
    let_greenlets_run()
    assert len(worker.said(m.Finished)) == 1
    said = len(worker.runner.done)
    let_greenlets_run()
    assert len(worker.runner.done) == said


def test_statistics_wait_until_locust_takes_them(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Locust's own stop its master takes none until the worker is ready again; the wait for that is bounded."""
    monkeypatch.setattr(worker_module, "READY_PATIENCE_S", 0.1)
    assert worker.run is not None
    worker.run.drained.set()
    worker.runner.worker_state = STATE_RUNNING
    worker.side.locust_stopped(worker.run)  # type: ignore[arg-type]
    let_greenlets_run()
    assert "stats" not in worker.runner.done
    worker.runner.hear(m.Finish(RUN, False))  # the master must not go on before it has them
    let_greenlets_run()
    assert not worker.said(m.Finished)
    worker.runner.worker_state = STATE_INIT
    gevent.sleep(0.04)
    assert worker.runner.done[-2:] == ["stats", worker.said(m.Finished)[0]]
    stuck = Worker(StubRun(RUN))
    assert stuck.run is not None
    stuck.runner.worker_state = STATE_RUNNING
    stuck.run.drained.set()
    stuck.side.finish(stuck.run)  # type: ignore[arg-type]  # it returns
    assert stuck.said(m.Finished)


def test_a_process_that_quits_does_not_wait_to_be_ready(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust will not be ready again: the statistics go at once, even while its stop was still waiting for that."""
    monkeypatch.setattr(worker_module, "READY_PATIENCE_S", 1e9)
    assert worker.run is not None
    worker.run.drained.set()
    worker.runner.worker_state = STATE_RUNNING
    worker.side.locust_stopped(worker.run)  # type: ignore[arg-type]
    let_greenlets_run()
    worker.side.finish(worker.run, quitting=True)  # type: ignore[arg-type]
    assert worker.runner.done[-2:] == ["stats", worker.said(m.Finished)[0]]
    gevent.sleep(0.04)
    assert worker.runner.done.count("stats") == 1


PLAN = m.BeginPlan(RUN, [[10.0, 20.0, 5.0], [20.0, 20.0, 0.0]], 0.0, 0.25, 0.5)
ORDERS = (PLAN, m.SetRate(RUN, 5.0), m.SetShare(RUN, 0.5), m.Reset(RUN, "now"))


def test_orders_about_its_run_are_followed(worker: Worker) -> None:
    """The plan, a rate, a share and a reset of the latencies, each as the master has said it."""
    assert worker.run is not None
    shares: list[float] = []
    worker.runner.hear(m.SetShare(RUN, 0.1))  # before the plan: nothing to divide yet
    worker.run.arrivals = SimpleNamespace(set_share=shares.append)
    for order in ORDERS:
        worker.runner.hear(order)
    (stages, start_ns, share, phase), rate = worker.run.told
    assert stages == (Stage(10, 20, 5), Stage(20, 20, 0))
    assert (share, phase, rate) == (0.25, 0.5, 5.0)
    assert start_ns > 0
    assert shares == [0.5]
    assert worker.since == "now"


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_orders_about_another_run_are_not(worker: Worker, order: m.Message, caplog: pytest.LogCaptureFixture) -> None:
    """Another run's, another version's, or one for a process without a run: nothing is changed."""
    assert worker.run is not None
    worker.run.arrivals = SimpleNamespace(set_share=pytest.fail)
    worker.runner.hear({**order.to_wire(), "run": OTHER}, order.type)
    worker.runner.hear({**order.to_wire(), "version": m.VERSION + 1}, order.type)
    kept, worker.run = worker.run, None
    worker.runner.hear(order)
    worker.run = kept
    assert not kept.told
    assert not worker.since
    assert [record.getMessage() for record in caplog.records] == [
        f"a message of the master is passed over: {order.type}: not of version {m.VERSION}"
    ]


def test_a_run_that_it_never_had_is_answered(worker: Worker) -> None:
    """It joined late, or has a later run: the master must not wait for it, and gets no results of another run."""
    worker.runner.hear(m.Finish(OTHER, False))
    kept, worker.run = worker.run, None
    let_greenlets_run()
    worker.runner.hear(m.Finish(RUN, True))
    let_greenlets_run()
    worker.run = kept
    assert kept is not None
    assert worker.runner.done == [m.Finished(OTHER, None), m.Finished(RUN, None)]
    assert not kept.finishes
    assert not kept.cuts


def test_it_says_when_it_can_send_and_when_it_cannot(worker: Worker) -> None:
    """With the run's id, whether the run had begun, and a sentence of bounded length."""
    worker.side.opened(worker.run)  # type: ignore[arg-type]
    worker.side.failed(RUN, NotReady("no broker"))
    worker.side.failed(RUN, RunInvalid("x" * 10 * m.MAX_WORDS))
    worker.side.ask_for_rate(worker.run, 7)  # type: ignore[arg-type]
    opened, refused, invalid, rate = worker.runner.done
    assert (opened, refused, rate) == (m.Opened(RUN), m.Failed(RUN, "no broker", False), m.SetRate(RUN, 7))
    assert invalid.invalid
    assert len(invalid.reason) == m.MAX_WORDS
    assert worker.side.index == 3
