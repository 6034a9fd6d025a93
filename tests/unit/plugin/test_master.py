"""The master's side, with stand-ins for its workers: the end always comes, and the sum is the sum."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.counters import Counters
from locust_kafka.core.history import Second
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Stage
from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid
from locust_kafka.kafka.pool import WARM_NS
from locust_kafka.plugin import master as master_module
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.master import ASK_EVERY_S, CUT_PATIENCE_S, GONE_S, SILENT_S, MasterSide
from tests.unit.plugin.runners import FATES, Clock, ClockedEvent, Fate, StubMaster, let_greenlets_run, results_of

LOOK_S = 0.2
"""How often the master looks, when it hears nothing."""
WORKERS = ("w0", "w1", "w2")


class Master:
    """A master's side whose time passes only while it waits."""

    def __init__(self, clock: Clock, stages: tuple[Stage, ...] | None = None) -> None:
        self.clock = clock
        self.runner = StubMaster(self.clock)
        self.failures: list[KafkaPluginError] = []
        self.side = MasterSide(self.runner, self.failures.append)  # type: ignore[arg-type]
        self.side._changed = ClockedEvent(self.clock)
        self.options: dict[str, Any] = {}
        self.stages = stages
        self.begin()

    def begin(self) -> None:
        self.side.begin(self.options, self.stages, frozenset({"Guest"}))

    @property
    def run(self) -> str:
        return self.side.run_id

    def close(self) -> None:
        for greenlet in (self.side._splitter, self.side._finisher):
            if greenlet is not None:
                greenlet.kill()

    def report(self, worker: str, fates: list[Fate], **changed: Any) -> None:
        wire = m.Report(self.run, results_of(fates).to_wire(latencies=False)).to_wire()
        self.runner.hear_report(worker, {**wire, **changed})

    def finished(self, worker: str, fates: list[Fate] | None, **changed: Any) -> None:
        results = None if fates is None else results_of(fates).to_wire()
        self.runner.hear(worker, {**m.Finished(self.run, results).to_wire(), **changed}, m.Finished.type)

    def conclude(self) -> RunResults:
        """The sum at the end; it fails when there is none."""
        found = self.side.finish()
        self.side.run_finished()
        assert found is not None, "a run that was begun ended without results"
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return clocked(monkeypatch)


