"""Bounded queues and stages with real threads."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue

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


class Watched:
    """A SimpleQueue that says when somebody is about to wait in it."""

    def __init__(self, inner: SimpleQueue[object], waiting: threading.Semaphore) -> None:
        self._inner = inner
        self._waiting = waiting

    def get(self, *, timeout: float | None = None) -> object:
        self._waiting.release()
        return self._inner.get(timeout=timeout)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def test_closing_frees_everybody() -> None:
    """Blocked putters all come back with False, and add nothing; takers get what is left, then None."""
    queue: BoundedQueue[int] = BoundedQueue("q", 1)
    queue.put(1)
    waiting = threading.Semaphore(0)
    queue._room = Watched(queue._room, waiting)  # type: ignore[assignment, arg-type]
    results: list[bool] = []
    putters = [threading.Thread(target=lambda: results.append(queue.put(2)), daemon=True) for _ in range(3)]
    for putter in putters:
        putter.start()
    for _ in putters:
        assert waiting.acquire(timeout=30)  # each has found the queue full and waits for room
    assert results == []
    queue.close()
    for putter in putters:
        putter.join(30)
    assert results == [False, False, False]
    assert queue.take() == 1
    assert queue.take() is None
    assert queue.put(3) is False
    assert queue.depth == 0
    assert queue.blocked_ns > 0


def test_closing_frees_those_who_wait_for_items() -> None:
    """Takers of an empty queue all come back with None."""
    queue: BoundedQueue[int] = BoundedQueue("q", 1)
    waiting = threading.Semaphore(0)
    queue._items = Watched(queue._items, waiting)  # type: ignore[assignment, arg-type]
    taken: list[int | None] = []
    takers = [threading.Thread(target=lambda: taken.append(queue.take()), daemon=True) for _ in range(3)]
    for taker in takers:
        taker.start()
    for _ in takers:
        assert waiting.acquire(timeout=30)
    assert taken == []
    queue.close()
    for taker in takers:
        taker.join(30)
    assert taken == [None, None, None]


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


def test_a_full_timer_holds_back_and_loses_nothing() -> None:
    """More items than the timer holds: `schedule` waits for room, and every item comes out once, none of it early."""
    out: list[int] = []
    done = threading.Event()

    def pass_on(item: int) -> None:
        out.append(item)
        if len(out) == 50:
            done.set()

    timer: LateTimer[int] = LateTimer(3, pass_on, _fail)
    depths = []
    timer.start()
    for number in range(50):
        assert timer.schedule(0.005, number)
        depths.append(timer.depth)
    assert done.wait(30)
    assert out == list(range(50))
    assert max(depths) <= 3
    assert timer.blocked_ns > 0
    timer.close()


def test_closing_the_timer_frees_those_who_wait_for_room() -> None:
    """A blocked `schedule` comes back with False; what waits in the timer is not passed on."""
    out: list[int] = []
    timer: LateTimer[int] = LateTimer(1, out.append, _fail)
    timer.start()
    assert timer.schedule(3600, 1)
    results: list[bool] = []
    blocked = threading.Thread(target=lambda: results.append(timer.schedule(0, 2)), daemon=True)
    blocked.start()
    deadline = time.monotonic() + 30
    while not timer._room._waiters and time.monotonic() < deadline:  # type: ignore[attr-defined]
        time.sleep(0.001)
    timer.close()
    blocked.join(30)
    timer.join(30)
    assert results == [False]
    assert out == []
    assert timer.schedule(0, 3) is False


def test_a_crash_of_the_timer_is_handed_over() -> None:
    """An exception of `pass_on` reaches on_crash: a timer must not end in silence."""
    crashes: list[BaseException] = []
    timer: LateTimer[int] = LateTimer(1, lambda item: 1 // item, crashes.append)
    timer.start()
    timer.schedule(0, 0)
    timer.join(30)
    assert isinstance(crashes[0], ZeroDivisionError)


def _fail(crash: BaseException) -> None:
    pytest.fail(f"a stage crashed: {crash!r}")
