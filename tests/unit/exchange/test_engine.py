"""The engine in-process: whatever comes in whatever order, the books, the rows, the log and the results agree."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import Any

import gevent
import pytest
from confluent_kafka import KafkaError
from gevent.hub import Waiter
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.failures import MAX_SAID
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.exchange.stalled import BLOCKED_LOOKS
from locust_kafka.kafka.consumer import ReplyBatch
from locust_kafka.kafka.producer import DeliveryReport
from tests.unit.records import CountedRows, Record, Watcher, reply_to

GENERATION = b"abcd1234"
TIMEOUT = 100


class Life:
    """One run's engine, fed by hand; time is a number."""

    def __init__(self, *, each: bool = False, listened: bool = False, aggregate_at: int = 0) -> None:
        self.rows = CountedRows(listened=listened)
        self.recorder = Recorder(self.rows, "traceparent")
        self.watcher = Watcher(each=each)
        self.recorder.observe(self.watcher)
        self.fatal: list[RunInvalid] = []
        self.engine = ExchangeEngine(
            rule("traceparent"), ReplyRouting(GENERATION, b"abcd"), self.recorder, self.fatal.append
        )
        self.recorder.results.total = self.engine.correlator.books
        self.exchanges: dict[bytes, Exchange] = {}
        self.woken: Counter[bytes] = Counter()
        self._aggregate_at = aggregate_at

    def send(self, number: int, at: int, *, waits: bool = False, validator: Any = None) -> None:
        trace_id = GENERATION + b"%024x" % (number + 1)
        exchange = Exchange(trace_id, f"name{number % 3}", at, at, at + TIMEOUT, trace_id, "requests")
        exchange.validator = validator
        if waits:
            exchange.wakeup = _Bell(self.woken, trace_id)  # type: ignore[assignment]
        self.exchanges[trace_id] = exchange
        self.engine.register(exchange)

    def batch(self, at: int, *records: Record) -> None:
        self.engine.reply_batches.put(ReplyBatch(at, list(records), at))

    def handed_over(self, at: int, records: list[Record], *, sifted: bool) -> None:
        """As the reply consumer's thread does it."""
        batch = ReplyBatch(at, list(records), at)
        if sifted:
            foreign = self.engine.routing.foreign
            assert foreign.active
            batch.messages, batch.trace_ids = foreign.sift(records)
            batch.early = 1 if batch.messages and batch.messages[0] is records[0] else 0
            batch.dropped = foreign.take_dropped()
        self.engine.reply_batches.put(batch)

    def acked(self, exchange: Exchange, at: int) -> None:
        exchange.delivery, exchange.acked_ns = Record("requests"), at

    def failed(self, exchange: Exchange, at: int) -> None:
        error = KafkaError(KafkaError._MSG_TIMED_OUT)
        self.engine.delivery_reports.put(DeliveryReport(exchange, error, at))

    def process(self) -> None:
        self.engine._process()
        gevent.sleep(0)

    def close(self) -> None:
        self.engine.close(lambda: None)
        for _ in range(3):
            gevent.sleep(0)
        self.recorder.close(0)


class _Bell(Waiter):  # type: ignore[misc]
    """Counts how often it is switched to."""

    def __init__(self, woken: Counter[bytes], name: bytes) -> None:
        super().__init__()
        self._woken, self._name = woken, name

    def switch(self, _value: object) -> None:
        self._woken[self._name] += 1


