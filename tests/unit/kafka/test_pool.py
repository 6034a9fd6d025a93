"""Who sends with which producer: its records may wait as long as the longest timeout in force, and no longer."""

from __future__ import annotations

import math
import resource
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.before_wire import BeforeWire
from locust_kafka.core.schedule import Stage
from locust_kafka.errors import KafkaPluginError
from locust_kafka.kafka import pool as pool_module
from locust_kafka.kafka.config import MIN_MESSAGE_TIMEOUT_S
from locust_kafka.kafka.pool import MAX_WATCHED, ProducerPool
from locust_kafka.plugin.classes import KafkaAttributes, class_settings, settings_for
from locust_kafka.run.arrivals import Arrivals
from locust_kafka.settings import MAX_TIMEOUT_S, Settings, parse
from locust_kafka.values import Given
from tests.unit.core.test_before_wire import Broker, statistics_of

TIMEOUTS = st.one_of(
    st.floats(0.001, MAX_TIMEOUT_S), st.integers(1, 3600).map(float),
    st.integers(0, 11).map(lambda power: math.nextafter(2.0**power, math.inf)),
)  # fmt: skip


class Producer:
    """Stands for a producer of ours: what it was made with, and what was asked of it."""

    def __init__(self, config: dict[str, Any], delivery_reports: object, timeout_s: float) -> None:
        self.config, self.timeout_s = config, timeout_s
        self.statistics: deque[str] = deque()
        self.retired = self.stopped = self.joined = self.ended = False

    def retire(self) -> None:
        self.retired = True

    def stop(self) -> None:
        self.stopped = True

    def join(self) -> None:
        assert self.stopped
        self.joined = True

    @property
    def message_timeout_s(self) -> float:
        return float(self.config["message.timeout.ms"]) / 1000


@pytest.fixture(autouse=True, scope="module")
def stand_ins() -> Iterator[None]:
    """No producer of this module connects to anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "RequestProducer", Producer)
        yield


def pool_of(settings: Settings, fatal: list[KafkaPluginError] | None = None) -> ProducerPool[Any]:
    fatals: list[KafkaPluginError] = [] if fatal is None else fatal
    return ProducerPool(settings, None, fatals.append)  # type: ignore[arg-type] # stand-ins report nothing


def user_class(**attributes: Any) -> type[KafkaAttributes]:
    return type("Guest", (KafkaAttributes,), {"tasks": [print], **attributes})


def settings_with(option: float | None, *classes: float | None) -> Settings:
    given = {} if option is None else {"kafka_reply_timeout": Given(option, "--kafka-reply-timeout")}
    return settings_for(parse(given), [user_class(reply_timeout=timeout) for timeout in classes])


def least_s(timeout_s: float) -> float:
    """How long a record of a request with this reply timeout has to wait at least: to a second before it."""
    return int(max(MIN_MESSAGE_TIMEOUT_S, timeout_s - 1) * 1000) / 1000


@given(st.none() | TIMEOUTS, st.lists(st.none() | TIMEOUTS, min_size=1, max_size=3), st.booleans())
def test_a_record_may_wait_as_long_as_the_longest_timeout(
    option: float | None, classes: list[float | None], shared: bool
) -> None:
    """Of all classes and the option: a broker that is away for less makes no request of any of them UNDELIVERED."""
    settings = settings_with(option, *classes)
    default_s = 10.0 if option is None else option
    longest_s = max(default_s if timeout is None else timeout for timeout in classes)
    for timeout in classes:
        in_force_s = class_settings(settings, user_class(reply_timeout=timeout)).reply_timeout_s
        pool = pool_of(settings)
        producer = pool.shared(in_force_s) if shared else pool.own(in_force_s)
        assert producer.message_timeout_s == least_s(longest_s)  # type: ignore[attr-defined]


@given(TIMEOUTS, TIMEOUTS, st.booleans())
def test_a_request_with_a_longer_timeout_gets_a_producer_that_waits(
    class_s: float, request_s: float, shared: bool
) -> None:
    """A timeout of the request's own is followed too: the one at hand if that is enough, else another in its place."""
    pool = pool_of(settings_with(None, class_s))
    before: Any = pool.shared(class_s) if shared else pool.own(class_s)
    after: Any = pool.suited(before, request_s)
    assert after.timeout_s >= request_s
    assert after.message_timeout_s >= least_s(request_s)
    assert (after is before) == (request_s <= class_s) == (not before.retired)
    assert pool.suited(after, request_s) is after
    assert pool.suited(after, class_s) is after


@given(st.lists(st.floats(0.001, MAX_TIMEOUT_S), min_size=40, max_size=60, unique=True))
def test_ever_longer_timeouts_need_few_producers(timeouts: list[float]) -> None:
    """From a millisecond to an hour a user goes through two dozen producers at most; no timeout is cut short."""
    pool = pool_of(settings_with(0.001, None))
    producer: Any = pool.own(0.001)
    made = 1
    for timeout_s in sorted(timeouts):
        suited: Any = pool.suited(producer, timeout_s)
        made += suited is not producer
        producer = suited
        assert timeout_s <= producer.timeout_s < max(2 * timeout_s, 0.002)
    assert made <= 24


