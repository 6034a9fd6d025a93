"""Latency series in HdrHistogram's buckets for 3 digits: 1 µs up to 2 ms, then 0.1 %.

Minimum, maximum and mean are exact.  Buckets are counted in a dict and percentiles are nearest ranks: a third of the
cost of the hdrhistogram package's `record_value`, and without its rounding of ranks to the nearer neighbour, which
shows in short series.  The package is the tests' oracle for the buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

PERCENTILES = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999}
"""Names and per mille."""


def bucket_us(nanoseconds: int) -> int:
    """Round to the value that a 3-digit histogram would keep, in µs: 11 significant bits."""
    us = (nanoseconds + 500) // 1000
    shift = us.bit_length() - 11
    return us if shift <= 0 else us >> shift << shift


class LatencySeries:
    """Latencies of one kind.

    Attributes:
        count: how many.
        sum_ns: of all of them, exact; and so are the next two.
        min_ns: the shortest; 0 when there is none.
        max_ns: the longest.
    """

    __slots__ = ("_counts", "count", "max_ns", "min_ns", "sum_ns")

    def __init__(self) -> None:
        self.count = 0
        self._counts: dict[int, int] = {}
        self.sum_ns = 0
        self.min_ns = 0
        self.max_ns = 0

    def record(self, nanoseconds: int) -> None:
        """Add one latency, not negative."""
        us = bucket_us(nanoseconds)
        counts = self._counts
        counts[us] = counts.get(us, 0) + 1
        self.sum_ns += nanoseconds
        if nanoseconds > self.max_ns:
            self.max_ns = nanoseconds
        if nanoseconds < self.min_ns or not self.count:
            self.min_ns = nanoseconds
        self.count += 1

    def merge(self, other: LatencySeries) -> None:
        """Add all of another series; exact, as averaging percentiles would not be."""
        if not other.count:
            return
        for us, count in other._counts.items():
            self._counts[us] = self._counts.get(us, 0) + count
        self.min_ns = min(self.min_ns, other.min_ns) if self.count else other.min_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        self.sum_ns += other.sum_ns
        self.count += other.count

    def cumulative(self, boundaries_us: tuple[int, ...]) -> list[int]:
        """How many latencies were at most so long, for ascending boundaries in µs (to the buckets' 3 digits)."""
        ordered = sorted(self._counts.items())
        counts, seen, at = [], 0, 0
        for boundary in boundaries_us:
            while at < len(ordered) and ordered[at][0] <= boundary:
                seen += ordered[at][1]
                at += 1
            counts.append(seen)
        return counts

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
        found: list[int] = []
        seen, us, ordered = 0, 0, iter(sorted(self._counts.items()))
        for share in per_mille:
            # The nearest rank: the smallest value that at least the share of all values does not pass.
            while seen < -(-self.count * share // 1000):
                us, count = next(ordered)
                seen += count
            # As HdrHistogram does, the bucket's upper edge: latency is rather overstated; but never past the maximum.
            upper_ns = (us + (1 << max(0, us.bit_length() - 11)) - 1) * 1000
            found.append(min(max(upper_ns, self.min_ns), self.max_ns))
        return found

    def to_wire(self) -> dict[str, Any]:
        """For the master: plain numbers and the encoded histogram."""
        return {
            "count": self.count,
            "sum_ns": self.sum_ns,
            "min_ns": self.min_ns,
            "max_ns": self.max_ns,
            "buckets": list(self._counts.items()),
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_wire`."""
        series = cls()
        series.count = data["count"]
        series.sum_ns = data["sum_ns"]
        series.min_ns = data["min_ns"]
        series.max_ns = data["max_ns"]
        series._counts = dict(data["buckets"])
        return series
