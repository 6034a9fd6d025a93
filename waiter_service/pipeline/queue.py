"""Bounded queues and the threads between them.  Knows nothing of Kafka.

A full queue holds back the stage before it: that is the backpressure, and every queue counts how long it did so.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END = object()


class BoundedQueue(Generic[T]):
    """First in, first out, between threads; `put` waits when it is full, `take` when it is empty.

    Two queues of the standard library that are written in C: one holds the items, the other one token per free
    place.  `queue.Queue` and conditions are written in Python and cost four times as much.

    Args:
        name: how it is called in reports.
        capacity: how many items it holds at most.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.blocked_ns = 0
        """For how long, in total over all threads, `put` had to wait: the time the stage before was held back."""
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._room: SimpleQueue[object] = SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        for _ in range(capacity):
            self._room.put(None)

    @property
    def depth(self) -> int:
        """How many items are in it now."""
        return self._items.qsize() - self._closed

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Add an item; wait for room up to `timeout_s` (None: as long as it takes).

        Returns:
            False when there was no room in time, or the queue was closed: the item was not added.
        """
        return self.reserve(timeout_s) and self.add(item)

    def reserve(self, timeout_s: float | None = None) -> bool:
        """Wait for room; True obliges to `add` an item."""
        try:
            token = self._room.get_nowait()
        except Empty:
            began = time.perf_counter_ns()
            try:
                token = self._room.get(timeout=timeout_s)
            except Empty:
                return False
            finally:
                with self._lock:
                    self.blocked_ns += time.perf_counter_ns() - began
        if token is _END:
            self._room.put(_END)
        return not self._closed

    def add(self, item: T) -> bool:
        """Fill the room that was reserved; False when the queue was closed meanwhile."""
        if self._closed:
            return False
        self._items.put(item)
        return True

    def take(self) -> T | None:
        """The oldest item; waits for one.  None when the queue is closed and empty."""
        item = self._items.get()
        if item is _END:
            self._items.put(_END)  # for the next taker
            return None
        self._room.put(None)
        taken: T = item
        return taken

    def close(self) -> None:
        """No more items come: takers get what is left, then None; blocked putters get False."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._items.put(_END)
                self._room.put(_END)


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
