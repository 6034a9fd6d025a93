"""Arrivals and who takes them: none is lost, none is taken twice, and one is one execution of a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.pool
import pytest
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st
from locust import TaskSet, constant, task
from locust.env import Environment
from locust.event import Events
from locust.exception import StopUser

from locust_kafka.core.schedule import CONSTANT, POISSON, Plan, Schedule, Stage
from locust_kafka.core.traceparent import TraceIds
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.kafka.pool import WARM_NS
from locust_kafka.plugin import sender as sender_module
from locust_kafka.plugin.plugin import Plugin
from locust_kafka.plugin.user import KafkaUser
from locust_kafka.run import arrivals as arrivals_module
from locust_kafka.run.arrivals import Arrivals
from locust_kafka.run.own_topics import OwnTopics
from locust_kafka.settings import parse
from tests.unit.records import CountedRows

MS = 1_000_000
NEVER = 10**18


class World:
    """A clock that a test moves; the arrivals' timer follows it."""

    def __init__(self) -> None:
        self.now_ns = 10**12
        self.timers: list[Timer] = []

    def advance(self, ns: float) -> None:
        """Time passes, and the hub has its turns."""
        self.now_ns += round(ns)
        self.turn()

    def turn(self) -> None:
        for _ in range(5):
            for timer in self.timers:
                timer.look()
            gevent.sleep(0)
            gevent.sleep(0)


class Timer:
    """HubTimer by that clock."""

    def __init__(self, world: World) -> None:
        self._world, self._until_ns, self._rung = world, math.inf, Event()
        world.timers.append(self)

    def wait_until(self, instant_ns: float) -> None:
        if instant_ns > self._world.now_ns:
            self._until_ns = instant_ns
            self._rung.clear()
            self._rung.wait()

    def notify(self) -> None:
        self._rung.set()

    def look(self) -> None:
        if self._until_ns <= self._world.now_ns:
            self._until_ns = math.inf
            self._rung.set()

    def close(self) -> None:
        self._world.timers.remove(self)


@contextmanager
def worlds() -> Iterator[World]:
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals_module, "perf_counter_ns", lambda: world.now_ns)
        patch.setattr(sender_module, "perf_counter_ns", lambda: world.now_ns)
        patch.setattr(arrivals_module, "HubTimer", lambda: Timer(world))
        yield world


def arrivals_of(world: World, rate: float = 100, patience_ns: int = NEVER, process: str = CONSTANT) -> Arrivals:
    plan = Plan((Stage(rate, rate, 0),), world.now_ns, 1.0)
    return Arrivals(Schedule(plan, process, patience_ns, lambda: 0.5 if process == POISSON else 0.0), world.now_ns)


