"""Bounded queues and the threads between them.  Knows nothing of Kafka.

A full queue holds back the stage before it: that is the backpressure, and every queue counts how long it did so.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out, between threads; `put` waits when it is full, `take` when it is empty.

    Args:
        name: how it is called in reports.
        capacity: how many items it holds at most.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.blocked_ns = 0
        """For how long, in total over all threads, `put` had to wait: the time the stage before was held back."""
        self._items: deque[T] = deque()
        self._closed = False
        lock = threading.Lock()
        self._not_empty = threading.Condition(lock)
        self._not_full = threading.Condition(lock)

    @property
    def depth(self) -> int:
        """How many items are in it now."""
        return len(self._items)

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Add an item; wait for room up to `timeout_s` (None: as long as it takes).

        Returns:
            False when there was no room in time, or the queue was closed: the item was not added.
        """
        with self._not_full:
            if len(self._items) >= self.capacity and not self._closed:
                began = time.perf_counter_ns()
                self._not_full.wait_for(lambda: len(self._items) < self.capacity or self._closed, timeout_s)
                self.blocked_ns += time.perf_counter_ns() - began
            if self._closed or len(self._items) >= self.capacity:
                return False
            self._items.append(item)
            self._not_empty.notify()
            return True

    def take(self) -> T | None:
        """The oldest item; waits for one.  None when the queue is closed and empty."""
        with self._not_empty:
            while not self._items:
                if self._closed:
                    return None
                self._not_empty.wait()
            item = self._items.popleft()
            self._not_full.notify()
            return item

    def close(self) -> None:
        """No more items come: takers get what is left, then None."""
        with self._not_empty:
            self._closed = True
            self._not_empty.notify_all()
            self._not_full.notify_all()


class LateTimer(threading.Thread):
    """Hand items on at their time.  One thread for all, so that a late reply blocks no waiter.

    Args:
        hand_on: is called in this thread with each item that is due.
    """

    def __init__(self, hand_on: Callable[[object], object]) -> None:
        super().__init__(name="late-timer", daemon=True)
        self._hand_on = hand_on
        self._heap: list[tuple[float, int, object]] = []
        self._sequence = itertools.count()  # a tie on time must not compare the items
        self._closed = False
        self._changed = threading.Condition()

    @property
    def depth(self) -> int:
        """How many items wait for their time."""
        return len(self._heap)

    def schedule(self, delay_s: float, item: object) -> None:
        """Hand the item on after `delay_s` seconds."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + delay_s, next(self._sequence), item))
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what still waits is not handed on."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def run(self) -> None:
        """Thread body."""
        while (item := self._next_due()) is not None:
            self._hand_on(item)

    def _next_due(self) -> object | None:
        with self._changed:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                remaining = self._heap[0][0] - time.monotonic()
                if remaining <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(remaining)
        return None


class Stage(Generic[T]):
    """Some threads that take from one queue and do the same with each item.

    Args:
        name: of the threads, with a number.
        threads: how many.
        source: the queue they take from; closing it ends them.
        work: is called with each item.
        on_crash: is called when `work` raises: a bug, after which the service must not go on.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        source: BoundedQueue[T],
        work: Callable[[T], None],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._work = work
        self._on_crash = on_crash
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number + 1}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> None:
        """Wait for all threads to end, at most until `deadline` (time.monotonic())."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            while (item := self._source.take()) is not None:
                self._work(item)
        except BaseException as crash:
            self._on_crash(crash)
