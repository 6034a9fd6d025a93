"""A timer for the hub that is on time.

gevent's own timers wait in whole milliseconds, rounded up: an arrival would start a millisecond late.  Linux's timerfd
wakes the hub through a file instead, some 60 µs after the instant.  Where there is none, gevent's timer must do.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from time import perf_counter_ns

import gevent
from gevent.hub import Waiter

_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0
_NS = 1_000_000_000


class _Timer(ctypes.Structure):
    """`struct itimerspec` of timerfd_create(2): the interval, unused, and the time from now."""

    _fields_ = (
        ("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )  # fmt: skip


class HubTimer:
    """Wakes one greenlet at an instant of `perf_counter_ns`, or when it is rung before."""

    def __init__(self) -> None:
        self._hub = gevent.get_hub()
        self._waiter: Waiter[None] | None = None
        self._timer = _Timer()
        self._file = -1
        if sys.platform == "linux":
            libc = ctypes.CDLL(None, use_errno=True)
            self._file = libc.timerfd_create(_MONOTONIC, _FLAGS)
            self._settime, self._pointer = libc.timerfd_settime, ctypes.byref(self._timer)  # made once
        if self._file >= 0:
            self._watcher = self._hub.loop.io(self._file, 1)
            self._watcher.start(self._fired)

    def wait_until(self, instant_ns: float) -> None:
        """Wait for the instant (infinite: for `notify` alone)."""
        remaining_ns = instant_ns - perf_counter_ns()
        if remaining_ns <= 0:
            return
        self._waiter = Waiter(self._hub)
        timeout = None
        try:
            if remaining_ns < 86400 * _NS:
                if self._file >= 0:
                    self._set(max(1, math.ceil(remaining_ns)))  # none left at all would turn the timer off
                else:
                    timeout = self._hub.loop.timer(remaining_ns / _NS)
                    timeout.start(self.notify)
            self._waiter.get()
        finally:
            self._waiter = None
            if timeout is not None:
                timeout.close()

    def notify(self) -> None:
        """Wake it now; from the hub or any greenlet."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._hub.loop.run_callback(waiter.switch, None)

    def close(self) -> None:
        """Give the file back."""
        if self._file >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._file)
            self._file = -1

    def _set(self, remaining_ns: int) -> None:
        self._timer.value_s, self._timer.value_ns = divmod(remaining_ns, _NS)
        self._settime(self._file, 0, self._pointer, None)

    def _fired(self) -> None:
        os.read(self._file, 8)  # or the file stays readable, and the hub awake
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.switch(None)
