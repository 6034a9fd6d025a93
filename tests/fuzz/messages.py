"""Parsers of what other processes say: workers to the master, the master to workers, the child that looks at the lag."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import math
from random import Random
from typing import Any

import msgpack  # type: ignore[import-untyped]

from locust_kafka.cli.lag import print_line
from locust_kafka.core.books import Outcome
from locust_kafka.core.counters import Counters
from locust_kafka.core.examples import SLOWEST, Example
from locust_kafka.core.group import GroupTracker
from locust_kafka.core.health import Stall
from locust_kafka.core.history import History, Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Plan
from locust_kafka.errors import KafkaPluginError
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.master import MasterSide
from locust_kafka.plugin.worker import WorkerSide
from locust_kafka.report import console, html, page
from locust_kafka.run.group import GroupFollower
from tests.fuzz import mutate
from tests.fuzz.target import Target
from tests.unit.plugin.runners import Clock, StubMaster, StubRun, StubWorker, results_of
from tests.unit.run.test_group import LOOK, follower

RUN = "1234abcd"


def _results() -> RunResults:
    results = results_of([("a", Outcome.MATCHED), ("b", Outcome.TIMED_OUT), ("a", None)])
    for entry in results.names.values():
        entry.e2e_matched.extend([1_000_000, 2_500_000, 30_000_000])
        entry.service.extend([400_000])
        entry.timed_out.record(10_000_000_000)
    legs = Legs(1, 2, None, 4, 5)
    results.examples.add(Example(SLOWEST, "a", 5_000_000, "ab" * 16, legs, "", (("wait", 500.2),), "q [0] at 1", ""))
    results.note("pauses", 2)
    results.clocks = {"1": (0.25, 0.1)}
    results.load_s, results.duration_s, results.user_s, results.leg_count = 5.0, 6.0, 50.0, 3
    results.health.watched_ns = 5_000_000_000
    results.health.hub.extend([1_000_000, 20_000_000])
    results.health.stalled(Stall(10**18, 20_000_000, "hub"))
    return results


def _second(at_s: int) -> Second:
    series = LatencySeries()
    series.extend([1_000_000, 2_500_000])
    return Second(at_s, 1.0, Counters(3, 2, 1), series, pending=1, users=5, hub_lag_ns=2_000_000, hub_core=0.2)


def _small() -> RunResults:
    """One of few values, so that each of them is changed often."""
    results = results_of([("a", Outcome.MATCHED)])
    results.names["a"].e2e_matched.extend([1_000_000, 30_000_000])
    results.examples.add(Example("late reply", "a", 5_000_000, "ab" * 16, None, "", (("wait", 500.2),)))
    return results


_PARTS = ("total", "names", "arrivals", "examples")
SMALL = {name: value for name, value in _small().to_wire().items() if name in _PARTS}
REST = {name: value for name, value in _small().to_wire().items() if name not in _PARTS}
REPORTS = (_results().to_wire(), _results().to_wire(latencies=False))
SECONDS = [_second(at_s).to_wire() for at_s in (1_700_000_000, 1_700_000_001)]
OF_WORKERS: tuple[m.Message, ...] = (
    m.Opened(RUN), m.Finishing(RUN), m.Finished(RUN, REPORTS[0]), m.Finished(RUN, None), m.Failed(RUN, "no broker", False),
    m.SetRate(RUN, 20.0), m.Report(RUN, REPORTS[1]), m.Seconds(RUN, SECONDS),
)  # fmt: skip
OF_MASTER: tuple[m.Message, ...] = (
    m.BeginPlan(RUN, [[1.0, 20.0, 30.0], [20.0, 20.0, 0.0]], 0.5, 0.25, 0.1), m.SetRate(RUN, 20.0), m.SetShare(RUN, 0.5),
    m.Reset(RUN, "since 12:00"), m.Look(RUN), m.Finish(RUN, False),
)  # fmt: skip
IN_REPORTS = (m.Report.type, m.Seconds.type)


def _packed(value: Any) -> Any:
    """As Locust's transport hands it over; None for what it cannot carry."""
    try:
        return msgpack.loads(msgpack.dumps(value, use_bin_type=True), strict_map_key=False)
    except (OverflowError, ValueError, TypeError, UnicodeEncodeError):
        return None


