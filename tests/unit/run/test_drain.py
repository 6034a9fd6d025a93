"""The end of a run waits for what is pending, as long as its deadlines say, and never for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.event
import pytest

from locust_kafka.core.books import Outcome
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.kafka.consumer import ReplyBatch
from locust_kafka.run import drain as drain_module
from locust_kafka.run.drain import PATIENCE_S, Drain
from tests.unit.records import CountedRows, reply_to

GENERATION = b"abcd1234"
S = 10**9


def _never(error: Exception) -> None:
    raise AssertionError(error)


class Ending:
    """A drain with a real engine and a real recorder; the reply consumer is played by hand."""

    def __init__(self) -> None:
        self.recorder = Recorder(CountedRows(), "traceparent")
        self.engine = ExchangeEngine(rule("traceparent"), ReplyRouting(GENERATION, b"abcd"), self.recorder, _never)
        self.recorder.results.total = self.engine.correlator.books
        self.drain = Drain(self.engine, self.recorder)
        self.exchanges: list[Exchange] = []

    def send(self, deadline_ns: int, validator: Callable[[Exchange], object] | None = None) -> Exchange:
        trace_id = GENERATION + b"%024x" % (len(self.exchanges) + 1)
        now_ns = perf_counter_ns()
        exchange = Exchange(trace_id, "name", now_ns, now_ns, deadline_ns, trace_id, "requests")
        exchange.validator = validator
        self.exchanges.append(exchange)
        self.engine.register(exchange)
        return exchange

    def hear(self, watermark_ns: int, *exchanges: Exchange) -> None:
        """A batch of the reply consumer, with the replies to these."""
        replies = [reply_to(one.correlation_id) for one in exchanges]
        self.engine.reply_batches.put(ReplyBatch(watermark_ns, replies, watermark_ns))
        self.engine._process()

    def begin(self, longest_timeout_s: float = 5, settle_s: float = 0) -> gevent.Greenlet:
        draining = gevent.spawn(self.drain.run, longest_timeout_s, settle_s)
        self.turn()
        return draining

    def turn(self) -> None:
        for _ in range(10):
            gevent.sleep(0)

    def close(self) -> None:
        self.drain.cut()
        self.engine.close(lambda: None)
        self.recorder.close(0)


@pytest.fixture
def ending() -> Iterator[Ending]:
    ending = Ending()
    yield ending
    ending.close()


class Patience:
    """How long the drain would wait, all in all; each wait is cut short here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked_s: list[float] = []
        self.after_wait: Callable[[int], None] = lambda _nth: None
        monkeypatch.setattr(drain_module, "gevent", SimpleNamespace(spawn=gevent.spawn, wait=self._wait))

    def _wait(self, objects: list[Any], timeout: float, count: int) -> Any:
        self.asked_s.append(timeout)
        found = gevent.wait(objects, timeout=0.01, count=count)
        self.after_wait(len(self.asked_s))
        return found


def test_nothing_pending_is_no_wait(ending: Ending) -> None:
    """A run whose requests have all ended is drained at once."""
    draining = ending.begin(longest_timeout_s=3600)
    assert draining.ready()


def test_it_ends_with_the_last_request(ending: Ending) -> None:
    """Matched or timed out: when the last pending request has ended, the drain is over, and not before."""
    now_ns = perf_counter_ns()
    answered, silent = ending.send(now_ns + 3600 * S), ending.send(now_ns + 1800 * S)
    draining = ending.begin()
    assert not draining.ready()
    ending.hear(perf_counter_ns(), answered)
    ending.turn()
    assert answered.outcome is Outcome.MATCHED
    assert not draining.ready()
    ending.hear(now_ns + 1800 * S + 1)  # nothing came until its deadline
    ending.turn()
    assert silent.outcome is Outcome.TIMED_OUT
    assert draining.ready()


def test_it_waits_for_callbacks(ending: Ending) -> None:
    """An `on_reply` that takes its time belongs to the run: the row of its exchange is still to come."""
    gate = gevent.event.Event()
    exchange = ending.send(perf_counter_ns() + 3600 * S, validator=lambda _exchange: gate.wait())
    draining = ending.begin()
    ending.hear(perf_counter_ns(), exchange)
    ending.turn()
    assert exchange.outcome is Outcome.MATCHED
    assert not draining.ready()
    gate.set()
    ending.turn()
    assert draining.ready()


def test_it_waits_for_callbacks_when_nothing_is_pending(ending: Ending) -> None:
    """The last reply came before the stop, and its callback still runs."""
    gate = gevent.event.Event()
    exchange = ending.send(perf_counter_ns() + 3600 * S, validator=lambda _exchange: gate.wait())
    ending.hear(perf_counter_ns(), exchange)
    ending.turn()
    draining = ending.begin()
    assert not draining.ready()
    gate.set()
    ending.turn()
    assert draining.ready()


