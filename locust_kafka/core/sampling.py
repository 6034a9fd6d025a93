"""Which exchanges are traced.  Two decisions: at the start by ratio and cap, at the end by what became of it.

The ratio follows OpenTelemetry's TraceIdRatioBased sampler: the low 64 bits of the trace id against a bound, so that
every service that samples by the same ratio keeps the same traces.
"""

from __future__ import annotations

import enum
import math

SECOND_NS = 1_000_000_000


class Reason(enum.IntEnum):
    """Why an exchange's spans are exported."""

    SAMPLED = 0
    """Chosen at its start; the request said so, and the service's spans are there too."""
    SLOW = 1
    TIMED_OUT = 2
    UNDELIVERED = 3
    UNFINISHED = 4
    LATE = 5
    DUPLICATE = 6
    UNEXPECTED = 7


_SAMPLED = int(Reason.SAMPLED)  # an enum member as an index costs twice as much as a number


class Budget:
    """At most so many a second; what one second left is there in the next, but no more than that.

    Args:
        per_second: 0 for none at all.
    """

    __slots__ = ("_interval_ns", "_next_ns", "_slack_ns")

    def __init__(self, per_second: float) -> None:
        self._interval_ns = SECOND_NS / per_second if per_second else math.inf
        self._slack_ns = max(0.0, SECOND_NS - self._interval_ns)
        self._next_ns = 0.0 if per_second else math.inf

    def take(self, now_ns: int) -> bool:
        """Whether one more may pass."""
        next_ns = self._next_ns  # when the next one would come if all came evenly; a burst runs ahead of it
        if next_ns > now_ns + self._slack_ns:
            return False
        self._next_ns = (next_ns if next_ns > now_ns else now_ns) + self._interval_ns
        return True


class Sampling:
    """Both decisions, and the counts of what they did.  Pure: instants are given.

    Args:
        ratio: the share of exchanges to sample at their start, 0 to 1.
        per_second: the most of them in a second.
        keep_per_second: the most exchanges in a second that are kept at their end for what became of them.
    """

    def __init__(self, ratio: float, per_second: float, keep_per_second: float) -> None:
        self._bound = None if ratio >= 1 else round(ratio * (1 << 64))
        self._head = Budget(per_second)
        self._keep = Budget(keep_per_second)
        self.kept = [0] * len(Reason)
        """How many were kept, by Reason."""
        self.suppressed = [0] * len(Reason)
        """How many would have been, had the caps allowed it."""

    def sample(self, trace_id: bytes, now_ns: int) -> bool:
        """Decide at the start; the trace id as 32 hex digits."""
        if self._bound is not None and int(trace_id[16:], 16) >= self._bound:
            return False
        taken = self._head.take(now_ns)
        if not taken:
            self.suppressed[_SAMPLED] += 1
        return taken

    def keep(self, reason: Reason, now_ns: int) -> bool:
        """Decide at the end about an exchange that was not sampled and is worth keeping."""
        if self._keep.take(now_ns):
            self.kept[reason] += 1
            return True
        self.suppressed[reason] += 1
        return False
