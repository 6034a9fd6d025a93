"""Native threads beside gevent's hub, and the one way their findings reach it.

Under Locust, `threading`, `time.sleep` and every lock are patched: a native thread that touched them would touch the
hub.  What it may use is here: the original functions, a deque, and the hub's async watcher.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import gevent
from gevent import monkey
from gevent.hub import Waiter

T = TypeVar("T")

WAKE_AT_ONCE = 16

start_new_thread: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")
allocate_lock: Callable[[], Any] = monkey.get_original("_thread", "allocate_lock")


class Bell:
    """Wakes one greenlet: gevent's Event for a single listener, without its timeouts and links."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: Waiter[None] | None = None

    def ring(self) -> None:
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


class Handover(Generic[T]):
    """From any native thread to one greenlet, in order.

    The async watcher's callback runs in the hub and only wakes; the greenlet takes.

    Args:
        bell: is rung when there is something; hand-overs served by the same greenlet share one.
    """

    def __init__(self, bell: Bell) -> None:
        self._items: deque[T] = deque()
        self._async = gevent.get_hub().loop.async_()
        self._async.start(bell.ring)

    def put(self, item: T) -> None:
        """From a native thread: add an item and wake the greenlet."""
        self._items.append(item)
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


class NativeThread:
    """One native thread; its end can be waited for from a greenlet.

    Args:
        body: what it runs; must not touch gevent, Locust, logging or a patched lock.
        on_death: is called in the native thread with the exception, should `body` raise.
    """

    def __init__(self, body: Callable[[], None], on_death: Callable[[BaseException], None]) -> None:
        self._body = body
        self._on_death = on_death
        self.ended = False

    def start(self) -> None:
        """Start it."""
        start_new_thread(self._run, ())

    def join(self, timeout_s: float) -> bool:
        """Wait for its end from a greenlet; False when it did not come in time."""
        with gevent.Timeout(timeout_s, False):
            while not self.ended:
                gevent.sleep(0.005)
        return self.ended

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as death:
            self._on_death(death)
        finally:
            self.ended = True


def interrupt_main_greenlet() -> None:
    """Have Ctrl-C raised in the main greenlet, never in one of ours that is in the middle of the books."""
    hub = gevent.get_hub()
    gevent.signal_handler(signal.SIGINT, lambda: hub.handle_system_error(KeyboardInterrupt, KeyboardInterrupt()))