class Idler:
    """A user that waits for an arrival, and keeps it until somebody lets it go on."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.got: int | None = None
        self._arrivals = arrivals
        self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        found = self._arrivals.take()
        self.got = self._arrivals.wait() if found is None else found


def holds(arrivals: Arrivals) -> None:
    due, started, dropped, given_back = arrivals.counts
    assert due == started + dropped + given_back
    assert min(due, started, dropped, given_back) >= 0


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.integers(1, 4)),
        st.tuples(st.just("pass"), st.sampled_from([0, 1, 5, 10, 33, 400])),
        st.tuples(st.just("killed"), st.integers(0, 5)),
        st.tuples(st.just("killed as it is woken"), st.integers(0, 5)),
        st.tuples(st.just("changes its mind"), st.integers(0, 5)),
        st.tuples(st.just("rate"), st.sampled_from([0, 20, 100, 500])),
        st.tuples(st.just("share"), st.sampled_from([0.25, 0.5, 1])),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(ACTS, st.sampled_from([NEVER, 50 * MS]), st.sampled_from([CONSTANT, POISSON]))
def test_no_arrival_is_lost_and_none_taken_twice(acts: list[tuple[str, Any]], patience_ns: int, process: str) -> None:
    """Due = started + dropped + given back at every instant, whoever waits, is killed or changes his mind."""
    with worlds() as world:
        arrivals = arrivals_of(world, patience_ns=patience_ns, process=process)
        users: list[Idler] = []
        kept: list[Idler] = []
        for act, how in acts:
            waiting = [user for user in users if user.got is None and not user.greenlet.dead]
            if act == "user":
                users += [Idler(arrivals) for _ in range(how)]
            elif act == "pass":
                world.advance(how * MS)
            elif act == "killed" and waiting:
                waiting[how % len(waiting)].greenlet.kill()
            elif act == "killed as it is woken" and waiting:
                world.now_ns += 10 * MS
                for timer in world.timers:
                    timer.look()
                waiting[how % len(waiting)].greenlet.kill(block=False)
            elif act == "changes its mind" and kept:
                user = kept.pop(how % len(kept))
                assert user.got is not None
                arrivals.give_back(user.got)
                users.remove(user)
            elif act == "rate":
                arrivals.set_rate(how)
            elif act == "share":
                arrivals.set_share(how)
            holds(arrivals)
            world.turn()
            holds(arrivals)
            kept = [user for user in users if user.got is not None]
            assert arrivals.counts.started == len(kept)
            assert len({user.got for user in kept}) == len(kept), "two users have one arrival"
            assert all(user.got <= world.now_ns for user in kept if user.got is not None)
        due = arrivals.close(world.now_ns)
        holds(arrivals)
        assert due.started == len(kept)
        for user in users:
            user.greenlet.kill()
        holds(arrivals)
        assert arrivals.counts.due == due.due  # nothing is due after the end


def test_all_that_the_plan_wants_is_due_at_the_end() -> None:
    """With nobody there at all: each arrival up to the stop is due and dropped, none after it."""
    with worlds() as world:
        arrivals = arrivals_of(world, rate=100)
        began_ns = world.now_ns
        world.advance(10_000 * MS)
        counts = arrivals.close(began_ns + 995 * MS)
        assert counts == (100, 0, 100, 0)  # at 0, 10, … 990 ms


def test_the_longest_waiting_user_gets_the_next_arrival() -> None:
    """In the order in which they came to wait, each at its instant, however late the hub is."""
    with worlds() as world:
        arrivals, began_ns = arrivals_of(world, rate=100), world.now_ns
        world.advance(0)
        users = [Idler(arrivals) for _ in range(3)]
        world.turn()
        world.advance(5000 * MS)
        assert [user.got for user in users] == [began_ns, began_ns + 10 * MS, began_ns + 20 * MS]
        arrivals.close(world.now_ns)


def test_nobody_takes_an_arrival_past_those_who_wait() -> None:
    """The hub is late: what is due belongs to whoever has waited, not to who comes just now."""
    with worlds() as world:
        arrivals = arrivals_of(world)
        first, waiting = Idler(arrivals), Idler(arrivals)
        world.turn()
        world.now_ns += 10 * MS  # and the hub has not had its turn
        assert arrivals.take() is None
        world.turn()
        assert (first.got, waiting.got) == (world.now_ns - 10 * MS, world.now_ns)
        arrivals.close(world.now_ns)


def test_an_arrival_that_is_given_back_goes_to_the_next() -> None:
    """A user that was stopped before its task began: its arrival keeps its instant, and somebody else starts it."""
    with worlds() as world:
        arrivals = arrivals_of(world)
        first, second = Idler(arrivals), Idler(arrivals)
        world.turn()
        assert first.got is not None
        assert second.got is None
        arrivals.give_back(first.got)
        world.turn()
        assert second.got == first.got
        assert arrivals.close(world.now_ns) == (1, 1, 0, 0)


def test_nothing_is_handed_out_after_the_end() -> None:
    """A user that still waits waits on until it is killed, and what it would have taken is not due."""
    with worlds() as world:
        arrivals = arrivals_of(world)
        arrivals.close(world.now_ns - 1)
        late = Idler(arrivals)
        world.advance(1000 * MS)
        assert late.got is None
        late.greenlet.kill()
        assert arrivals.counts == (0, 0, 0, 0)


class Producer:
    """Takes every record."""

    made_ns, timeout_s = -WARM_NS, 10.0

    def produce(self, exchange: Exchange, *_record: Any) -> None:
        pass


def _never(error: Exception) -> None:
    raise AssertionError(error)


class OpenRun:
    """An open run as the users see it: arrivals, an engine and producers; the cluster is left out."""

    failure = tracer = self_check = None
    is_open = has_plan = True
    users = 0

    def __init__(self, arrivals: Arrivals) -> None:
        self.settings = parse({})
        self.arrivals = arrivals
        self.ids, self.rule, self.topics = TraceIds(""), rule("traceparent"), {"Waiter-Requests"}
        self.recorder = Recorder(CountedRows(), "traceparent")
        self.routing = ReplyRouting(self.ids.generation)
        self.own_topics = OwnTopics(self.settings, "")
        self.engine = ExchangeEngine(self.rule, self.routing, self.recorder, _never)
        self.pool = SimpleNamespace(own=lambda _timeout_s: Producer(), take_back=lambda _producer: None)

    @property
    def exchanges(self) -> list[Exchange]:
        return self.recorder.registered


def play(world: World, user_class: type[KafkaUser], users: int = 1, rate: float = 100) -> OpenRun:
    """Let users of this class run until they stop by themselves; each turn lets 10 ms pass."""
    arrivals = arrivals_of(world, rate)
    run = OpenRun(arrivals)
    environment = Environment(user_classes=[user_class], events=Events())
    Plugin._instances[environment] = SimpleNamespace(current_run=lambda: run)  # type: ignore[assignment]
    group = gevent.pool.Group()
    made = [user_class(environment) for _ in range(users)]
    for user in made:
        user.start(group)
    for _ in range(400):
        if not group.greenlets:
            break
        holds(arrivals)
        world.advance(10 * MS)
    assert not group.greenlets, "the users do not come to their end"
    world.advance(0)
    arrivals.close(world.now_ns)
    run.engine.close(lambda: None)
    return run


def guest(*tasks: Callable[[Any], None], until: int = 5, **attributes: Any) -> tuple[type[KafkaUser], list[str]]:
    """A user class that runs these tasks in turn and stops after so many; and the names of what it ran."""
    ran: list[str] = []

    def then(one: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(user: Any) -> None:
            ran.append(one.__name__)
            one(user)
            if len(ran) == until:
                raise StopUser

        return run

    return type("Guest", (KafkaUser,), {"tasks": [then(one) for one in tasks], "abstract": False, **attributes}), ran


def one_request(user: Any) -> None:
    user.kafka.send("x", wait_for_ack=False)


def two_requests(user: Any) -> None:
    one_request(user)
    one_request(user)


def no_request(_user: Any) -> None:
    pass


@pytest.mark.parametrize(("body", "requests"), [(one_request, 1), (two_requests, 2), (no_request, 0)])
def test_an_arrival_is_one_execution_of_a_task(body: Callable[[Any], None], requests: int) -> None:
    """Whatever a task sends, or if it sends nothing: as many arrivals start as tasks do, at the plan's instants."""
    with worlds() as world:
        began_ns = world.now_ns
        user_class, ran = guest(body, until=6)
        run = play(world, user_class)
        assert len(ran) == run.arrivals.counts.started == 6
        assert len(run.exchanges) == 6 * requests
        firsts = [exchange.intended_ns for exchange in run.exchanges[:: max(1, requests)]]
        assert firsts == [began_ns + n * 10 * MS for n in range(len(firsts))]


