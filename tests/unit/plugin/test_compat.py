"""What Locust, gevent and OpenTelemetry do not promise: it is there, and does what we rely on."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.pool
import locust
import pytest
from gevent import monkey
from gevent.event import Event
from gevent.hub import Waiter
from locust import User, stats, task
from locust.env import Environment
from locust.event import EventHook, Events
from locust.exception import StopUser
from locust.runners import STATE_INIT, STATE_MISSING, LocalRunner, MasterRunner, WorkerNode, WorkerRunner
from locust.user.task import TaskSet
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from locust_kafka.plugin import compat, events
from locust_kafka.plugin.compat import RUNNING, WAITING


@pytest.fixture
def environment() -> Iterator[Environment]:
    environment = Environment(user_classes=[], events=Events())
    yield environment
    if environment.runner is not None:
        environment.runner.greenlet.kill()


def test_the_first_timer_counts_from_its_start(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's clock stands still while a locustfile is imported, and Locust starts the timer of --run-time next."""
    monkeypatch.setattr(events, "Plugin", lambda _environment: None)
    gevent.sleep(0)
    before = gevent.get_hub().loop.now()
    time.sleep(0.05)
    assert gevent.get_hub().loop.now() == before
    events.init_environment(environment=environment, runner=None)
    assert gevent.get_hub().loop.now() >= before + 0.05


def test_the_tested_versions_are_the_installed_ones() -> None:
    """A newer one is named as such, with its version; these tests ran with none."""
    assert compat.untested() == []


def test_a_newer_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By major and minor alone, and a version with letters in it frightens nobody."""
    versions = {"locust": "2.48.0", "gevent": "26.9.7", "confluent-kafka": "2.16", "opentelemetry-sdk": "2.0b1"}
    monkeypatch.setattr(compat, "version", versions.get)
    assert compat.untested() == ["locust 2.48.0", "opentelemetry-sdk 2.0b1"]


def test_handlers_of_an_event_are_a_list_in_their_order(environment: Environment) -> None:
    """`EventHook._handlers`: who is put first is called first, and can be removed as any other."""
    called: list[str] = []
    hook = environment.events.report_to_master
    hook.add_listener(lambda **_: called.append("Locust's"))

    def ours(**_kwargs: Any) -> None:
        called.append("ours")

    compat.listen_first(hook, ours)
    hook.fire(client_id="w", data={})
    hook.remove_listener(ours)
    hook.fire(client_id="w", data={})
    assert called == ["ours", "Locust's", "Locust's"]


def test_locusts_own_listener_to_requests_is_known(environment: Environment) -> None:
    """A runner adds one listener, from locust.runners: with that one alone, nobody else listens."""
    assert compat.is_heard_elsewhere(environment)  # run_single_user: no runner, so each row is an event
    foreign = environment.events.request.add_listener(lambda **_: None)
    assert compat.is_heard_elsewhere(environment)
    environment.events.request.remove_listener(foreign)
    runner = environment.create_local_runner()
    assert isinstance(runner, LocalRunner)
    assert not compat.is_heard_elsewhere(environment)
    environment.events.request.add_listener(lambda **_: None)
    assert compat.is_heard_elsewhere(environment)


def test_an_event_swallows_errors_and_lets_an_exit_through() -> None:
    """`EventHook.fire`: a listener cannot stop a start by an error, but GreenletExit ends the greenlet that fires."""
    hook = EventHook()
    reached: list[bool] = []

    def fails(**_kwargs: Any) -> None:
        raise ValueError

    def leaves(**_kwargs: Any) -> None:
        raise gevent.GreenletExit

    hook.add_listener(fails)
    hook.add_listener(lambda **_: reached.append(True))
    was = locust.log.unhandled_greenlet_exception
    hook.fire()
    locust.log.unhandled_greenlet_exception = was
    assert reached
    hook.add_listener(leaves)
    with pytest.raises(gevent.GreenletExit):
        hook.fire()


def test_the_bucket_is_asked_for_where_locust_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`stats.bucket_response_time`: two digits from 100 ms on, and whoever replaces it is followed."""
    assert [compat.bucket(ms) for ms in (3.2, 47.0, 147.0, 3432.0)] == [3, 47, 150, 3400]
    entry = stats.StatsEntry(stats.RequestStats(), "name", "E2E")
    entry.log(147, 0)
    assert list(entry.response_times) == [compat.bucket(147)]
    monkeypatch.setattr(stats, "bucket_response_time", lambda _ms: 7)
    assert compat.bucket(147.0) == 7


