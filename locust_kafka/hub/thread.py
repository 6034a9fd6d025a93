"""Native threads beside gevent's hub.

Under Locust, `threading`, `time.sleep` and every lock are patched: a native thread that used them would use the hub.
A native thread may use the original functions that stand here, a deque, and `HubQueue`.
"""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent import monkey

start_new_thread: Callable[..., int] = monkey.get_original("_thread", "start_new_thread")
native_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


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
