"""From native threads to a greenlet, in order: a deque and the hub's async watcher."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import gevent
from gevent.hub import Waiter

T = TypeVar("T")

WAKE_AT_ONCE = 16


class Wakeup:
    """Wakes one greenlet: gevent's Event for a single listener, without its timeouts and links."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: Waiter[None] | None = None

    def notify(self) -> None:
        """In the hub: let the greenlet go on, now or when it comes to wait."""
        self._rung = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch(None)

    def wait(self) -> None:
        """From the greenlet: until it is rung, if it was not since the last wait."""
        if not self._rung:
            self._waiter = Waiter()
            self._waiter.get()
        self._rung = False


class HubQueue(Generic[T]):
    """From any native thread to one greenlet, in order.

    The async watcher's callback runs in the hub and only wakes; the greenlet takes.

    Args:
        bell: is rung when there is something; hand-overs served by the same greenlet share one.
    """

    def __init__(self, bell: Wakeup) -> None:
        self._items: deque[T] = deque()
        self._async = gevent.get_hub().loop.async_()
        self._async.start(bell.notify)

    def put(self, item: T, *, wake: bool = True) -> None:
        """From a native thread: add an item, and wake the greenlet unless it may be taken with the next one."""
        self._items.append(item)
        if wake:
            self._async.send()

    @property
    def waiting(self) -> bool:
        """Whether something was handed over and not yet taken."""
        return bool(self._items)

    def take_all(self) -> list[T]:
        """From the greenlet: everything that is there, oldest first."""
        items = self._items
        return [items.popleft() for _ in range(len(items))]

    def close(self) -> None:
        """Stop the watcher, which would keep the hub's loop alive."""
        self._async.stop()
        self._async.close()


def wake_all(waiters: Sequence[Waiter[None]]) -> None:
    """Let the greenlets go on that wait; in the hub, for a Waiter may be switched there only."""
    run_callback = gevent.get_hub().loop.run_callback
    for at in range(0, len(waiters), WAKE_AT_ONCE):  # between these the hub may look at its timers
        run_callback(_switch_all, waiters[at : at + WAKE_AT_ONCE])


def _switch_all(waiters: Sequence[Waiter[None]]) -> None:
    for waiter in waiters:
        waiter.switch(None)