def test_two_requests_in_a_task_count_from_their_own_starts() -> None:
    """The first counts from its arrival, the second from when it is called: no arrival is its."""
    with worlds() as world:
        user_class, _ran = guest(two_requests, until=4)
        run = play(world, user_class, rate=1000)  # behind: each turn lets ten arrivals come due
        pairs = list(zip(run.exchanges[::2], run.exchanges[1::2], strict=True))
        assert len({first.intended_ns for first, _second in pairs}) == len(pairs) == 4
        assert all(second.intended_ns == second.sent_ns for _first, second in pairs)
        assert any(first.intended_ns < first.sent_ns for first, _second in pairs)


def test_the_users_own_time_before_its_request_is_not_ours() -> None:
    """A task that thinks for 50 ms first: its request counts from its call, plus what its task began late, no more."""
    with worlds() as world:
        began_ns = world.now_ns

        def thinks(user: Any) -> None:
            lateness.append(world.now_ns - (began_ns + len(lateness) * 10 * MS))
            world.now_ns += 50 * MS
            one_request(user)

        lateness: list[int] = []
        user_class, _ran = guest(thinks, until=8)
        run = play(world, user_class)
        assert [one.sent_ns - one.intended_ns for one in run.exchanges] == lateness
        assert max(lateness) > 0  # one user cannot keep the pace, and its tasks begin late: that is the plan's


