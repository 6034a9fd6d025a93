"""A bounded queue between threads.

A full queue blocks the stage before it: that is the backpressure.  Every queue counts for how long it did so.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_END = object()


class BoundedQueue(Generic[T]):
    """First in, first out, between threads; `put` waits when it is full, `take` when it is empty.

    It is made of two `SimpleQueue`s, which are written in C: one holds the items, the other one token for each free
    place.  `queue.Queue` and conditions are written in Python and cost four times as much.

    Args:
        name: its name in the log and in metrics.
        capacity: how many items it holds at most.
    """

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self.blocked_ns = 0
        """How long `put` has waited for room, in total over all threads."""
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._room: SimpleQueue[object] = SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        for _ in range(capacity):
            self._room.put(None)

    @property
    def depth(self) -> int:
        """How many items it holds now."""
        return self._items.qsize() - self._closed

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Add an item; wait for room up to `timeout_s` (None: as long as it takes).

        Returns:
            False when there was no room in time, or the queue was closed: the item was not added.
        """
        return self.reserve(timeout_s) and self.add(item)

    def reserve(self, timeout_s: float | None = None) -> bool:
        """Wait for room, up to `timeout_s`; after True the caller must `add` an item."""
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
        """Add an item to the room that was reserved; False when the queue was closed meanwhile."""
        if self._closed:
            return False
        self._items.put(item)
        return True

    def take(self) -> T | None:
        """Return the oldest item; waits for one.  None when the queue is closed and empty."""
        item = self._items.get()
        if item is _END:
            self._items.put(_END)  # for the next taker
            return None
        self._room.put(None)
        taken: T = item
        return taken

    def close(self) -> None:
        """Accept no more items: takers get what is left, then None; blocked putters get False."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._items.put(_END)
                self._room.put(_END)
