"""Is a run slower than an earlier one?  A difference counts only when it is beyond the noise of both runs.

The noise is found by batch means: each run is cut into six parts of equal length, and the parts' medians of the
seconds' percentiles are compared on a logarithmic scale by Welch's t interval at 99 %.  Parts, because what holds one
second up holds the next one up too; medians, because one stall says nothing.  A regression is a change that is larger
than what is allowed, and whose interval does not contain "no change".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, median, variance
from typing import NamedTuple

from locust_kafka.core.checks import Judged
from locust_kafka.core.history import Row

FIGURES = ("p50_ms", "p95_ms", "p99_ms")
PARTS = 6
QUANTILE = 4.032
"""Student's t at 99.5 % for PARTS - 1 degrees of freedom: Welch's are at least so many, so the interval is wide."""
MIN_SECONDS = 24
"""Shorter parts than four seconds are too much alike to tell the noise."""


class Change(NamedTuple):
    """How one figure differs from the baseline's.

    Attributes:
        figure: "e2e p95" and the like.
        before: the baseline's, in ms: the geometric mean of its parts.
        after: this run's.
        ratio: after ÷ before.
        low: lower end of the ratio's 99 % interval.
        high: upper end.
        allowed: a ratio above 1 + this is a regression, if the noise does not explain it.
    """

    figure: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    allowed: float

    @property
    def beyond_noise(self) -> bool:
        """Whether the runs differ at all."""
        return not self.low <= 1.0 <= self.high

    @property
    def regressed(self) -> bool:
        """Whether this run is slower, by more than is allowed and beyond the noise."""
        return self.ratio > 1.0 + self.allowed and self.beyond_noise

    @property
    def judged(self) -> Judged:
        """As a check: what was asked, and what was found."""
        if self.regressed:
            kind = "slower beyond the noise of both runs"
        else:
            kind = "a difference that is allowed" if self.beyond_noise else "within the noise"
        return Judged(
            f"{self.figure} at most {self.allowed:.0%} slower than the baseline",
            f"{self.ratio - 1:+.1%}",
            not self.regressed,
            f"{self.before:.2f} ms before, {self.after:.2f} ms now, 99 % interval {self.low - 1:+.1%} to "
            f"{self.high - 1:+.1%}: {kind}",
            self.ratio,
        )


def compare(before: Iterable[Row], after: Iterable[Row], allowed: float) -> list[Change]:
    """Compare two runs.

    Args:
        before: the baseline's seconds.
        after: this run's.
        allowed: how much slower it may be: 0.1 for 10 %.

    Raises:
        ValueError: one of them is too short.
    """
    old, new = list(before), list(after)
    changes = []
    for figure in FIGURES:
        one, other = _values(old, figure), _values(new, figure)
        for what, values in (("the baseline", one), ("this run", other)):
            if len(values) < MIN_SECONDS:
                raise ValueError(
                    f"{what} has {len(values)} seconds with a latency; {MIN_SECONDS} are needed to know its noise"
                )
        changes.append(_change(f"e2e {figure.removesuffix('_ms')}", one, other, allowed))
    return changes


def _values(rows: list[Row], figure: str) -> list[float]:
    """The figure of each second; the first and the last are not whole."""
    return [value for row in rows[1:-1] if (value := getattr(row, figure)) is not None]


def _change(figure: str, one: Sequence[float], other: Sequence[float], allowed: float) -> Change:
    before, after = _parts(one), _parts(other)
    difference = fmean(after) - fmean(before)
    width = QUANTILE * sqrt((variance(before) + variance(after)) / PARTS)
    low, high = exp(difference - width), exp(difference + width)
    return Change(figure, exp(fmean(before)), exp(fmean(after)), exp(difference), low, high, allowed)


def _parts(values: Sequence[float]) -> list[float]:
    """The logarithm of each part's median."""
    bounds = [len(values) * part // PARTS for part in range(PARTS + 1)]
    return [log(max(median(values[low:high]), 1e-3)) for low, high in pairwise(bounds)]
