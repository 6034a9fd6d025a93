"""What a waiter thread does with one request: one record never stops the service."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.offsets import OffsetTracker
from waiter_service.core.request import Request
from waiter_service.observe.counters import Counters
from waiter_service.pipeline.job import Answer, Finished, Job
from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.stage import Stage
from waiter_service.pipeline.timer import LateTimer
from waiter_service.pipeline.worker import RequestWorker

AT_ONCE = Behaviour(Wait("fixed", 0.0))


class Bench:
    """A worker with real queues and counters; its requests' offsets come out in `finished`."""

    def __init__(self, behaviour: Any = AT_ONCE, late_capacity: int = 10) -> None:
        self.replies: BoundedQueue[Answer] = BoundedQueue("reply queue", 1000)
        self.late: LateTimer[Answer] = LateTimer(late_capacity, self.replies.put, pytest.fail)
        self.counters = Counters()
        self.finished: Finished = deque()
        self.tracker = OffsetTracker(0)
        self.slept: list[float] = []
        self.worker = RequestWorker(
            behaviour, "replies", self.replies, self.late, self.counters, None, self.slept.append
        )
        self._offsets = itertools.count()

    def job(self, key: Any = b"k", value: Any = b"Ada", headers: Any = ()) -> Job:
        offset = next(self._offsets)
        self.tracker.add(offset)
        return Job(Request("requests", 0, offset, key, value, headers, None, 0), self.tracker, self.finished)


def test_whatever_breaks_while_a_request_is_handled_is_counted_and_committed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A request that raises gets no reply; its position is logged once, its offset is finished, the threads go on."""
    bench = Bench()
    crashes: list[BaseException] = []
    queue: BoundedQueue[Job] = BoundedQueue("request queue", 100)
    stage = Stage("waiter", 3, queue, bench.worker.work, crashes.append)
    # Nothing of this comes from a Kafka record; it stands for what nobody has thought of.
    strange = [{"headers": 7}, {"headers": [("traceparent", "text")]}, {"value": "text"}, {"headers": [(1, 2, 3)]}]
    with caplog.at_level(logging.WARNING):
        stage.start()
        for record in [*strange, {}, *strange, {}]:
            queue.put(bench.job(**record))
        queue.close()
        while len(bench.finished) < 8 and not crashes:
            threading.Event().wait(0.001)
    assert crashes == []
    assert bench.counters.value("request could not be handled") == 8
    assert sorted(offset for _, offset in bench.finished) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert {answer.job.request.offset for answer in (bench.replies.take(), bench.replies.take()) if answer} == {4, 9}
    said = [record.getMessage() for record in caplog.records if "could not be handled" in record.getMessage()]
    assert len(said) == 1
    assert "requests[0]@" in said[0]


@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=40), st.none() | st.lists(st.tuples(
    st.text(max_size=12) | st.sampled_from(["traceparent", "reply-to", "reply-partition"]),
    st.none() | st.binary(max_size=60)), max_size=6))  # fmt: skip
def test_every_record_gets_a_reply(key: bytes | None, value: bytes | None, headers: Any) -> None:
    """Keys, values and headers of any bytes: an answer comes out, and nothing that librdkafka would choke on."""
    bench = Bench()
    bench.worker.work(bench.job(key, value, headers))
    assert bench.counters.value("request could not be handled") == 0
    answer = bench.replies.take()
    assert answer is not None
    answer.reply.topic.encode("ascii")
    for name, header in answer.reply.headers:
        name.encode("utf-8")
        assert isinstance(header, bytes)


def test_a_dropped_request_is_finished_without_a_reply() -> None:
    """Nothing is sent; the offset may be committed."""
    bench = Bench(Behaviour(Wait("fixed", 5.0), drop=1.0))
    bench.worker.work(bench.job())
    assert (bench.replies.depth, len(bench.finished), bench.slept) == (0, 1, [0.005])
    assert bench.counters.value("fault: dropped") == 1


def test_a_request_of_a_revoked_partition_is_left_to_its_new_owner() -> None:
    """No reply, and its offset is not finished."""
    bench = Bench()
    job = bench.job()
    bench.tracker.revoked = True
    bench.worker.work(job)
    assert (bench.replies.depth, len(bench.finished)) == (0, 0)
    assert bench.counters.value("abandoned: partition revoked") == 1


def test_a_full_late_timer_holds_the_waiters_back() -> None:
    """With room for two late replies, a third request waits in its thread until one is due or the timer closes."""
    bench = Bench(Behaviour(Wait("fixed", 0.0), late=1.0, late_s=3600.0), late_capacity=2)
    bench.late.start()
    queue: BoundedQueue[Job] = BoundedQueue("request queue", 100)
    stage = Stage("waiter", 4, queue, bench.worker.work, pytest.fail)
    stage.start()
    for _ in range(10):
        queue.put(bench.job())
    while bench.counters.value("fault: late") < 6:  # two are in the timer, each of the four threads holds one
        threading.Event().wait(0.001)
    assert (bench.late.depth, queue.depth) == (2, 4)
    bench.late.close()
    queue.close()
    stage.join(time.monotonic() + 30)
    assert bench.replies.depth == 0