def lived(seed: int, **how: Any) -> tuple[Life, list[str], dict[bytes, str]]:
    """A random life, and what a plain reading of its events expects: each reply's verdict, each request's outcome."""
    rng = random.Random(seed)
    life = Life(**how)
    expected: dict[bytes, str] = {}
    verdicts: list[str] = []
    answered: set[bytes] = set()
    deadlines: dict[bytes, int] = {}
    failures: list[tuple[int, bytes]] = []
    now = 1

    def settle_until(at: int) -> None:
        """Deadlines and failures that lie before `at`, in the order of time."""
        due = [(deadline, 1, name) for name, deadline in deadlines.items() if deadline < at and name not in expected]
        due += [(failed, 0, name) for failed, name in failures if failed <= at and name not in expected]
        for when, kind, name in sorted(due):
            if name not in expected:
                late = when > deadlines[name]
                expected[name] = "TIMED_OUT" if kind or late else "UNDELIVERED"

    for number in range(rng.randrange(1, 40)):
        now += rng.randrange(1, 40)
        draw = rng.random()
        known = list(life.exchanges)
        if draw < 0.4 or not known:
            life.send(number, now, waits=rng.random() < 0.5)
            deadlines[GENERATION + b"%024x" % (number + 1)] = now + TIMEOUT
        elif draw < 0.5:
            exchange = life.exchanges[rng.choice(known)]
            if not exchange.acked_ns and not exchange.failure:
                life.failed(exchange, now)
                failures.append((now, exchange.correlation_id))
        elif draw < 0.6:
            exchange = life.exchanges[rng.choice(known)]
            if not exchange.acked_ns and (now, exchange.correlation_id) not in failures:
                life.acked(exchange, now)
        else:
            kind = rng.random()
            if kind < 0.1:
                life.batch(now, rng.choice([Record(headers=None), Record(poisoned=True)]))
                verdicts.append("MALFORMED")
            elif kind < 0.2:
                life.batch(now, reply_to(b"f" * 32))
                verdicts.append("FOREIGN")
            else:
                name = rng.choice(known[-5:])
                life.batch(now, reply_to(name))
                failed = any(at <= now and one == name for at, one in failures)
                if name not in expected and now <= deadlines[name] and not failed:
                    expected[name] = "MATCHED"
                    answered.add(name)
                    verdicts.append("MATCH")
                else:
                    settle_until(now)
                    verdicts.append(
                        "DUPLICATE" if name in answered else "UNEXPECTED" if expected[name] == "UNDELIVERED" else "LATE"
                    )
                    answered.add(name)
            settle_until(now)
        if rng.random() < 0.5:
            life.process()
    life.close()
    for name in life.exchanges:
        expected.setdefault(name, "")
    return life, verdicts, expected


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_books_rows_and_observers_agree(seed: int, each: bool, listened: bool) -> None:
    """One outcome, one row (but for UNFINISHED) and one `complete` a request; one verdict a reply; each waiter woken."""
    life, verdicts, expected = lived(seed, each=each, listened=listened)
    assert not life.fatal
    results = life.recorder.results
    assert results.balanced(closed=True), [law.text for law in results.equations(closed=True) if not law.holds]
    assert Counter(verdicts) == Counter({v.name: n for v in Verdict if (n := results.total.verdicts[v])})
    outcomes = {name: x.outcome for name, x in life.exchanges.items()}
    rows = Counter(name for name, _failed in life.rows.rows)
    for name, outcome in outcomes.items():
        assert outcome is not None
        if expected[name] and outcome is not Outcome.UNFINISHED:
            assert outcome.name == expected[name]
        assert rows[name] == (outcome is not Outcome.UNFINISHED)
        if life.exchanges[name].wakeup is not None:
            assert life.woken[name] == 1
    assert {name for name, failed in life.rows.rows if failed} == {
        name for name, outcome in outcomes.items() if outcome in (Outcome.TIMED_OUT, Outcome.UNDELIVERED)
    }
    assert Counter(name for name, _ in life.watcher.completes) == Counter(outcomes.keys())
    assert dict(life.watcher.completes) == outcomes
    assert Counter(life.watcher.ends) == (Counter(outcomes.keys()) if each else Counter())
    later = Counter(v for v in verdicts if v in ("DUPLICATE", "UNEXPECTED"))
    assert Counter(v for _, v in life.watcher.later if v != "LATE") == later
    assert life.watcher.closed == 1


@given(st.integers(0, 2**32))
def test_observers_do_not_matter_to_results(seed: int) -> None:
    """The same events give the same books and latencies, whoever watches and however rows are made."""
    # Of the legs over two clocks only the count: a batch that is recorded later knows the broker's clock better.
    found = []
    for how in ({}, {"each": True}, {"listened": True}):
        life, _verdicts, _expected = lived(seed, **how)
        wire = life.recorder.results.to_wire()
        for name in wire["names"].values():
            for leg in {"request", "reply"} & name["series"].keys():
                name["series"][leg] = name["series"][leg]["count"]
        found.append((wire["total"], wire["names"], wire["replies_read"]))
    assert found[0] == found[1] == found[2]


def test_a_callback_that_never_returns_stops_nobody() -> None:
    """`on_reply` that sleeps or sends runs beside the engine: other replies are judged, and its own row comes at the end."""
    life = Life()
    life.send(0, 1, validator=lambda _exchange: gevent.sleep(1000))
    life.send(1, 1, waits=True)
    first, second = life.exchanges
    life.batch(2, reply_to(first), reply_to(second))
    life.process()
    gevent.sleep(0)
    assert life.woken[second] == 1
    assert life.recorder.validators.running == 1
    life.recorder.aggregate()
    assert life.rows.rows == [(second, False)]
    life.close()
    assert sorted(life.rows.rows) == sorted([(second, False), (first, True)])
    assert life.recorder.results.total.outcomes[Outcome.MATCHED] == 2