def clocked(patch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    patch.setattr(master_module, "time", clock)
    patch.setattr(master_module, "perf_counter_ns", clock.ns)
    return clock


@pytest.fixture
def master(clock: Clock) -> Iterator[Master]:
    master = Master(clock)
    yield master
    master.close()


# What a worker does, and how many seconds after the master asked for the end.
DEEDS = st.one_of(
    st.tuples(st.just("report"), FATES),
    st.tuples(st.just("finished"), FATES),
    st.tuples(st.just("finished twice"), FATES),
    st.tuples(st.just("never had this run"), st.none()),
    st.tuples(st.just("finishing"), st.none()),
    st.tuples(st.just("opened"), st.none()),
    st.tuples(st.just("of another run"), FATES),
    st.tuples(st.just("of another version"), FATES),
    st.tuples(st.just("missed"), st.none()),
    st.tuples(st.just("joins"), st.none()),
    st.tuples(st.just("removed"), st.none()),
)
INSTANTS = st.sampled_from([-1.0, 0.1, 1.0, 2.5, 5.9, 6.5, 20.0, 29.0, 31.0])
SCRIPTS = st.dictionaries(
    st.sampled_from(WORKERS),
    st.tuples(st.sampled_from([-2.0, -2.0, 0.05, 4.0]), st.lists(st.tuples(INSTANTS, DEEDS), max_size=5)),
    min_size=1,
)
"""For each worker: when it joins, and what it does when."""


class Theatre:
    """Plays a script of what workers do, and remembers what the master must have heard."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.last: dict[str, list[Fate] | None] = {}
        self.finished: set[str] = set()
        self.heard_s: dict[str, float] = {}
        self.missed: set[str] = set()
        self.opened: set[str] = set()

    def play(self, worker: str, deed: str, fates: list[Fate] | None) -> None:
        master, runner = self.master, self.master.runner
        known = worker in runner.clients
        if deed == "joins":
            runner.join(worker, Guest=1)
        elif not known:
            return  # Locust hands nothing on of a worker that it does not know
        elif deed == "missed":
            runner.miss(worker)
            self.missed.add(worker)
        elif deed == "removed":
            del runner.clients[worker]
            self.missed.add(worker)
        elif deed == "of another run":
            master.finished(worker, fates, run="another")
            master.report(worker, fates or [], run="another")
        elif deed == "of another version":
            master.finished(worker, fates, version=m.VERSION + 1)
        else:
            self._speak(worker, deed, fates)

    def _speak(self, worker: str, deed: str, fates: list[Fate] | None) -> None:
        master = self.master
        if deed == "report" and worker in self.finished:
            master.report(worker, fates or [])  # after the last word: it is not looked at
            return
        self.heard_s[worker] = master.clock.now_s
        if deed == "report":
            self.last[worker] = fates
            master.report(worker, fates or [])
        elif deed in ("finished", "finished twice", "never had this run"):
            for _ in range(1 + (deed == "finished twice")):
                master.finished(worker, fates)
            self.last[worker] = fates
            self.finished.add(worker)
        elif deed == "opened":
            self.opened.add(worker)
            master.runner.hear(worker, m.Opened(master.run))
        else:
            self.opened.add(worker)
            master.runner.hear(worker, m.Finishing(master.run))


def counts(fates: list[Fate]) -> Counter[str]:
    return Counter("pending" if outcome is None else outcome.name for _name, outcome in fates)


@settings(max_examples=400)
@given(SCRIPTS, st.none() | st.sampled_from([0.0, 0.1, 3.0, 12.0]))
def test_the_end_always_comes_and_the_sum_is_the_sum(
    scripts: dict[str, tuple[float, list[tuple[float, tuple[str, Any]]]]], cut_after_s: float | None
) -> None:
    """Whatever workers do, the master ends in bounded time, and counts each one's last word once, pending as LOST."""
    with pytest.MonkeyPatch.context() as patch:
        clock = clocked(patch)
        master = Master(clock)
        theatre, began_s = Theatre(master), clock.now_s
        for worker, (joins_after_s, deeds) in scripts.items():
            for after_s, (deed, fates) in [(joins_after_s, ("joins", None)), *sorted(deeds, key=lambda one: one[0])]:
                act = (worker, deed, fates)
                if after_s < 0:
                    theatre.play(*act)
                else:
                    clock.at(began_s + after_s, lambda act=act: theatre.play(*act))  # type: ignore[misc]
        if cut_after_s is not None:
            clock.at(began_s + cut_after_s, master.side.cut)
        found = master.conclude()
        ended_s = clock.now_s
        master.close()

    expected: Counter[str] = Counter()
    for worker, fates in theatre.last.items():
        counted = counts(fates or [])
        if worker not in theatre.finished:
            counted[Outcome.LOST.name] = counted.pop("pending", 0)
        expected += counted
    total = found.total
    measured = Counter({outcome.name: total.outcomes[outcome] for outcome in Outcome}) + Counter(pending=total.pending)
    assert measured == expected
    assert total.registered == sum(expected.values())
    for name in ("a", "b"):
        of_name = sum(fate[0] == name for fates in theatre.last.values() for fate in fates or [])
        assert (found.names[name].books.registered if name in found.names else 0) == of_name
    # Nobody is waited for longer than he may be silent, and nobody is given up earlier.
    last_word_s = max([began_s, *theatre.heard_s.values()])
    assert ended_s <= last_word_s + SILENT_S + 2 * LOOK_S
    if cut_after_s is not None:
        assert ended_s <= max(began_s + cut_after_s + CUT_PATIENCE_S, last_word_s) + 2 * LOOK_S
    for worker in set(theatre.last) | theatre.opened:
        if worker not in theatre.finished and cut_after_s is None:
            silent_s = ended_s - max(began_s, theatre.heard_s[worker])
            assert silent_s >= (GONE_S if worker in theatre.missed else SILENT_S) - 1e-6
    if any(worker not in theatre.finished for worker in theatre.last):
        assert any("without a last report" in sentence for sentence in found.invalid)


@given(FATES, FATES)
def test_a_dead_workers_pending_is_lost_exactly(dead: list[Fate], alive: list[Fate]) -> None:
    """What a worker had pending in its last report is LOST in the total and by name, and all else stays as it was."""
    with pytest.MonkeyPatch.context() as patch:
        master = Master(clocked(patch))
        for worker in ("dead", "alive"):
            master.runner.join(worker, Guest=1)
            master.report(worker, [("a", None)])
        master.report("dead", dead)
        master.runner.miss("dead")
        ended = [(name, outcome or Outcome.MATCHED) for name, outcome in alive]
        master.finished("alive", ended)  # type: ignore[arg-type]
        found = master.conclude()
        master.close()
    lost = counts(dead)["pending"]
    assert found.total.outcomes[Outcome.LOST] == lost
    assert sum(one.books.outcomes[Outcome.LOST] for one in found.names.values()) == lost
    assert found.total.registered == len(dead) + len(alive)
    assert found.balanced(closed=True)
    assert found.invalid == [
        f"worker dead ended without a last report: {lost} pending requests are LOST"
    ]  # what it did is known, and it is said


def test_a_missing_worker_is_given_up_after_seconds_and_a_silent_one_later(master: Master) -> None:
    """6 s of silence are enough of one that Locust misses; 30 s of one whose heartbeats still come."""
    master.runner.join("w0", Guest=1)
    master.report("w0", [("a", None)])
    master.runner.miss("w0")
    began_s = master.clock.now_s
    master.conclude()
    assert GONE_S <= master.clock.now_s - began_s <= GONE_S + 2 * LOOK_S
    master.begin()
    master.runner.join("w0", Guest=1)
    master.report("w0", [("a", None)])
    began_s = master.clock.now_s
    assert master.conclude().total.outcomes[Outcome.LOST] == 1
    assert SILENT_S <= master.clock.now_s - began_s <= SILENT_S + 2 * LOOK_S


def test_a_worker_that_says_that_it_drains_is_waited_for(master: Master) -> None:
    """A drain of ten minutes is no silence: each word counts, and the results come at its end."""
    clock, began_s = master.clock, master.clock.now_s
    master.runner.join("w0", Guest=1)
    master.report("w0", [("a", None)])
    for second in range(1, 600):
        clock.at(began_s + second, lambda: master.runner.hear("w0", m.Finishing(master.run)))
    clock.at(began_s + 600, lambda: master.finished("w0", [("a", Outcome.MATCHED)]))
    found = master.conclude()
    assert clock.now_s - began_s == pytest.approx(600, abs=2 * LOOK_S)
    assert found.total.outcomes[Outcome.MATCHED] == 1
    assert not found.invalid


def test_the_end_is_asked_for_again(master: Master) -> None:
    """A worker that missed the question gets it every two seconds until it answers; who has answered is left alone."""
    master.runner.join("deaf", Guest=1)
    master.runner.join("quick", Guest=1)
    for worker in ("deaf", "quick"):
        master.report(worker, [])
    master.runner.answers["quick"] = lambda _nth: master.finished("quick", [])
    master.runner.answers["deaf"] = lambda nth: master.finished("deaf", []) if nth == 4 else None
    found = master.conclude()
    asked_s = [at for at, to, kind, _ in master.runner.sent if to == "deaf" and kind == m.Finish.type]
    assert len(asked_s) == 4
    gaps = [after - before for before, after in itertools.pairwise(asked_s)]
    assert all(ASK_EVERY_S <= gap <= ASK_EVERY_S + 2 * LOOK_S for gap in gaps)
    assert master.runner.sent_to("quick", m.Finish) == [m.Finish(master.run, False)]
    assert not found.invalid


def test_a_cut_late_in_a_drain_lets_the_workers_answer(master: Master) -> None:
    """A second Ctrl-C is told at once, and its answers are waited for, however long the drain has lasted before."""
    clock, began_s = master.clock, master.clock.now_s
    master.runner.join("w0", Guest=1)
    master.report("w0", [("a", None)])
    for second in range(1, 100):
        clock.at(began_s + second, lambda: master.runner.hear("w0", m.Finishing(master.run)))
    clock.at(began_s + 20, master.side.cut)
    clock.at(began_s + 21.5, lambda: master.finished("w0", [("a", Outcome.UNFINISHED)]))
    found = master.conclude()
    assert m.Finish(master.run, True) in master.runner.sent_to("w0", m.Finish)
    assert found.total.outcomes[Outcome.UNFINISHED] == 1
    assert not found.invalid
    assert clock.now_s - began_s < 22


def test_a_third_interrupt_does_not_make_it_longer(master: Master) -> None:
    """However often it is cut, the master waits a few seconds from the first cut on."""
    clock, began_s = master.clock, master.clock.now_s
    master.runner.join("w0", Guest=1)
    master.report("w0", [("a", None)])
    for second in range(10, 100):
        clock.at(began_s + second, master.side.cut)
    assert master.conclude().total.outcomes[Outcome.LOST] == 1
    assert clock.now_s - began_s <= 10 + CUT_PATIENCE_S + 2 * LOOK_S


def test_a_worker_that_is_heard_of_in_the_drain_is_counted(master: Master) -> None:
    """It was slow to open, or away for a moment: it is asked too, and its results belong to the sum."""
    master.runner.join("w0", Guest=1)
    master.report("w0", [])
    master.runner.answers["w0"] = lambda nth: master.finished("w0", [("a", Outcome.MATCHED)]) if nth == 3 else None
    master.runner.join("late", Guest=1)
    master.runner.miss("late")

    def come_back() -> None:
        master.runner.join("late", Guest=1)
        master.runner.hear("late", m.Opened(master.run))

    master.runner.answers["late"] = lambda _nth: master.finished("late", [("b", Outcome.MATCHED)])
    master.clock.at(master.clock.now_s + 1, come_back)
    found = master.conclude()
    assert found.total.outcomes[Outcome.MATCHED] == 2
    assert set(found.names) == {"a", "b"}
    assert not found.invalid


def test_a_worker_that_never_had_the_run_is_no_loss(master: Master) -> None:
    """It joined late or had no users: it says so by its answer, and nothing is missing."""
    master.runner.join("idle", Guest=0)
    master.runner.answers["idle"] = lambda _nth: master.finished("idle", None)
    began_s = master.clock.now_s
    found = master.conclude()
    assert master.clock.now_s - began_s <= 2 * LOOK_S
    assert not found.invalid
    assert not found.total.registered


def test_a_worker_of_whom_nothing_is_known_makes_the_run_invalid(master: Master) -> None:
    """It said that its users may send, and then nothing: what it did is not known."""
    master.runner.join("w0", Guest=1)
    master.runner.hear("w0", m.Opened(master.run))
    del master.runner.clients["w0"]
    assert master.conclude().invalid == ["worker w0 ended without any report: what it did is not known"]


def test_another_runs_messages_do_not_count(master: Master) -> None:
    """Answers, reports, refusals and openings of an earlier run change nothing, neither the sum nor who is awaited."""
    before = master.run
    master.runner.join("w0", Guest=1)
    master.finished("w0", [("a", Outcome.MATCHED)])
    master.conclude()
    master.begin()
    assert master.run != before
    master.finished("w0", [("a", Outcome.MATCHED)], run=before)
    master.report("w0", [("a", Outcome.MATCHED)], run=before)
    master.runner.hear("w0", m.Failed(before, "too late", True))
    master.runner.hear("w0", m.Opened(before))
    assert not master.side.results().total.registered
    assert not master.failures
    master.runner.answers["w0"] = lambda _nth: master.finished("w0", [("b", Outcome.TIMED_OUT)])
    found = master.conclude()
    assert (found.total.registered, found.total.outcomes[Outcome.TIMED_OUT]) == (1, 1)


def test_another_versions_messages_are_refused_in_a_sentence(master: Master, caplog: pytest.LogCaptureFixture) -> None:
    """A worker with another version of the plugin is named, in the log and in the results, and never counted."""
    master.runner.join("old", Guest=1)
    master.finished("old", [("a", Outcome.MATCHED)], version=m.VERSION + 1)
    assert "a message of worker 'old' is passed over: kafka_finished: not of version 1" in caplog.text
    master.report("old", [("a", Outcome.MATCHED)], version=m.VERSION + 1)
    found = master.conclude()
    assert not found.total.registered
    assert "worker old sent a report that cannot be read: see its version" in found.invalid
    assert "worker old ended without any report: what it did is not known" in found.invalid


@given(st.sampled_from(sorted(RunResults().to_wire())), st.sampled_from(["text", 5, None, {"a": 1}, [1], [["a"]]]))
def test_results_of_a_strange_form_never_lose_the_run(field: str, value: Any) -> None:
    """A report whose numbers are no numbers is the report's fault: the others are summed, and the run is invalid."""
    with pytest.MonkeyPatch.context() as patch:
        master = Master(clocked(patch))
        wire = {**results_of([("a", Outcome.MATCHED)]).to_wire(), field: value}
        master.runner.join("odd", Guest=1)
        master.runner.join("w0", Guest=1)
        master.finished("w0", [("b", Outcome.MATCHED)])
        master.runner.hear("odd", m.Finished(master.run, wire))
        master.side.results()  # for Prometheus
        found = master.conclude()
        master.close()
    assert found.names["b"].books.outcomes[Outcome.MATCHED] == 1
    readable = "worker odd sent a report that cannot be read: see its version" not in found.invalid
    assert readable == ("a" in found.names)


def test_a_worker_that_cannot_begin_is_told_once(master: Master) -> None:
    """The first refusal stops the run, in the worker's own sentence; the other workers' are the same."""
    master.runner.hear("w0", m.Failed(master.run, "no broker", False))
    master.runner.hear("w1", m.Failed(master.run, "no broker", False))
    assert [(type(error), str(error)) for error in master.failures] == [(NotReady, "worker w0: no broker")]
    assert master.side.finish() is None  # nothing was sent: there are no results to judge
    master.side.run_finished()
    master.begin()
    master.runner.hear("w0", m.Failed(master.run, "deaf", True))
    assert [type(error) for error in master.failures] == [NotReady, RunInvalid]


def test_results_are_given_once_and_the_next_run_waits_for_them(master: Master) -> None:
    """A second stop gives nothing, and a start in the drain waits until the results were reported."""
    first = master.run
    master.runner.join("w0", Guest=1)
    master.runner.hear("w0", m.Opened(first))
    starting = gevent.spawn(master.begin)
    let_greenlets_run()
    assert not starting.ready()
    assert master.run == first
    master.runner.answers["w0"] = lambda _nth: master.finished("w0", [("a", Outcome.MATCHED)])
    assert master.side.finish() is not None
    assert master.side.finish() is None
    let_greenlets_run()
    assert not starting.ready()  # until it has been reported
    master.side.run_finished()
    starting.get(timeout=5)
    assert master.options["kafka_run_id"] == master.run != first
    assert not master.side.results().total.registered


USERS = st.dictionaries(st.sampled_from(WORKERS), st.integers(0, 50), min_size=1)


@given(USERS, USERS)
def test_shares_are_by_kafka_users_and_add_up(first: dict[str, int], then: dict[str, int]) -> None:
    """Whoever joins, leaves or gets more users: the shares in force add up to 1, each by its Kafka users alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(master_module, "SPLIT_EVERY_S", 0)
        master = Master(clocked(patch), (Stage(40, 40, 0),))
        for worker, count in first.items():
            master.runner.join(worker, Guest=count, HttpUser=7)
            master.runner.hear(worker, m.Opened(master.run))
        let_greenlets_run()
        assert_shares(master, first)
        for worker in first.keys() - then.keys():
            master.runner.miss(worker)
        for worker, count in then.items():
            master.runner.join(worker, Guest=count, HttpUser=1)
            master.runner.hear(worker, m.Opened(master.run))
        let_greenlets_run()
        assert_shares(master, then)
        master.close()


def assert_shares(master: Master, users: dict[str, int]) -> None:
    in_force: dict[str, float] = {}
    for _at, worker, kind, data in master.runner.sent:
        if kind in (m.BeginPlan.type, m.SetShare.type):
            in_force[worker] = data["share"]
    total = sum(users.values())
    for worker, count in users.items():
        assert in_force[worker] == pytest.approx(count / total if total else 1 / len(users))
    assert sum(in_force[worker] for worker in users) == pytest.approx(1)
    assert len(master.runner.sent_to(next(iter(users)), m.BeginPlan)) >= 1


def due_by(stages: list[list[float]] | tuple[Stage, ...], now_s: float) -> float:
    """The area under the rate, stage by stage: how many arrivals are to have come."""
    area, now_s = 0.0, max(0.0, now_s)
    for low, high, seconds in stages:
        if not seconds:
            break
        inside = min(now_s, seconds)
        area += (low + low + (high - low) * inside / seconds) / 2 * inside
        now_s -= inside
    return area + stages[-1][1] * now_s


RATES = st.integers(0, 200).map(float)


@given(
    st.lists(st.builds(Stage, RATES, RATES, st.integers(1, 9).map(float)), min_size=1, max_size=3),
    st.floats(0, 30), st.none() | RATES, st.floats(0, 30),
)  # fmt: skip
def test_a_late_worker_follows_the_one_plan(
    stages: list[Stage], joins_after_s: float, new_rate: float | None, looks_after_s: float
) -> None:
    """Whenever it joins, what is due from then on is what the master's plan says, not a plan begun anew."""
    with pytest.MonkeyPatch.context() as patch:
        clock = clocked(patch)
        master = Master(clock, tuple(stages))
        start_s = clock.now_s + WARM_NS / 1e9
        master.runner.join("early", Guest=1)
        master.runner.hear("early", m.Opened(master.run))
        master.runner.join("late", Guest=1)
        clock.now_s += joins_after_s
        joined_s = clock.now_s
        plan: list[Any] = [*stages, Stage(stages[-1].high, stages[-1].high, 0)]
        offset = 0.0
        if new_rate is not None:
            master.side.set_rate(new_rate)
            offset = due_by(plan, joined_s - start_s)
            plan, start_s = [Stage(new_rate, new_rate, 0)], max(joined_s, start_s)
        master.runner.hear("late", m.Opened(master.run))
        master.runner.hear("late", m.Opened(master.run))  # twice: it asks for the same plan
        master.close()
    sent = master.runner.sent_to("late", m.BeginPlan)
    begun_s = joined_s + sent[0].delay_s
    assert begun_s == pytest.approx(max(joined_s, start_s), abs=1e-6)
    at_s = begun_s + looks_after_s
    wanted = due_by(plan, at_s - start_s) - due_by(plan, begun_s - start_s)
    assert due_by(sent[0].stages, looks_after_s) == pytest.approx(wanted, rel=1e-6, abs=1e-3)
    assert sent[0].share == 0.0  # until the rate is divided again: before that, the others have all of it
    assert [stage.high for stage in sent[1].plan()] == [stage.high for stage in sent[0].plan()]
    if new_rate is not None:
        assert master.runner.sent_to("early", m.SetRate) == [m.SetRate(master.run, new_rate)]
    assert offset >= 0


def test_a_rate_that_a_worker_asks_for_holds_for_all(master: Master) -> None:
    """In a closed model it begins the plan for everybody who is there, in equal turns; later it changes it."""
    for worker in WORKERS:
        master.runner.join(worker, Guest=1)
        master.runner.hear(worker, m.Opened(master.run))
        assert not master.runner.sent_to(worker, m.BeginPlan)  # closed model
    master.runner.hear("w1", m.SetRate(master.run, 30.0))
    plans = [master.runner.sent_to(worker, m.BeginPlan) for worker in WORKERS]
    assert [len(sent) for sent in plans] == [1, 1, 1]
    assert sorted(sent[0].phase for sent in plans) == pytest.approx([0, 1 / 3, 2 / 3])
    master.runner.hear("w1", m.SetRate(master.run, 60.0))
    assert [master.runner.sent_to(worker, m.SetRate) for worker in WORKERS] == [[m.SetRate(master.run, 60.0)]] * 3


def test_nobody_is_told_who_is_not_there(master: Master) -> None:
    """Locust has removed a worker that died: nothing is sent to it, and the others are told."""
    for worker in ("w0", "gone"):
        master.runner.join(worker, Guest=1)
        master.runner.hear(worker, m.Opened(master.run))
    del master.runner.clients["gone"]
    master.side.reset("now")
    assert [to for _at, to, kind, _ in master.runner.sent if kind == m.Reset.type] == ["w0"]


def test_a_worker_with_a_long_story_is_cut_short(master: Master, caplog: pytest.LogCaptureFixture) -> None:
    """A sentence that a worker sends is bounded at the master too, whatever it sent."""
    caplog.set_level(logging.WARNING)
    master.runner.hear("w0", m.Failed(master.run, "x" * 10 * m.MAX_WORDS, False))
    assert len(str(master.failures[0])) <= m.MAX_WORDS + 50
    master.runner.hear("w0", {**m.Opened("x").to_wire(), "run": ["y"] * 10_000}, m.Opened.type)
    assert all(len(record.getMessage()) < m.MAX_WORDS + 200 for record in caplog.records)


def test_a_stop_without_a_run_gives_nothing(clock: Clock) -> None:
    """Before the first run there is nothing to drain, nothing to wait for, and no results."""
    side = MasterSide(StubMaster(clock), lambda _error: None)  # type: ignore[arg-type]
    assert side.finish() is None
    assert not side.run_id


def test_the_table_of_workers_says_how_each_is(master: Master) -> None:
    """Rate, pending and core of its last second, why it failed, and whether it is gone; another run's is passed over."""
    for worker in ("w1", "w2"):
        master.runner.join(worker)
    second = Second(100, 2.0, Counters(registered=50), pending=3, users=7, hub_lag_ns=4_000_000, hub_core=0.25)
    wire = m.Seconds(master.run, [replace(second, at_s=99, pending=9).to_wire(), second.to_wire()]).to_wire()
    master.runner.hear_report("w1", wire, m.Seconds.type)
    master.runner.hear_report("w2", {**wire, "run": "another"}, m.Seconds.type)
    master.runner.hear("w2", m.Failed(master.run, "no such topic", invalid=False).to_wire(), m.Failed.type)
    one, two = master.side.seconds.table()
    assert one["reported_s"] >= 0
    assert {**one, "reported_s": 0} == {
        "name": "w1", "state": "running", "users": 7, "rate": 25.0, "pending": 3, "hub_core": 0.25, "hub_lag_ms": 4.0,
        "reported_s": 0, "failure": "",
    }  # fmt: skip
    assert (two["rate"], two["reported_s"], two["failure"]) == (0.0, None, "no such topic")
    del master.runner.clients["w1"]
    assert [row["state"] for row in master.side.seconds.table()] == ["gone", "running"]
    master.side.finish()
    master.side.run_finished()
    master.begin()
    assert all(row["reported_s"] is None and not row["failure"] for row in master.side.seconds.table())
