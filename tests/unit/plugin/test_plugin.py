"""The lifecycle in Locust: runs are begun, refused, stopped, failed and cut in any order, with a stand-in for a run."""

from __future__ import annotations

import argparse
import atexit
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from locust import User, task
from locust.env import Environment
from locust.event import Events
from locust.runners import STATE_CLEANUP, STATE_INIT, STATE_RUNNING, STATE_SPAWNING, STATE_STOPPED, WorkerRunner

from locust_kafka.core.books import Outcome
from locust_kafka.core.history import History, Second
from locust_kafka.core.results import RunResults
from locust_kafka.core.routing import Share
from locust_kafka.errors import (
    EXIT_CUT_SHORT,
    EXIT_INVALID,
    EXIT_NOT_STARTED,
    KafkaPluginError,
    NotReady,
    RunInvalid,
)
from locust_kafka.kafka.cluster import ClusterView
from locust_kafka.plugin import messages as m
from locust_kafka.plugin import plugin as plugin_module
from locust_kafka.plugin.classes import KafkaAttributes
from locust_kafka.plugin.ending import Ending
from locust_kafka.plugin.plugin import Plugin
from locust_kafka.run.spec import RunSpec
from locust_kafka.settings import parse
from locust_kafka.values import Given
from tests.unit.plugin.runners import StubWorker, results_of


class Connected:
    """A run's connection, as far as the log line at its start needs it."""

    view = ClusterView("cluster", 1)


class Rows:
    def __init__(self) -> None:
        self.disconnected = False

    def disconnect(self) -> None:
        self.disconnected = True


class Recorder:
    def __init__(self) -> None:
        self.rows, self.resets = Rows(), 0

    def reset(self, _since: str) -> None:
        self.resets += 1

    def flush(self, pause: Any = None) -> None:
        pass


class StandIn:
    """A run: it waits for the one before, opens or is refused, and drains until somebody lets it end."""

    not_ready = False
    made: list[StandIn]

    def __init__(
        self, spec: RunSpec, rows: Any, on_open: Callable[[], None], on_failure: Callable[[KafkaPluginError], None],
        previous: StandIn | None = None, refusal: KafkaPluginError | None = None,
    ) -> None:  # fmt: skip
        self.spec, self.settings = spec, spec.settings
        self.recorder, self.self_check, self.connection = Recorder(), None, None
        self.sampler, self.state = SimpleNamespace(history=History(), take_unreported=lambda: [Second(1)]), None
        self.failure: KafkaPluginError | None = None
        self.is_open = self.ending = self.closed = self.was_open = False
        self.number = len(self.made) + 1
        self.results = results_of([("a", Outcome.TIMED_OUT)] * self.number)  # to be told from the others'
        self.gate, self.finishes = Event(), 0
        self.refusal = refusal or (NotReady("no broker") if self.not_ready else None)
        self._on_open, self._on_failure, self._previous = on_open, on_failure, previous
        self._started = Event()
        self._finisher: gevent.Greenlet | None = None
        self.made.append(self)
        gevent.spawn(self._start)

    def _start(self) -> None:
        if self._previous is not None:
            self._previous.finish()
            assert self._previous.closed, "two runs at a time"
        if self.refusal is not None:
            self.failure, self.ending = self.refusal, True
            self._started.set()
            self._on_failure(self.refusal)
            return
        self.connection, self.is_open, self.was_open = Connected(), True, True  # type: ignore[assignment]
        self._started.set()
        self._on_open()

    def await_started(self) -> None:
        self._started.wait()

    def note_stopping(self) -> None:
        self.ending = True

    def fail(self, sentence: str) -> None:
        if self.failure is None:
            self.failure = RunInvalid(sentence)
            self.gate.set()
            self._on_failure(self.failure)

    def cut(self) -> None:
        if self._previous is not None:
            self._previous.cut()
        if not self.gate.is_set():
            self.results = results_of([("a", Outcome.UNFINISHED)] * self.number)
        self.gate.set()

    def finish(self) -> None:
        if self._finisher is None:
            self.finishes += 1
            self.ending = True
            self._finisher = gevent.spawn(self._finish)
        self._finisher.join()

    def _finish(self) -> None:
        self._started.wait()
        self.is_open = False
        if self.was_open:
            self.gate.wait()
        if isinstance(self.failure, RunInvalid):
            self.results.invalid.append(str(self.failure))
        self.closed = True

    @property
    def exit_code(self) -> int | None:
        """What a process would end with whose last run this is; None leaves it to Locust."""
        if self.failure is not None:
            return EXIT_INVALID if isinstance(self.failure, RunInvalid) else EXIT_NOT_STARTED
        if self.results.invalid:
            return EXIT_INVALID
        return EXIT_CUT_SHORT if self.results.total.outcomes[Outcome.UNFINISHED] else None


