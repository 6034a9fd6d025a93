"""A run of hours, without Kafka and without waiting: simulated time goes through the real engine, recorder and history."""

from __future__ import annotations

import array
import gc
import re
from collections import deque
from collections.abc import Iterator, Sized
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psutil
import pytest

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import SLACK
from locust_kafka.core.legs import MS
from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.observer import Failure
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.kafka.consumer import ReplyBatch
from locust_kafka.run.sampler import Sampler
from tests.unit.records import CountedRows
from tests.unit.runs import message

GENERATION = b"abcd1234"
STEP_NS, FLUSH_NS, SECOND_NS = 20 * MS, 240 * MS, 1_000 * MS
TOOK_NS, TIMEOUT_NS, LATE_NS, AGAIN_NS = 20 * MS, 2_000 * MS, 5_000 * MS, 3_000 * MS
FULL_S = 120
"""By then what is remembered for 60 s goes as fast as it comes."""
NAMES = 5
LARGE = 1_000
"""What holds fewer items may hold any number of them."""


@pytest.fixture(autouse=True)
def never_for_ever() -> None:
    """In place of the room's: nothing here waits in gevent, and the long one takes longer."""


class UncountedRows(CountedRows):
    """Locust's rows, of which nothing is kept but how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def matched(self, name: str, exchanges: list[Exchange]) -> None:
        self.count += len(exchanges)

    def result(self, exchange: Exchange, failure: Failure) -> None:
        self.count += 1

    def add_failure_note(self, name: str, what: str) -> None:
        pass


class LongRun:
    """One run's parts, fed step by step; of 200 requests one is never answered, one late, and one twice."""

    def __init__(self, rate: int) -> None:
        self.now_ns = SECOND_NS
        self.rows = UncountedRows()
        self.recorder = Recorder(self.rows, "traceparent")
        self.fatal: list[RunInvalid] = []
        self.engine = ExchangeEngine(
            rule("traceparent"), ReplyRouting(GENERATION, b"abcd"), self.recorder, self.fatal.append
        )
        self.recorder.results.total = self.engine.correlator.books
        self.sampler = Sampler(lambda: self.recorder.results, lambda: NAMES, lambda: MS)
        self.recorder.observe(self.sampler)
        self._each_ns = SECOND_NS // rate
        self._sent = 0
        self._later: deque[tuple[int, bytes]] = deque()
        self._again: deque[tuple[int, bytes]] = deque()

    def run_until(self, seconds: int) -> None:
        while self.now_ns < (seconds + 1) * SECOND_NS:
            self._step()
            if self.now_ns % FLUSH_NS == 0:
                self.recorder.flush()
            if self.now_ns % SECOND_NS == 0:
                self.recorder.aggregate()
                self.sampler.sample()

    def close(self) -> None:
        self.now_ns += TIMEOUT_NS + MS
        self.engine.reply_batches.put(ReplyBatch(self.now_ns))
        self.engine._process()
        self.engine.close(lambda: None)
        self.recorder.close(0)

    def _step(self) -> None:
        """What is sent in a step is acknowledged in its middle, and answered at its end."""
        register, each_ns, began_ns = self.engine.register, self._each_ns, self.now_ns
        self.now_ns += STEP_NS
        acked_ns = began_ns + STEP_NS // 2
        delivery = message("requests", acked_ns - MS)
        replies = []
        for sent_ns in range(began_ns, self.now_ns, each_ns):
            number = self._sent = self._sent + 1
            trace_id = GENERATION + b"%024x" % number
            x = Exchange(
                trace_id, f"name{number % NAMES}", sent_ns, sent_ns, sent_ns + TIMEOUT_NS, trace_id, "requests"
            )
            register(x)
            x.delivery, x.acked_ns = delivery, max(acked_ns, sent_ns + MS)
            fate = number % 200
            if fate == 1:
                continue
            if fate == 2:
                self._later.append((sent_ns + LATE_NS, trace_id))
                continue
            if fate == 3:
                self._again.append((sent_ns + AGAIN_NS, trace_id))
            replies.append(trace_id)
        for queue in (self._later, self._again):
            while queue and queue[0][0] <= self.now_ns:
                replies.append(queue.popleft()[1])
        received_ns = self.now_ns + TOOK_NS
        messages = [
            message("replies", received_ns - 5 * MS, headers=[("traceparent", b"00-%b-00000000000000ff-00" % trace_id)])
            for trace_id in replies
        ]
        self.engine.reply_batches.put(ReplyBatch(received_ns, messages, received_ns))
        self.engine._process()