def test_what_is_sent_before_the_first_task_takes_no_arrival() -> None:
    """`on_start` may log in by Kafka: an arrival is for a task."""
    with worlds() as world:

        def on_start(user: Any) -> None:
            two_requests(user)

        user_class, ran = guest(one_request, until=3, on_start=on_start)
        run = play(world, user_class)
        assert run.arrivals.counts.started == len(ran) == 3
        assert len(run.exchanges) == 5
        assert all(exchange.intended_ns == exchange.sent_ns for exchange in run.exchanges[:2])


def test_a_loop_over_arrivals_takes_one_each_time() -> None:
    """The task's own arrival is the first of the loop's; each `send` counts from the one that it came with."""
    with worlds() as world:
        began_ns = world.now_ns

        def loop(user: Any) -> None:
            for nth, intended_ns in enumerate(user.kafka.arrivals()):
                given_ns.append(intended_ns)
                one_request(user)
                if nth == 4:
                    return

        given_ns: list[int] = []
        user_class, _ran = guest(loop, until=1)
        run = play(world, user_class)
        assert given_ns == [began_ns + n * 10 * MS for n in range(5)]
        assert [exchange.intended_ns for exchange in run.exchanges] == given_ns
        assert run.arrivals.counts.started == 5


@settings(max_examples=20)
@given(st.integers(1, 8), st.sampled_from([20.0, 100.0, 400.0]), st.booleans())
def test_the_rate_is_of_tasks_however_many_users(users: int, rate: float, own_wait: bool) -> None:
    """All users together start each arrival once, and a `wait_time` of their own changes nothing about that."""
    with worlds() as world:
        attributes: dict[str, Any] = {"wait_time": constant(0)} if own_wait else {}
        user_class, ran = guest(one_request, until=30, **attributes)

        def until_all_have_thirty(user: Any) -> None:
            ran.append("x")
            if len(ran) >= 30:
                raise StopUser
            one_request(user)

        user_class.tasks = [until_all_have_thirty]
        run = play(world, user_class, users=users, rate=rate)
        instants = [exchange.intended_ns for exchange in run.exchanges]
        assert len(set(instants)) == len(instants)
        assert run.arrivals.counts.started == len(ran)


def test_a_nested_task_set_takes_an_arrival_for_each_of_its_tasks() -> None:
    """Tasks of a TaskSet are tasks; the one that only leads into it shares the arrival of its first."""

    class Inner(TaskSet):
        done = 0

        @task
        def send(self) -> None:
            one_request(self.user)
            self.done += 1
            if self.done == 3:
                raise StopUser

    with worlds() as world:
        user_class = type("Guest", (KafkaUser,), {"tasks": [Inner], "abstract": False})
        run = play(world, user_class)
        assert len(run.exchanges) == run.arrivals.counts.started == 3
        assert len({exchange.intended_ns for exchange in run.exchanges}) == 3


def test_a_user_that_is_killed_while_it_waits_takes_nothing() -> None:
    """Stopped between two tasks: no arrival is begun for it, and those that come are due all the same."""
    with worlds() as world:
        user_class, ran = guest(one_request, until=10**6)
        arrivals = arrivals_of(world, rate=1)
        run = OpenRun(arrivals)
        environment = Environment(user_classes=[user_class], events=Events())
        Plugin._instances[environment] = SimpleNamespace(current_run=lambda: run)  # type: ignore[assignment]
        group = gevent.pool.Group()
        user = user_class(environment)
        user.start(group)
        world.advance(10 * MS)
        assert len(ran) == 1
        assert user.stop()  # it is `waiting`: Locust kills it at once, whatever the stop timeout
        world.advance(2500 * MS)
        assert arrivals.close(world.now_ns) == (3, 1, 2, 0)
        run.engine.close(lambda: None)
