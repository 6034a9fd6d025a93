"""A timer that passes items on when they are due."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LateTimer(threading.Thread, Generic[T]):
    """Passes items on when they are due.  One thread serves all items, so that a late reply blocks no waiter thread.

    Args:
        capacity: how many items may wait at once; `schedule` blocks while there are so many.
        pass_on: is called in this thread with each item that is due.
        on_crash: is called when `pass_on` raises, which is a bug.
    """

    def __init__(
        self, capacity: int, pass_on: Callable[[T], object], on_crash: Callable[[BaseException], None]
    ) -> None:
        super().__init__(name="late-timer", daemon=True)
        self.capacity = capacity
        self.blocked_ns = 0
        """How long `schedule` has waited for room, in total over all threads."""
        self._pass_on = pass_on
        self._on_crash = on_crash
        self._heap: list[tuple[float, int, T]] = []
        self._sequence = itertools.count()  # two items due at the same time must not be compared
        self._closed = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)

    @property
    def depth(self) -> int:
        """How many items wait now."""
        return len(self._heap)

    def schedule(self, delay_s: float, item: T) -> bool:
        """Pass the item on after `delay_s` seconds; waits while the timer is full.

        Returns:
            False when the timer was closed: the item will not be passed on.
        """
        due = time.monotonic() + delay_s
        with self._lock:
            if len(self._heap) >= self.capacity and not self._closed:
                began = time.perf_counter_ns()
                self._room.wait_for(lambda: len(self._heap) < self.capacity or self._closed)
                self.blocked_ns += time.perf_counter_ns() - began
            if self._closed:
                return False
            heapq.heappush(self._heap, (due, next(self._sequence), item))
            self._changed.notify()
            return True

    def close(self) -> None:
        """End the thread and free who waits for room; items that still wait are not passed on."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            self._room.notify_all()

    def run(self) -> None:
        """Thread body."""
        try:
            while (item := self._next_due()) is not None:
                self._pass_on(item)
        except BaseException as crash:
            self._on_crash(crash)

    def _next_due(self) -> T | None:
        with self._lock:
            while not self._closed:
                if not self._heap:
                    self._changed.wait()
                    continue
                remaining = self._heap[0][0] - time.monotonic()
                if remaining <= 0:
                    self._room.notify()
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(remaining)
        return None