def test_a_worker_can_be_made_to_report() -> None:
    """`WorkerRunner._send_stats`: it fires report_to_master, so that ours goes with it, and sends `stats` at once."""
    sent: list[Any] = []
    events = Events()
    events.report_to_master.add_listener(lambda client_id, data: data.update(ours=client_id))
    worker = SimpleNamespace(
        environment=SimpleNamespace(events=events), client_id="w", client=SimpleNamespace(send=sent.append)
    )
    worker._send_stats = lambda: WorkerRunner._send_stats(worker)  # type: ignore[arg-type]
    compat.send_worker_stats(worker)
    assert [(message.type, message.data, message.node_id) for message in sent] == [("stats", {"ours": "w"}, "w")]


class Idle(User):
    abstract = True
    seen: list[Any]

    @task
    def look(self) -> None:
        self.seen.append((self._state, compat.taskset_of(self)))
        if len(self.seen) == 3:
            raise StopUser


def lived(user: User, patience_s: float = 5) -> gevent.Greenlet:
    greenlet = user.start(gevent.pool.Group())
    greenlet.join(patience_s)
    return greenlet


def test_a_users_task_set_sleeps_by_a_method_of_its_own(environment: Environment) -> None:
    """`User._taskset_instance._sleep`: between tasks Locust sleeps by it, so it can be replaced on the instance."""
    slept: list[float] = []

    class Guest(Idle):
        seen: list[Any] = []  # noqa: RUF012 - a list of one test

        def wait_time(self) -> float:
            first = compat.taskset_of(self)._sleep != slept.append
            compat.taskset_of(self)._sleep = slept.append
            return 0 if first else 3600  # Locust has looked up its method before it asks for the time

    lived(Guest(environment))
    assert isinstance(Guest.seen[0][1], TaskSet)
    assert slept == [3600]


def test_a_user_goes_from_waiting_to_running_where_a_task_begins(environment: Environment) -> None:
    """`User._state`: waiting before each further task, running in it and in `on_start`; a property may watch."""
    states: list[str | None] = []

    class Guest(Idle):
        seen: list[Any] = []  # noqa: RUF012 - a list of one test

        def wait_time(self) -> float:
            return 0

        def on_start(self) -> None:
            states.append("on_start")

        @property
        def _state(self) -> str | None:
            return self.__dict__.get("state")

        @_state.setter
        def _state(self, state: str | None) -> None:
            states.append(state)
            self.__dict__["state"] = state

    lived(Guest(environment))
    assert states == [None, RUNNING, "on_start", WAITING, RUNNING, WAITING, RUNNING]
    assert {state for state, _taskset in Guest.seen} == {RUNNING}


def test_a_waiting_user_is_stopped_at_once(environment: Environment) -> None:
    """`User.stop`: who waits for its arrival is killed, not asked to come to the end of a task."""

    class Guest(Idle):
        seen: list[Any] = []  # noqa: RUF012 - a list of one test

        def wait_time(self) -> float:
            return 3600

    user = Guest(environment)
    user.start(gevent.pool.Group())
    for _ in range(5):
        gevent.sleep(0)
    assert user._state == WAITING
    assert user.stop()
    assert user.greenlet.dead