class Local:
    """Locust's LocalRunner: its states, its events and the greenlets that fire them, without its timers and users."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.state = STATE_INIT
        self.user_count = 0
        self.exceptions: list[str] = []
        self.runs_with_users: list[StandIn] = []
        self._spawning: gevent.Greenlet | None = None

    def start(self) -> None:
        if self._spawning is not None:
            self._spawning.kill(block=True)
        self._spawning = gevent.spawn(self._start)

    def _start(self) -> None:
        if self.state not in (STATE_RUNNING, STATE_SPAWNING):
            self.environment.events.test_start.fire(environment=self.environment)
        self.state, self.user_count = STATE_SPAWNING, 1
        self.runs_with_users.append(StandIn.made[-1])
        gevent.sleep(0)
        self.environment.events.spawning_complete.fire(user_count=1)
        self.state = STATE_RUNNING

    def stop(self) -> None:
        if self.state == STATE_STOPPED:
            return
        self.environment.events.test_stopping.fire(environment=self.environment)
        self.state = STATE_CLEANUP
        if self._spawning is not None and not self._spawning.ready():
            self._spawning.kill(block=True)
        gevent.sleep(0)
        self.state, self.user_count = STATE_STOPPED, 0
        self.environment.events.test_stop.fire(environment=self.environment)

    def update_state(self, state: str) -> None:
        self.state = state

    def log_exception(self, _node: str, words: str, _traceback: str) -> None:
        self.exceptions.append(words)


class Guest(KafkaAttributes, User):
    @task
    def nothing(self) -> None:
        pass


KINDS = st.sampled_from(["good", "good", "refused option", "no broker"])


class Lifecycle(RuleBasedStateMachine):
    """Locust's local runner with our plugin and its web UI, as a user would drive it."""

    def __init__(self) -> None:
        super().__init__()
        StandIn.made, StandIn.not_ready = [], False

    @initialize(cut=st.booleans(), first=KINDS)
    def begin(self, cut: bool, first: str) -> None:
        self.patch = pytest.MonkeyPatch()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "summary.json"
        for number in range(1, 5):
            self.path_of_number(number).write_text("of an earlier process")
        self.patch.setattr(plugin_module, "Run", StandIn)
        self.options = argparse.Namespace(kafka_summary=str(self.path), headless=False, kafka_rate=None)
        self.environment = Environment(user_classes=[Guest], events=Events(), parsed_options=self.options)
        self.runner = self.environment.runner = Local(self.environment)  # type: ignore[assignment]
        self.environment.web_ui = object()  # type: ignore[assignment]
        self.plugin = Plugin(self.environment)
        self.written: dict[Path, str] = {}
        self.cut = cut
        self.expected = 0
        self.start(first)

    @property
    def runs(self) -> list[StandIn]:
        return StandIn.made

    def turn(self) -> None:
        for _ in range(30):
            gevent.sleep(0)

    @rule(kind=KINDS)
    def start(self, kind: str) -> None:
        """A start in the web UI; while a run is on, it only changes the number of users."""
        self.options.kafka_rate = "nonsense" if kind == "refused option" else None
        StandIn.not_ready = kind == "no broker"
        fired = self.runner.state not in (STATE_RUNNING, STATE_SPAWNING)
        self.expected += fired and (not self.runs or self.runs[-1].ending)
        self.runner.start()
        self.turn()
        assert len(self.runs) == self.expected

    @rule()
    def stop(self) -> None:
        gevent.spawn(self.runner.stop)
        self.turn()

    @rule(kind=KINDS)
    def start_in_a_drain(self, kind: str) -> None:
        """A stop and a start right after it: the new run must wait for the old one's drain."""
        self.stop()
        self.start(kind)

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 3))
    def drained(self, which: int) -> None:
        """The drain of one of the last runs comes to its end, as soon as it has begun."""
        self.runs[-1 - which % len(self.runs)].gate.set()
        self.turn()

    @precondition(lambda self: any(run.was_open and not run.closed for run in self.runs))
    @rule()
    def fail(self) -> None:
        """The oldest run that is not over loses its consumer, while it is open or while it drains."""
        next(run for run in self.runs if run.was_open and not run.closed).fail("no replies")
        self.turn()

    @precondition(lambda self: any(run.was_open and not run.closed for run in self.runs))
    @rule()
    def unbalanced(self) -> None:
        run = next(run for run in self.runs if run.was_open and not run.closed)
        run.results.invalid.append("the books do not balance")

    def quit(self) -> None:
        """Ctrl-C, and perhaps a second one while it drains: the last thing in each life."""
        quitting = gevent.spawn(self.environment.events.quitting.fire, environment=self.environment, reverse=True)
        self.turn()
        if self.cut:
            left = [run for run in self.runs[-1:] if run.was_open and not run.gate.is_set()]
            self.environment.events.quitting.fire(environment=self.environment, reverse=True)
            assert all(run.gate.is_set() for run in left), "a second Ctrl-C must not be waited out"
        while not quitting.ready():
            for run in self.runs:
                run.gate.set()
            self.turn()
        self.turn()
        assert all(run.closed for run in self.runs[-1:])
        assert self.environment.process_exit_code == (self.runs[-1].exit_code if self.runs else None)
        for run in self.runs:
            assert run.finishes <= 1
            if run.was_open:
                assert self.path_of_number(run.number).is_file(), f"run {run.number} was never concluded"

    def path_of_number(self, number: int) -> Path:
        return self.path if number == 1 else self.path.with_name(f"summary-{number}.json")

    @invariant()
    def each_summary_is_its_runs_own(self) -> None:
        """Written once, where its number says, with its own figures, after its end; and never touched again."""
        if not hasattr(self, "path"):
            return
        for run in self.runs:
            path = self.path_of_number(run.number)
            if not path.exists():  # an older one was removed when this run began, even if it could not go on
                continue
            text = path.read_text()
            assert self.written.setdefault(path, text) == text, "a summary was written twice"
            assert run.closed
            assert run.was_open
            assert json.loads(text)["requests"]["registered"] == run.number
            assert json.loads(text)["invalid"] == run.results.invalid

    @invariant()
    def only_one_run_is_on(self) -> None:
        """And its rows are Locust's: those of the runs before are disconnected."""
        if not hasattr(self, "path"):
            return
        assert sum(run.is_open for run in self.runs) <= 1
        assert all(run.closed for run in self.runs[:-2])
        assert [run.recorder.rows.disconnected for run in self.runs] == [True] * (len(self.runs) - 1) + [False] * bool(
            self.runs
        )

    @invariant()
    def no_user_without_a_run(self) -> None:
        """Whoever was refused has no users: they would send without a run."""
        if hasattr(self, "path"):
            assert all(run.refusal is None for run in self.runner.runs_with_users)
            assert self.runner.user_count <= len(self.runs)

    def teardown(self) -> None:
        if not hasattr(self, "path"):
            return
        try:
            self.quit()
            self.each_summary_is_its_runs_own()
        finally:
            atexit.unregister(self.plugin._at_exit)
            self.patch.undo()
            self.folder.cleanup()


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)


