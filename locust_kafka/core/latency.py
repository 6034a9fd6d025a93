"""Latency series in HdrHistogram's buckets for 3 digits: 1 µs up to 2 ms, then 0.1 %.

Minimum, maximum and mean are exact.  Buckets are counted in a dict and percentiles are nearest ranks: a third of the
cost of the hdrhistogram package's `record_value`, and without its rounding of ranks to the nearer neighbour, which
shows in short series.  The package is the tests' oracle for the buckets.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any, Self

from locust_kafka.core import wire
from locust_kafka.core.bounds import MAX_ITEMS, at_most

PERCENTILES = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""Names and per mille."""
MAX_US = 10**11
"""More than a day: no other process can have seen more."""
BITS = 11
"""Significant bits of a bucket, which make 3 digits."""


def bucket_us(nanoseconds: int) -> int:
    """Round to the value that a 3-digit histogram would keep, in µs."""
    us = (nanoseconds + 500) // 1000
    shift = us.bit_length() - BITS
    return us if shift <= 0 else us >> shift << shift


class LatencySeries:
    """Latencies of one kind.

    What is recorded is only gathered; `aggregate` counts whole batches, which costs a fifth of counting each.
    """

    __slots__ = ("_count", "_counts", "_fresh", "_max_ns", "_min_ns", "_sum_ns", "extend", "record")

    def __init__(self) -> None:
        self._count = 0
        self._counts: Counter[int] = Counter()
        self._sum_ns = 0
        self._min_ns = 0
        self._max_ns = 0
        self._fresh: list[int] = []
        self.record: Callable[[int], None] = self._fresh.append
        """Add one latency in ns."""
        self.extend: Callable[[Iterable[int]], None] = self._fresh.extend
        """Add many."""

    @property
    def count(self) -> int:
        """How many."""
        return self._count + len(self._fresh)

    @property
    def sum_ns(self) -> int:
        """Of all of them, exact; and so are the next two."""
        self.aggregate()
        return self._sum_ns

    @property
    def min_ns(self) -> int:
        """The shortest; 0 when there is none."""
        self.aggregate()
        return self._min_ns

    @property
    def max_ns(self) -> int:
        """The longest; 0 when there is none."""
        self.aggregate()
        return self._max_ns

    def aggregate(self) -> None:
        """Count what was gathered; whoever records without ever reading calls this now and then."""
        fresh, counts = self._fresh, self._counts
        if not fresh:
            return
        low, high = min(fresh), max(fresh)
        if self._count:
            low, high = min(low, self._min_ns), max(high, self._max_ns)
        self._min_ns, self._max_ns = low, high
        self._sum_ns += sum(fresh)
        self._count += len(fresh)
        # `bucket_us` for all of them, without a call for each.
        counts.update([
            us if (shift := (us := (nanoseconds + 500) // 1000).bit_length() - BITS) <= 0 else us >> shift << shift
            for nanoseconds in fresh
        ])  # fmt: skip
        fresh.clear()  # never a new list: `record` and `extend` belong to this one

    def merge(self, other: LatencySeries) -> None:
        """Add all of another series; exact, as averaging percentiles would not be."""
        self.aggregate()
        other.aggregate()
        if not other._count:
            return
        self._counts.update(other._counts)
        self._min_ns = min(self._min_ns, other._min_ns) if self._count else other._min_ns
        self._max_ns = max(self._max_ns, other._max_ns) if self._count else other._max_ns
        self._sum_ns += other._sum_ns
        self._count += other._count

    def corrected(self, interval_ns: int) -> LatencySeries:
        """Corrected for coordinated omission, as HdrHistogram does it.

        For each latency longer than the expected interval between requests, those are added that the requests left out
        meanwhile would have had.

        Args:
            interval_ns: between the starts of two requests of one user, when nothing is in their way.
        """
        result = LatencySeries()
        result.merge(self)
        counts = result._counts
        for us, count in list(counts.items()):
            missed_ns = us * 1000 - interval_ns
            while missed_ns >= interval_ns > 0:
                missed = bucket_us(missed_ns)
                counts[missed] = counts.get(missed, 0) + count
                result._count += count
                result._sum_ns += count * missed_ns
                result._min_ns = min(result._min_ns, missed_ns)
                missed_ns -= interval_ns
        return result

    def cumulative(self, boundaries_us: tuple[int, ...]) -> list[int]:
        """How many latencies were at most so long, for ascending boundaries in µs (to the buckets' 3 digits)."""
        self.aggregate()
        ordered = sorted(self._counts.items())
        counts, seen, at = [], 0, 0
        for boundary in boundaries_us:
            while at < len(ordered) and ordered[at][0] <= boundary:
                seen += ordered[at][1]
                at += 1
            counts.append(seen)
        return counts

    def count_above(self, limit_ns: int) -> int:
        """How many were longer (to the buckets' 3 digits)."""
        return self.count - self.cumulative((limit_ns // 1000,))[0]

    def time_above(self, limit_ns: int) -> int:
        """By how much they were longer, added up in ns (to the buckets' 3 digits)."""
        self.aggregate()
        limit_us = limit_ns // 1000
        return sum(count * (us - limit_us) for us, count in self._counts.items() if us > limit_us) * 1000

    def summary(self) -> dict[str, float | int | None]:
        """count, and mean, min, p50, p90, p95, p99, p999, max in ms (None when nothing was recorded)."""
        names = ("mean", "min", *PERCENTILES, "max")
        if not self.count:
            return {"count": 0, **dict.fromkeys(names)}
        low, high = self.min_ns / 1e6, self.max_ns / 1e6
        result: dict[str, float | int | None] = {
            "count": self.count,
            "mean": round(self.sum_ns / self.count / 1e6, 6),
            "min": low,
        }
        for name, ns in zip(PERCENTILES, self.percentiles_ns(tuple(PERCENTILES.values())), strict=True):
            result[name] = ns / 1e6
        result["max"] = high
        return result

    def percentiles_ns(self, per_mille: tuple[int, ...]) -> list[int]:
        """Nearest-rank percentiles in ns, for ascending shares in per mille; of a series that is not empty."""
        self.aggregate()
        found: list[int] = []
        ordered = sorted(self._counts)
        seen = list(accumulate(map(self._counts.__getitem__, ordered)))
        for share in per_mille:
            # The nearest rank: the smallest value that at least the share of all values does not pass.
            us = ordered[bisect_left(seen, max(1, -(-self._count * share // 1000)))]
            # As HdrHistogram does, the bucket's upper edge: latency is rather overstated; but never past the maximum.
            upper_ns = (us + (1 << max(0, us.bit_length() - 11)) - 1) * 1000
            found.append(min(max(upper_ns, self._min_ns), self._max_ns))
        return found

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain numbers, and the buckets with their counts."""
        self.aggregate()
        return {
            "count": self.count,
            "sum_ns": self.sum_ns,
            "min_ns": self.min_ns,
            "max_ns": self.max_ns,
            "buckets": [*self._counts.items()],
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`.

        Raises:
            LookupError, TypeError, ValueError: the data is not of that form.
        """
        series = cls()
        series._count, series._sum_ns = wire.count(data["count"]), wire.signed(data["sum_ns"])
        series._min_ns, series._max_ns = wire.signed(data["min_ns"]), wire.signed(data["max_ns"])
        buckets = at_most(data["buckets"], MAX_ITEMS)
        series._counts = Counter({wire.signed(us): wire.count(count) for us, count in buckets})
        if max(map(abs, (series._min_ns // 1000, series._max_ns // 1000, *series._counts))) > MAX_US:
            raise ValueError(f"a latency above {MAX_US} µs")
        if series._count != sum(series._counts.values()) or series._min_ns > series._max_ns:
            raise ValueError("a latency series contradicts itself")
        return series