def _make_report(rng: Random) -> Any:
    if rng.random() < 0.5:
        return _packed({**REST, **plain} if isinstance(plain := mutate.plain(rng, SMALL), dict) else plain)
    return _packed(mutate.plain(rng, rng.choice(REPORTS)))


def _report(_wire: Any, results: RunResults) -> None:
    """A worker's results that are accepted can be added up, shown, written as JSON, and sent again."""
    _show(results)
    assert RunResults.from_wire(results.to_wire()).to_wire() == results.to_wire()


def _show(results: RunResults) -> None:
    total = RunResults()
    total.add(results)
    total.add(results)
    total.judge_generator()
    assert len(total.names) <= 1000 + 1
    shown = page.data(total, [], [], {})
    json.dumps(shown, allow_nan=False)
    html._embedded(shown)
    "\n".join(console.lines(total)).encode()


def _make_seconds(rng: Random) -> Any:
    return _packed(mutate.plain(rng, SECONDS))


def _read_seconds(wire: Any) -> list[Second]:
    return [Second.from_wire(one) for one in wire]


def _seconds(_wire: Any, seconds: list[Second]) -> None:
    """A worker's seconds that are accepted have figures, finite and not negative."""
    history = History()
    for one in seconds:
        history.add(one)
    for row in history.rows():
        json.dumps(list(row), allow_nan=False)
        assert all(0 <= rate < math.inf for rate in (row.achieved_rate, row.offered_rate))
        assert all(number is None or number >= 0 for number in row)


def _make_heard(rng: Random) -> list[tuple[str, Any]]:
    return _heard_of(rng, OF_WORKERS)


def _heard_of(rng: Random, messages: tuple[m.Message, ...]) -> list[tuple[str, Any]]:
    chosen = [rng.choice(messages) for _ in range(rng.randrange(1, 4))]
    return [(one.type, _packed(mutate.plain(rng, one.to_wire()))) for one in chosen]


def _master_hears(heard: list[tuple[str, Any]]) -> tuple[MasterSide, StubMaster, list[KafkaPluginError]]:
    runner, failures = StubMaster(Clock()), list[KafkaPluginError]()
    runner.join("w0", Guest=1)
    side = MasterSide(runner, failures.append)  # type: ignore[arg-type]
    side._splitter = object()  # type: ignore[assignment] # no greenlet: it would wait for ever
    side.begin({}, None, frozenset({"Guest"}))
    side.run_id = RUN
    logging.disable(logging.CRITICAL)
    try:
        for type_, data in heard:
            if type_ in IN_REPORTS:
                # Locust's event swallows what a listener raises: each is called by itself.
                for listener in (side._worker_report, side.seconds._worker_report):
                    listener("w0", {type_: data})
            else:
                runner.hear("w0", data, type_)
    finally:
        logging.disable(logging.NOTSET)
    return side, runner, failures


def _master(_heard: Any, after: tuple[MasterSide, StubMaster, list[KafkaPluginError]]) -> None:
    """Whatever workers say, the master goes on, what it passes on can be understood, and the sum can be shown."""
    side, runner, failures = after
    _show(side.results())
    json.dumps([side.seconds.table(), [list(row) for row in side.seconds.history.rows()]], allow_nan=False)
    for failure in failures:
        assert len(str(failure)) < m.MAX_WORDS + 100
    for _at, _worker, type_, data in runner.sent:
        kinds = {kind.type: kind for kind in m.Message.__subclasses__()}
        kinds[type_].from_wire(_packed(data))  # what the master says, workers understand


class _Host:
    def __init__(self, run: StubRun) -> None:
        self.run, self.since = run, ""

    def worker_run(self) -> Any:
        return self.run

    def reset(self, since: str) -> None:
        self.since = since


def _make_orders(rng: Random) -> list[tuple[str, Any]]:
    return _heard_of(rng, OF_MASTER)