def test_a_failure_in_a_drain_is_not_the_next_runs() -> None:
    """The next run was begun meanwhile, and goes well: it is not stopped, and the process ends with its code."""
    life = Lifecycle()
    life.begin(cut=False, first="good")
    life.start_in_a_drain(kind="good")
    life.fail()
    assert life.runner.state == STATE_RUNNING
    assert [run.was_open for run in life.runs] == [True, True]
    life.teardown()
    assert life.environment.process_exit_code is None


def test_a_second_interrupt_cuts_the_drain_short() -> None:
    """What is pending is UNFINISHED, and the exit code says so."""
    life = Lifecycle()
    life.begin(cut=True, first="good")
    life.teardown()
    assert life.environment.process_exit_code == EXIT_CUT_SHORT


class WorkerOfLocust(StubWorker, WorkerRunner):  # type: ignore[misc] # the stand-in goes first
    """So that the plugin takes it for a worker's runner."""

    def __del__(self) -> None:
        pass


def test_a_workers_failure_is_that_of_its_own_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that fails in its drain is named by its own id, which the master of the next run passes over."""
    StandIn.made, StandIn.not_ready = [], False
    monkeypatch.setattr(plugin_module, "Run", StandIn)
    options = argparse.Namespace(kafka_run_id="first", kafka_workers=["a", "b", "me", "z"])
    environment = Environment(user_classes=[Guest], events=Events(), parsed_options=options)
    runner = WorkerOfLocust()
    runner.client_id = "me"
    environment.runner = runner
    plugin = Plugin(environment)
    environment.events.test_start.fire(environment=environment)
    first = StandIn.made[0]
    assert (first.spec.share, first.spec.plans_itself) == (Share(2, 4), False)
    first.ending = True
    options.kafka_run_id = "second"
    starting = gevent.spawn(environment.events.test_start.fire, environment=environment)
    gevent.sleep(0)
    first.fail("no replies")
    starting.get(timeout=10)
    assert runner.done == [m.Opened("first"), m.Failed("first", "no replies", True), m.Opened("second")]
    data: dict[str, Any] = {}
    environment.events.report_to_master.fire(client_id="w", data=data)
    assert m.Report.from_wire(data[m.Report.type]).run == "second"
    assert m.Seconds.from_wire(data[m.Seconds.type]).seconds == [Second(1).to_wire()]
    for run in StandIn.made:
        run.gate.set()
    environment.events.quitting.fire(environment=environment, reverse=True)
    atexit.unregister(plugin._at_exit)


def ending(tmp_path: Path, run: int, *, is_worker: bool = False) -> Ending:
    given = {"kafka_summary": Given(str(tmp_path / "s.json"), "--kafka-summary")}
    return Ending(parse(given), run, is_worker=is_worker)


def test_the_summary_of_an_earlier_process_is_removed(tmp_path: Path) -> None:
    """A run that cannot begin leaves no older summary to be taken for its own; a worker leaves that to its master."""
    old = tmp_path / "s.json"
    old.write_text("old")
    ending(tmp_path, 0)  # before the first run: nothing is begun yet
    ending(tmp_path, 1, is_worker=True)
    assert old.exists()
    ending(tmp_path, 1).fail(NotReady("no broker"))
    assert not old.exists()


def test_a_run_leaves_no_older_report(tmp_path: Path) -> None:
    """A run that cannot begin must not leave an earlier run's report for its own; what is not ours stays."""
    for name in ("summary.json", "report.html", "junit.xml", "history.csv", "percentiles.hgrm", "notes.txt"):
        (tmp_path / name).write_text("of an earlier run")
    settings = parse({"kafka_report": Given(str(tmp_path), "--kafka-report")})
    Ending(settings, 0, is_worker=False)
    Ending(settings, 1, is_worker=True)
    assert len(list(tmp_path.iterdir())) == 6
    Ending(settings, 1, is_worker=False).fail(NotReady("no broker"))
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_is_concluded_once(tmp_path: Path) -> None:
    """A stop and a quit both tell of the end: one summary, one verdict."""
    one = ending(tmp_path, 1)
    results = results_of([("a", Outcome.MATCHED)])
    one.conclude(results, [], show=False)
    (tmp_path / "s.json").unlink()
    one.conclude(results, [], show=False)
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    ("fates", "invalid", "failure", "code"),
    [
        ([Outcome.MATCHED], [], None, 0),
        ([Outcome.TIMED_OUT], [], None, 0),  # Locust's own rule decides
        ([Outcome.UNFINISHED], [], None, EXIT_CUT_SHORT),
        ([Outcome.UNFINISHED], ["deaf"], None, EXIT_INVALID),
        ([Outcome.MATCHED], [], RunInvalid("deaf"), EXIT_INVALID),
        ([], [], NotReady("no broker"), EXIT_NOT_STARTED),
        ([Outcome.UNFINISHED], ["deaf"], NotReady("no broker"), EXIT_NOT_STARTED),
    ],
)
def test_the_worst_decides_the_exit_code(
    tmp_path: Path, fates: list[Outcome], invalid: list[str], failure: KafkaPluginError | None, code: int
) -> None:
    """Not started goes before invalid, invalid before cut short, and whatever is well leaves it to Locust."""
    one, results = ending(tmp_path, 1), results_of([("a", fate) for fate in fates])
    results.invalid += invalid
    if failure is not None:
        one.fail(failure)
    one.conclude(results, [], show=False)
    assert one.exit_code == code