@pytest.mark.parametrize(
    ("callback", "failed"),
    [(lambda _x: None, False), (lambda _x: "no", True), (lambda _x: 1 // 0, True), (lambda _x: 0, False)],
    ids=["none", "words", "raises", "falsy"],
)
def test_a_callback_decides_about_its_row(callback: Any, failed: bool) -> None:
    """What `on_reply` returns (if true) or raises fails the row; the books say MATCHED all the same."""
    life = Life()
    life.send(0, 1, validator=callback)
    (name,) = life.exchanges
    life.batch(2, reply_to(name))
    life.process()
    gevent.sleep(0)
    assert life.rows.rows == [(name, failed)]
    life.recorder.aggregate()
    assert life.recorder.results.total.outcomes[Outcome.MATCHED] == 1
    assert life.recorder.results.whole().rejected == failed
    life.close()


def test_a_paused_process_is_no_stuck_consumer() -> None:
    """One old watermark is a pause of the process; two looks in a row are a stuck thread, three times five a blocked hub."""
    life = Life()
    life.engine._watermark_ns -= 10**11
    life.engine._check_watermark()
    assert not life.fatal
    life.engine._check_watermark()
    assert "stuck" in str(life.fatal[0])
    blocked = Life()
    blocked.engine._watermark_ns -= 10**11
    blocked.batch(1)
    for _ in range(BLOCKED_LOOKS):
        blocked.engine._check_watermark()
    assert not blocked.fatal
    blocked.engine._check_watermark()
    assert "blocked" in str(blocked.fatal[0])


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._AUTO_OFFSET_RESET])
def test_an_error_that_hides_replies_ends_the_run(code: int) -> None:
    """READ denied, or records gone before they were read: the run is invalid, in words."""
    life = Life()
    life.engine.reply_batches.put(ReplyBatch(1, [], 1, [KafkaError(code)]))
    life.process()
    assert len(life.fatal) == 1
    assert "reply topic" in str(life.fatal[0])


@pytest.mark.parametrize(
    "code", [KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError.UNKNOWN_TOPIC_OR_PART]
)
def test_an_error_that_may_pass_is_looked_into(code: int) -> None:
    """An event is no state: it asks for a look, and neither ends the run nor says that the consumer is disconnected."""
    life = Life()
    life.engine.reply_batches.put(ReplyBatch(1, [], 1, [KafkaError(code)]))
    life.process()
    assert not life.fatal
    assert life.engine.doubted.is_set()
    assert not life.engine.disconnected_since_ns


def test_the_group_may_be_forbidden() -> None:
    """Partitions are assigned by hand: a principal without READ on the group's name loses nothing."""
    life = Life()
    life.engine.reply_batches.put(ReplyBatch(1, [], 1, [KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)]))
    life.process()
    assert not life.fatal


def test_siblings_are_counted_apart() -> None:
    """A reply of another worker of this run is FOREIGN, and known to be one of ours."""
    life = Life()
    life.batch(1, reply_to(b"abcd9999" + b"0" * 23 + b"1"), reply_to(b"e" * 32))
    life.process()
    assert life.recorder.results.total.verdicts[Verdict.FOREIGN] == 2
    assert life.engine.routing.results.siblings == 1


def test_payloads_are_let_go_of() -> None:
    """Beyond a megabyte of replies the ended exchanges are counted and compacted at once."""
    life = Life()
    for number in range(20):
        life.send(number, 1)
    for at, name in enumerate(life.exchanges, 2):
        life.acked(life.exchanges[name], at)
        life.batch(at, reply_to(name, value=b"x" * 200_000))
    life.process()
    assert not life.engine.correlator._live
    assert not life.recorder._matched
    assert life.recorder.results.total.outcomes[Outcome.MATCHED] == 20


def test_each_reason_for_failed_deliveries_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Fifty failures for one reason are one warning and one event; many reasons are bounded."""
    caplog.set_level(logging.INFO, logger="locust_kafka")
    life = Life()
    for number in range(50):
        life.send(number, 10)
    for exchange in life.exchanges.values():
        life.failed(exchange, 20)
    life.batch(30)
    life.process()
    assert life.recorder.results.total.outcomes[Outcome.UNDELIVERED] == 50
    assert len(life.recorder.results.events.all()) == caplog.text.count("a request was not delivered") == 1
    for number in range(100):
        life.engine.delivery_failures.say(f"reason {number}")
    assert caplog.text.count("a request was not delivered") == MAX_SAID
    life.close()