def test_a_chain_of_callbacks_is_drained(ending: Ending) -> None:
    """A callback that sends again in the drain: its request is waited for too."""
    second: list[Exchange] = []

    def send_again(_exchange: Exchange) -> None:
        second.append(ending.send(perf_counter_ns() + 3600 * S))

    first = ending.send(perf_counter_ns() + 3600 * S, validator=send_again)
    draining = ending.begin()
    ending.hear(perf_counter_ns(), first)
    ending.turn()
    assert second
    assert not draining.ready()
    ending.hear(perf_counter_ns(), second[0])
    ending.turn()
    assert draining.ready()


def test_a_cut_ends_it_at_once(ending: Ending) -> None:
    """While it drains, while it settles, or before it began: nothing more is waited for."""
    ending.send(perf_counter_ns() + 3600 * S)
    draining = ending.begin(settle_s=3600)
    assert not draining.ready()
    ending.drain.cut()
    ending.turn()
    assert draining.ready()
    settled = Ending()
    settling = settled.begin(settle_s=3600)
    assert not settling.ready()
    settled.drain.cut()
    settled.turn()
    assert settling.ready()
    settled.close()


def test_it_is_never_for_ever(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that never ends, and a callback that never returns: it gives up a second after the longest deadline."""
    patience = Patience(monkeypatch)
    ending.send(perf_counter_ns() + 30 * S)
    exchange = ending.send(perf_counter_ns() + 10 * S, validator=lambda _exchange: gevent.sleep(3600))
    ending.hear(perf_counter_ns(), exchange)
    ending.turn()
    ending.drain.run(longest_timeout_s=20, settle_s=0)
    assert 20 + 1 <= patience.asked_s[0] <= 30 + 1  # the longest deadline, which a callback may also get
    assert patience.asked_s[1:] == [PATIENCE_S + 1]  # for what was sent in the drain


def test_a_callback_may_take_as_long_as_a_request(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is pending, and a callback runs: it is waited for as long as a request that it may send."""
    patience = Patience(monkeypatch)
    exchange = ending.send(perf_counter_ns() + 2 * S, validator=lambda _exchange: gevent.sleep(3600))
    ending.hear(perf_counter_ns(), exchange)
    ending.turn()
    ending.drain.run(longest_timeout_s=7, settle_s=0)
    assert patience.asked_s == [pytest.approx(7 + 1)]


def test_what_is_sent_in_the_drain_has_patience_of_its_own(ending: Ending, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with a deadline beyond the drain's is waited for some seconds more, and no third time."""
    patience = Patience(monkeypatch)

    def send_more(nth: int) -> None:
        ending.hear(perf_counter_ns(), *[one for one in ending.exchanges if one.outcome is None])
        ending.turn()
        ending.send(perf_counter_ns() + 3600 * S)

    patience.after_wait = send_more
    ending.send(perf_counter_ns() + 2 * S)
    ending.drain.run(longest_timeout_s=1, settle_s=0)
    assert 1 + 1 <= patience.asked_s[0] <= 2 + 1
    assert patience.asked_s[1:] == [PATIENCE_S + 1]


def test_requests_are_taken_while_it_drains_and_not_after(ending: Ending) -> None:
    """`on_stop` and `on_reply` may send until the longest deadline; in the settling, and after a cut, nobody may."""
    now_ns = perf_counter_ns()
    assert ending.drain.accepts(now_ns)  # users stop before it begins
    pending = ending.send(now_ns + 60 * S)
    draining = ending.begin(longest_timeout_s=20, settle_s=3600)
    assert ending.drain.accepts(now_ns + 59 * S)
    assert not ending.drain.accepts(now_ns + 61 * S)
    ending.hear(perf_counter_ns(), pending)
    ending.turn()
    assert not draining.ready()
    assert not ending.drain.accepts(perf_counter_ns())
    cut = Ending()
    cut.send(perf_counter_ns() + 60 * S)
    cut.begin()
    cut.drain.cut()
    assert not cut.drain.accepts(perf_counter_ns())
    cut.turn()
    cut.close()


def test_settling_hears_what_is_late(ending: Ending) -> None:
    """After the last deadline it listens on: a late reply finds its request."""
    silent = ending.send(perf_counter_ns())
    draining = ending.begin(settle_s=3600)
    ending.hear(perf_counter_ns())
    ending.turn()
    assert silent.outcome is Outcome.TIMED_OUT
    assert not draining.ready()
    ending.hear(perf_counter_ns(), silent)
    ending.turn()
    assert ending.recorder.results.names["name"].books.verdicts[1] == 1