@contextmanager
def long_run(rate: int) -> Iterator[LongRun]:
    """A run whose clocks are its own."""
    with ExitStack() as patches:
        clock = SimpleNamespace(
            time=lambda: run.now_ns / 1e9, perf_counter=lambda: run.now_ns / 1e9, thread_time=lambda: 0.0,
            time_ns=lambda: run.now_ns,
        )  # fmt: skip
        run: Any = SimpleNamespace(now_ns=SECOND_NS)
        for where in ("exchange.measure", "exchange.engine"):
            patches.enter_context(patch(f"locust_kafka.{where}.perf_counter_ns", lambda: run.now_ns))
        patches.enter_context(patch("locust_kafka.exchange.engine.time_ns", lambda: run.now_ns))
        patches.enter_context(patch("locust_kafka.exchange.measure.time", clock))
        patches.enter_context(patch("locust_kafka.run.sampler.time", clock))
        run = LongRun(rate)
        yield run


def census(*roots: object) -> dict[str, int]:
    """The length of every container that can be reached from here through objects of ours, by its way."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    left: deque[tuple[str, Any]] = deque((type(root).__name__, root) for root in roots)
    while left:
        way, here = left.popleft()
        if id(here) in seen or isinstance(here, str | bytes):
            continue
        seen.add(id(here))
        if isinstance(here, list | dict | deque | set | tuple | bytearray | array.array) and isinstance(here, Sized):
            found[way] = len(here)
            if isinstance(here, dict | list | deque | tuple) and len(here) < LARGE:
                items = here.items() if isinstance(here, dict) else enumerate(here)
                left += [(f"{way}[{key!r}]", value) for key, value in items]
        elif type(here).__module__.startswith("locust_kafka") and not isinstance(here, Exchange):
            slots = [name for kind in type(here).__mro__ for name in getattr(kind, "__slots__", ())]
            names = {*getattr(here, "__dict__", {}), *slots}
            left += [(f"{way}.{name}", getattr(here, name)) for name in names if hasattr(here, name)]
    return found


def held(run: LongRun) -> dict[str, int]:
    """The most items of each kind of container, without the two that have laws of their own."""
    lengths: dict[str, int] = {}
    correlator, history = run.engine.correlator, run.sampler.history
    for way, length in census(correlator, history, run.recorder, run.engine, run.sampler).items():
        kind = re.sub(r"\[[^]]*\]", "[]", way)
        lengths[kind] = max(length, lengths.get(kind, 0))
    assert len(lengths) > 50, sorted(lengths)
    assert {"Correlator._live", "Recorder._late_requests", "Recorder._unacked"} <= lengths.keys()
    assert lengths.pop("History._rows") <= run.now_ns // SECOND_NS
    assert lengths.pop("Correlator._queue") <= 2 * correlator.books.pending + SLACK + 1
    return lengths


def rss_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 1e6)


def hold_the_law(rate: int, seconds: int, room_mb: float) -> None:
    with long_run(rate) as run:
        run.run_until(FULL_S)
        before, full_mb = held(run), rss_mb()
        run.run_until(seconds)
        now, now_mb = held(run), rss_mb()
        run.close()
    results = run.recorder.results
    assert not run.fatal
    grown = {way: (before.get(way, 0), length) for way, length in now.items() if length > 1.2 * before.get(way, 0) + 99}
    assert not grown, grown
    print(f"{now_mb - full_mb:+.1f} MB")
    assert now_mb - full_mb < room_mb, f"{full_mb:.1f} MB after {FULL_S} s, {now_mb:.1f} after {seconds} s"
    assert results.balanced(closed=True), [law.text for law in results.equations(closed=True) if not law.holds]
    sent = rate * seconds
    assert results.total.registered == run.rows.count == sent
    assert results.total.outcomes[Outcome.TIMED_OUT] == sent // 100
    assert results.whole().e2e.count == sent
    assert results.total.verdicts[Verdict.LATE] > sent // 200 - rate
    assert results.total.verdicts[Verdict.DUPLICATE] > sent // 200 - rate
    assert results.total.verdicts[Verdict.ORPHAN] == 0
    assert sum(row.registered for row in run.sampler.history.rows()) == sent


def test_a_few_minutes_leave_nothing_behind() -> None:
    """From the moment on when all that is remembered for a minute is there, no container and no memory grows."""
    hold_the_law(rate=500, seconds=240, room_mb=4)


@pytest.mark.slow
@pytest.mark.timeout(3_000)
def test_two_hours_leave_nothing_behind() -> None:
    """After 36 million exchanges a process holds what it held after two minutes, and a row for each second."""
    hold_the_law(rate=5_000, seconds=7_200, room_mb=16)
