"""When arrivals are due in the open model: a fixed plan, never re-based, so that a stall cannot hide.

The n-th arrival is intended at `t0 + n / rate`, plus a dither of up to 1 ms: append times are floors to whole
milliseconds, and arrivals in step with them would bias every leg.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

DITHER_NS = 1_000_000


class Schedule:
    """Constant arrivals, handed out one by one.

    Args:
        rate: arrivals per second of this process.
        start_ns: the instant of arrival 0.
        patience_ns: an arrival that nobody took this long after it was due is dropped, and counted.
        dither: returns a number from 0 to 1 for each arrival.
    """

    def __init__(self, rate: float, start_ns: int, patience_ns: int, dither: Callable[[], float]) -> None:
        if rate <= 0:
            raise ValueError(f"rate {rate}: arrivals per second must be more than 0")
        self.dropped = 0
        """Arrivals that nobody could take within the patience."""
        self._interval_ns = 1e9 / rate
        self._dither_ns = min(DITHER_NS, self._interval_ns)
        self._start_ns = start_ns
        self._patience_ns = patience_ns
        self._dither = dither
        self._next = 0
        self._given_back: list[int] = []

    def take(self, now_ns: int) -> int:
        """The intended start of the next arrival: past when it is overdue, else yet to be waited for."""
        while True:
            intended_ns = heapq.heappop(self._given_back) if self._given_back else self._new()
            if intended_ns >= now_ns - self._patience_ns:
                return intended_ns
            self.dropped += 1

    def give_back(self, intended_ns: int) -> None:
        """Whoever took this arrival will not start it: the next taker does."""
        heapq.heappush(self._given_back, intended_ns)

    def missed(self, now_ns: int) -> int:
        """Close the plan: how many arrivals were due by now and never started, those dropped before included."""
        while True:
            intended_ns = heapq.heappop(self._given_back) if self._given_back else self._new()
            if intended_ns > now_ns:
                return self.dropped
            self.dropped += 1

    def _new(self) -> int:
        intended_ns = self._start_ns + int(self._next * self._interval_ns + self._dither() * self._dither_ns)
        self._next += 1
        return intended_ns