def _worker_hears(heard: list[tuple[str, Any]]) -> tuple[StubRun, _Host]:
    runner, run = StubWorker(), StubRun(RUN)
    run.drained.set()
    host = _Host(run)
    WorkerSide(runner, host)  # type: ignore[arg-type]
    logging.disable(logging.CRITICAL)
    try:
        for type_, data in heard:
            listener, _concurrent = runner._handlers[type_]
            if type_ == m.Finish.type:
                with contextlib.suppress(m.BadMessage):
                    m.Finish.from_wire(data)
            else:
                listener(environment=runner.environment, msg=_Message(data))
    finally:
        logging.disable(logging.NOTSET)
    return run, host


def _worker(_heard: Any, after: tuple[StubRun, _Host]) -> None:
    """Whatever the master says, the worker goes on, and a plan that it takes is one that it can follow."""
    run, host = after
    assert isinstance(host.since, str)
    for told in run.told:
        if isinstance(told, tuple):
            stages, start_ns, share, phase = told
            assert 0 <= share <= 1
            assert 0 <= phase <= 1
            plan, before = Plan(stages, start_ns, share), float("-inf")
            for count in (0.0, 1.0, 1e6):
                at = plan.instant_of(count)
                assert at >= before
                before = at
        else:
            assert 0 <= told < math.inf


@dataclasses.dataclass
class _Message:
    data: Any
    node_id: str = "master"


LINES = (
    json.dumps({"group": "waiters"}), json.dumps(LOOK), json.dumps({**LOOK, "members": {"a": ["q[0]"], "b": []}, "lag": None}),
    json.dumps({"trouble": "the consumer group cannot be looked at: hunter2secret", "over": True}),
    json.dumps({**LOOK, "state": "PREPARING_REBALANCING", "leaderless": 1}),
)  # fmt: skip
SECRET = "hunter2secret"


def _make_lines(rng: Random) -> list[str]:
    return [
        mutate.text(rng, LINES) if rng.random() < 0.5 else _dumped(mutate.plain(rng, json.loads(rng.choice(LINES))))
        for _ in range(rng.randrange(1, 4))
    ]


def _dumped(value: Any) -> str:
    with contextlib.suppress(TypeError):
        return json.dumps(value)
    return "{}"


def _take_lines(lines: list[str]) -> tuple[GroupFollower, History, str]:
    one, history = follower(secret=SECRET)
    history.add(Second(100))
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logger = logging.getLogger("locust_kafka")
    logger.addHandler(handler)
    logger.propagate, logger.disabled = False, False
    try:
        one.take(LINES[0])
        for line in lines:
            one.take(line)
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
        assert SECRET not in said.getvalue() or any('"group"' in line and SECRET in line for line in lines)
    return one, history, said.getvalue()


def _lag_lines(lines: list[str], after: tuple[GroupFollower, History, str]) -> None:
    """What the lag's reader says is a look, a name or a trouble; looks have figures that can be written, no secret is."""
    one, history, _said = after
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
        watch = GroupTracker("")
        for line in lines:
            watch = print_line(line, watch, one._settings, as_json=False)
    # A group's name is no secret, whatever it is.
    assert SECRET not in printed.getvalue() or any('"group"' in line and SECRET in line for line in lines)
    printed.getvalue().encode()
    assert one.results is not None
    json.dumps([one.results.to_json(), [list(row) for row in history.rows()]], allow_nan=False)
    console._group(_with_group(one.results))


def _with_group(group: Any) -> RunResults:
    results = RunResults()
    group.exists = True
    results.group = group
    return results


_NO_FORM = (LookupError, TypeError, ValueError, AttributeError)
TARGETS = (
    Target("worker's results", _make_report, RunResults.from_wire, _report, _NO_FORM),
    Target("worker's seconds", _make_seconds, _read_seconds, _seconds, _NO_FORM),
    Target("messages at the master", _make_heard, _master_hears, _master),
    Target("messages at a worker", _make_orders, _worker_hears, _worker),
    Target("lag's lines", _make_lines, _take_lines, _lag_lines, (*_NO_FORM, RecursionError)),
)
