"""Bounded queues and stages with real threads."""

from __future__ import annotations

import threading
import time

import pytest

from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.stage import Stage
from waiter_service.pipeline.timer import LateTimer


def test_everything_comes_out_once_and_in_order() -> None:
    """What goes through two stages comes out complete; one thread a stage keeps the order."""
    first: BoundedQueue[int] = BoundedQueue("first", 3)
    second: BoundedQueue[int] = BoundedQueue("second", 2)
    out: list[int] = []
    stages = [
        Stage("a", 1, first, lambda item: second.put(item) and None, _fail),
        Stage("b", 1, second, out.append, _fail),
    ]
    for stage in stages:
        stage.start()
    for number in range(1000):
        assert first.put(number)
    first.close()
    stages[0].join(time.monotonic() + 30)
    second.close()
    stages[1].join(time.monotonic() + 30)
    assert out == list(range(1000))


def test_a_full_queue_holds_back_and_says_for_how_long() -> None:
    """Put on a full queue waits, gives up in time, adds nothing, and the time is counted."""
    queue: BoundedQueue[int] = BoundedQueue("q", 1)
    assert queue.put(1)
    assert not queue.put(2, timeout_s=0.05)
    assert queue.depth == 1
    assert queue.blocked_ns >= 50_000_000
    assert queue.take() == 1
    assert queue.put(3)


def test_closing_frees_everybody() -> None:
    """Takers get what is left and then None; a blocked put comes back with False."""
    queue: BoundedQueue[int] = BoundedQueue("q", 1)
    queue.put(1)
    refused: list[bool] = []
    blocked = threading.Thread(target=lambda: refused.append(queue.put(2)))
    blocked.start()
    while queue.blocked_ns == 0 and blocked.is_alive() and not refused:
        queue.close()
    blocked.join(10)
    assert refused == [False]
    assert queue.take() == 1
    assert queue.take() is None


def test_many_threads_lose_and_double_nothing() -> None:
    """Eight takers and four putters on a small queue: every item exactly once."""
    queue: BoundedQueue[int] = BoundedQueue("q", 5)
    taken: list[int] = []
    stage = Stage("t", 8, queue, taken.append, _fail)
    stage.start()
    putters = [
        threading.Thread(target=lambda base=base: [queue.put(base + n) for n in range(500)])  # type: ignore[misc]
        for base in range(0, 2000, 500)
    ]
    for putter in putters:
        putter.start()
    for putter in putters:
        putter.join(30)
    queue.close()
    stage.join(time.monotonic() + 30)
    assert sorted(taken) == list(range(2000))


def test_late_items_come_in_the_order_of_their_time() -> None:
    """The timer hands on by due time, whatever the order of scheduling, and never early."""
    out: list[tuple[object, float]] = []
    done = threading.Event()

    def hand_on(item: object) -> None:
        out.append((item, time.monotonic()))
        if len(out) == 3:
            done.set()

    timer: LateTimer[object] = LateTimer(1000, hand_on, _fail)
    timer.start()
    began = time.monotonic()
    for delay in (0.3, 0.1, 0.2):
        timer.schedule(delay, delay)
    assert done.wait(30)
    timer.close()
    assert [item for item, _ in out] == [0.1, 0.2, 0.3]
    assert all(at - began >= float(str(item)) for item, at in out)


def test_a_crash_is_handed_over() -> None:
    """An exception in a stage's work reaches on_crash."""
    queue: BoundedQueue[int] = BoundedQueue("q", 1)
    crashes: list[BaseException] = []
    stage = Stage("c", 1, queue, lambda item: 1 // item, crashes.append)  # type: ignore[arg-type, return-value]
    stage.start()
    queue.put(0)
    stage.join(time.monotonic() + 10)
    assert isinstance(crashes[0], ZeroDivisionError)


def _fail(crash: BaseException) -> None:
    pytest.fail(f"a stage crashed: {crash!r}")
