"""A stage: some threads that do the same work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from waiter_service.pipeline.queue import BoundedQueue

T = TypeVar("T")


class Stage(Generic[T]):
    """Some threads that take items from one queue.

    Args:
        name: the threads' name, to which a number is added.
        threads: how many threads.
        source: the queue they take from; closing it ends them.
        work: is called with each item.
        on_crash: is called when `work` raises, which is a bug; the service must stop then.
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