@given(TIMEOUTS)
def test_a_message_timeout_of_the_users_own_is_left_alone(request_s: float) -> None:
    """Who sets message.timeout.ms, for all clients or for producers, has it in force, and needs no other producer."""
    for name in ("message.timeout.ms", "producer.message.timeout.ms"):
        pool = pool_of(parse({}, {name: "1234"}))
        for producer in (pool.shared(1), pool.own(1)):
            assert producer.config["message.timeout.ms"] == "1234"  # type: ignore[attr-defined]
            assert pool.suited(producer, request_s) is producer


@given(st.none() | TIMEOUTS, st.lists(st.none() | TIMEOUTS, min_size=1, max_size=3))
def test_an_arrival_is_patient_for_as_long(option: float | None, classes: list[float | None]) -> None:
    """An arrival that nobody takes is dropped after the longest timeout of all classes, not after the option's."""
    settings = settings_with(option, *classes)
    arrivals = Arrivals.planned(settings, (Stage(1, 1, 0),), 0, 1.0, 0.0)
    try:
        assert arrivals._schedule._patience_ns == int(settings.longest_timeout_s * 1e9)
    finally:
        arrivals.close(1)


def test_one_shared_producer_for_all() -> None:
    """Users share one producer, whoever leaves; each own one is given back once."""
    pool = pool_of(parse({}))
    shared: Any = pool.shared(1)
    assert pool.shared(5) is shared
    pool.take_back(shared)
    assert not shared.retired
    assert pool.shared(1) is shared
    own: Any = pool.own(1)
    other: Any = pool.own(1)
    assert own is not other
    pool.take_back(own)
    pool.take_back(own)
    assert (own.retired, other.retired) == (True, False)
    assert pool._retired == [own]


def test_all_of_them_end_with_the_run() -> None:
    """Own ones, the shared one and those still on their way out are stopped, all of them before any is waited for."""
    pool = pool_of(parse({}))
    left: Any = pool.own(1)
    pool.take_back(left)
    producers: list[Any] = [left, pool.own(1), pool.shared(1)]
    pool.stop()
    assert all(producer.stopped and producer.joined for producer in producers)


def test_who_has_ended_is_forgotten() -> None:
    """Producers whose threads have ended are not kept: users come and go for hours."""
    pool = pool_of(parse({}))
    for _ in range(50):
        producer: Any = pool.own(1)
        pool.take_back(producer)
        producer.ended = True
    assert len(pool._retired) == 1


@pytest.mark.parametrize("given", [None, "250", "0"])
def test_statistics_are_those_of_a_few(given: str | None) -> None:
    """The shared producer and eight own ones at a time give them, as often as the user says; the others' cost nothing."""
    pool = pool_of(parse({}, {} if given is None else {"producer.statistics.interval.ms": given}))
    gives = 1_000 if given is None else given

    def intervals(producers: list[Any]) -> list[Any]:
        return [producer.config["statistics.interval.ms"] for producer in producers]

    own: list[Any] = [pool.own(1) for _ in range(MAX_WATCHED + 5)]
    assert intervals(own) == [gives] * MAX_WATCHED + [0] * 5
    assert intervals([pool.shared(1)]) == [gives]
    pool.take_back(own[0])
    pool.take_back(own[-1])
    assert intervals([pool.own(1), pool.own(1)]) == [gives, 0]
    waits = BeforeWire()
    pool.note_waits(waits, 0)
    assert (waits.watched, waits.producers) == (MAX_WATCHED + 2, MAX_WATCHED + 8)


def test_what_a_producer_told_last_is_taken() -> None:
    """Of one whose user is gone too, each text once; the warm-up's are passed over; one that has ended is forgotten."""
    pool, waits = pool_of(parse({})), BeforeWire()
    own: Any = pool.own(1)
    shared: Any = pool.shared(1)
    own.statistics.append(statistics_of(Broker([7], [1])))
    pool.note_waits(waits, 2**63)
    assert (waits.queue.number, len(own.statistics)) == (0, 0)
    shared.statistics.extend([statistics_of(Broker([3], [1]))] * 2)
    pool.take_back(own)
    own.ended = True
    own.statistics.append(statistics_of(Broker([100], [1])))
    pool.note_waits(waits, 0)
    pool.note_waits(waits, 0)
    assert (waits.queue.number, waits.queue.sum_us, waits.buffer.number) == (3, 106, 3)
    assert pool._watched == [shared]


@pytest.mark.parametrize(
    ("files", "threads", "words"),
    [(100, resource.RLIM_INFINITY, "ulimit -n"), (resource.RLIM_INFINITY, 21, "ulimit -u"), (10**6, 10**6, "")],
)
def test_a_limit_is_said_before_it_is_passed(
    files: int, threads: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and threads of one more producer, with each broker's, are counted; the sentence has the remedy."""
    limits = {resource.RLIMIT_NOFILE: files, resource.RLIMIT_NPROC: threads}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], limits[which]))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    fatal: list[KafkaPluginError] = []
    pool = pool_of(parse({}), fatal)
    pool.brokers = 3
    for _ in range(3):
        pool.own(1)
    assert not fatal
    for _ in range(3):
        pool.own(1)
    assert bool(fatal) == bool(words)
    for refusal in fatal:
        assert words in str(refusal)
        assert 'producers = "shared"' in str(refusal)
        assert "3 brokers" in str(refusal)