def test_a_summary_that_cannot_be_written_is_no_success(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its folder is gone: a script would read no file, or an older one, so the exit code says it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    one = ending(folder, 1)
    folder.rmdir()
    one.conclude(RunResults(), [], show=False)
    assert one.exit_code == EXIT_INVALID
    assert "could not be written" in caplog.text


def test_a_worker_judges_nothing(tmp_path: Path) -> None:
    """The master speaks for all: a worker writes no summary and has no exit code of its own."""
    one = ending(tmp_path, 1, is_worker=True)
    results = RunResults()
    results.invalid.append("deaf")
    one.conclude(results, [], show=True)
    assert not one.exit_code
    assert not list(tmp_path.iterdir())


def test_files_are_numbered_by_run_and_by_worker(tmp_path: Path) -> None:
    """Two runs of a process, or two workers of a run, never write one file."""
    given = {"kafka_exchange_log": Given(str(tmp_path / "x.csv.gz"), "--kafka-exchange-log")}
    paths = [
        Ending(parse(given), run, is_worker=worker is not None).log_path(worker)
        for run in (1, 2, 3)
        for worker in (None, 0, 1)
    ]
    assert len(set(paths)) == len(paths)
    assert paths[0] == str(tmp_path / "x.csv.gz")
    assert all(path.endswith(".csv.gz") for path in paths)