def test_locust_tells_a_tasks_exception_by_a_known_logger(
    environment: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    """`locust.user.task`: the exception itself is the record's first argument, after user_error was fired."""
    order: list[str] = []
    error = ValueError("no")

    class Guest(User):
        def wait_time(self) -> float:
            raise StopUser

        @task
        def fail(self) -> None:
            raise error

    environment.events.user_error.add_listener(lambda **_: order.append("event"))

    class Look(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            assert isinstance(record.args, tuple)
            order.append("log" if record.args[0] is error else "other")
            return True

    look = Look()
    compat.task_logger().addFilter(look)
    try:
        lived(Guest(environment))
    finally:
        compat.task_logger().removeFilter(look)
    assert order == ["event", "log"]


def test_workers_are_nodes_with_a_state_and_their_users() -> None:
    """`WorkerNode`: a missing one says so, and its users are told by class name."""
    node = WorkerNode("w", state=STATE_INIT)
    assert node.state != STATE_MISSING
    node.user_classes_count = {"Guest": 3}
    source = inspect.getsource(MasterRunner)
    assert "client.state = STATE_MISSING" in source
    assert 'user_classes_count = data["user_classes_count"]' in source
    assert list(inspect.signature(MasterRunner.get_worker_index).parameters) == ["self", "client_id"]
    assert "send_stop_to_client" in inspect.signature(MasterRunner.stop).parameters


def test_a_worker_tells_its_state_and_number() -> None:
    """`worker_state` and `worker_index`: init when it is ready for a run, and -1 until the master has numbered it."""
    assert WorkerRunner.worker_index == -1
    source = inspect.getsource(WorkerRunner)
    ready = source.index('Message("client_ready", __version__, self.client_id))\n                self.worker_state')
    assert "self.worker_state = STATE_INIT" in source[ready : ready + 200]


def test_custom_messages_take_a_concurrent_listener(environment: Environment) -> None:
    """`register_message(…, concurrent=True)`: a drain must not stand in Locust's message loop."""
    runner = environment.create_local_runner()
    runner.register_message("ours", lambda **_: None, concurrent=True)
    assert runner.custom_messages["ours"][1] is True
    with pytest.raises(Exception, match="already had a listener"):
        runner.register_message("ours", lambda **_: None)


def test_options_may_carry_a_text_of_another_class() -> None:
    """Configargparse hands a default on as it is: what nobody gave can be told from the same text, given."""
    from locust.argument_parser import get_empty_argument_parser

    from locust_kafka.plugin.options import Unset, add_options

    parser = get_empty_argument_parser(add_help=False)
    add_options(parser)
    found = parser.parse_known_args(["--kafka-settle", "2"])[0]
    assert isinstance(found.kafka_reply_timeout, Unset)
    assert not isinstance(found.kafka_settle, Unset)


def test_the_hub_calls_back_in_order() -> None:
    """Gevent's `loop.run_callback`: what is asked for is called in the hub's next turn, in the order of asking."""
    called: list[int] = []
    for number in range(3):
        gevent.get_hub().loop.run_callback(called.append, number)
    assert not called
    gevent.sleep(0)
    assert called == [0, 1, 2]


def test_a_native_thread_wakes_the_hub() -> None:
    """Gevent's `loop.async_`, its thread pool, and unpatched functions: so a native thread hands over."""
    hub, heard = gevent.get_hub(), Event()
    watcher = hub.loop.async_()
    watcher.start(heard.set)
    start: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")
    start(watcher.send, ())
    assert heard.wait(10)
    watcher.stop()
    watcher.close()
    assert hub.threadpool.apply(lambda: gevent.get_hub() is not hub)  # another thread
    monkey.get_original("time", "sleep")(0)


def test_a_waiter_may_be_switched_before_it_is_waited_for() -> None:
    """Gevent's `Waiter`: a result that comes first is kept, from the hub's side of a callback."""
    waiter: Waiter[str] = Waiter()
    gevent.get_hub().loop.run_callback(waiter.switch, "early")
    gevent.sleep(0)
    assert waiter.get() == "early"


def test_the_loop_counts_its_turns() -> None:
    """Gevent's `loop.iteration`: it tells whether the hub had a turn between two moments."""
    loop = gevent.get_hub().loop
    before = loop.iteration
    assert loop.iteration == before
    gevent.sleep(0.001)
    assert loop.iteration > before


def test_a_greenlet_that_ends_tells_by_a_raw_link() -> None:
    """Gevent's `rawlink`: called in the hub when the greenlet has ended, killed or not."""
    ended: list[Any] = []
    greenlet = gevent.spawn(gevent.sleep, 3600)
    greenlet.rawlink(ended.append)
    gevent.sleep(0)
    greenlet.kill()
    gevent.sleep(0)
    assert ended == [greenlet]


def test_the_exporters_client_takes_encoded_bytes() -> None:
    """OpenTelemetry's `OTLPSpanExporter._client`: it posts bytes, and says by `success` whether they arrived."""
    exporter = OTLPSpanExporter(endpoint="http://127.0.0.1:1/v1/traces", timeout=1)
    client = exporter._client
    export = inspect.signature(client.export)
    assert len([one for one in export.parameters.values() if one.default is one.empty]) == 1
    exporter.shutdown()  # type: ignore[no-untyped-call] # it gives up at once: nothing listens there
    assert client.export(b"").success is False


def test_a_provider_has_processors_that_take_a_span() -> None:
    """OpenTelemetry's `_active_span_processor`: none at first, then those that were added, and it hands spans on."""
    seen: list[Any] = []

    class Processor(SpanProcessor):
        def on_end(self, span: Any) -> None:
            seen.append(span)

    provider = TracerProvider(shutdown_on_exit=False)
    assert not provider._active_span_processor._span_processors
    processor = Processor()
    provider.add_span_processor(processor)
    assert list(provider._active_span_processor._span_processors) == [processor]
    span: Any = object()
    provider._active_span_processor.on_end(span)
    assert seen == [span]
