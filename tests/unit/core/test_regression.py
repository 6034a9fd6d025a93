"""Laws of the comparison with an earlier run."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locust_kafka.core.history import Row
from locust_kafka.core.regression import MIN_SECONDS, compare


def a_run(seed: int, seconds: int = 40, factor: float = 1.0, noise: float = 0.15) -> list[Row]:
    """Seconds whose latencies wander: what holds one up holds the next one up, too."""
    draw, drift, rows = random.Random(seed), 0.0, []
    for at_s in range(seconds):
        drift = 0.7 * drift + draw.gauss(0, noise)
        p50 = factor * 20 * max(0.2, 1 + drift)
        rows.append(Row(at_s, 1.0, 1, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, p50, 2 * p50, 4 * p50 * (1 + draw.random()),
                        None, None, None, None, None, 0.0, 0.5))  # fmt: skip
    return rows


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_two_equal_runs_are_no_regression(seed: int) -> None:
    """Whatever the noise, a run that is like the other is not called slower by a tenth."""
    assert not any(change.regressed for change in compare(a_run(seed), a_run(seed + 1, noise=0.05), 0.5))
    for change in compare(a_run(seed), a_run(seed), 0.0):
        assert change.ratio == 1.0
        assert not change.regressed


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_a_run_that_is_slower_by_a_fifth_is_found(seed: int) -> None:
    """With the noise of a quiet machine, 20 % more are a regression of more than 10 %; and 20 % less never are."""
    slower = compare(a_run(seed, noise=0.02), a_run(seed + 1, factor=1.2, noise=0.02), 0.1)
    assert slower[0].regressed
    assert slower[0].judged.reason.endswith("slower beyond the noise of both runs")
    assert not slower[0].judged.passed
    faster = compare(a_run(seed, factor=1.2, noise=0.02), a_run(seed + 1, noise=0.02), 0.1)
    assert not any(change.regressed for change in faster)
    assert faster[0].beyond_noise
    assert faster[0].judged.reason.endswith("a difference that is allowed")
    assert faster[0].judged.passed


def test_what_is_allowed_is_no_regression() -> None:
    """A difference beyond the noise and below what is allowed is said, and passes."""
    changes = compare(a_run(1, noise=0.01), a_run(2, factor=1.2, noise=0.01), 0.5)
    assert all(change.beyond_noise and not change.regressed for change in changes[:2])


def test_noise_hides_a_small_difference() -> None:
    """A difference that the seconds of the runs themselves show is within the noise."""
    changes = compare(a_run(1, noise=0.1), a_run(2, factor=1.03, noise=0.1), 0.0)
    assert not any(change.regressed for change in changes)
    assert changes[0].judged.reason.endswith("within the noise")


@given(st.integers(0, MIN_SECONDS + 1))
def test_too_short_is_a_sentence(seconds: int) -> None:
    """So many whole seconds are needed on both sides, and the sentence says which one has fewer."""
    for before, after, what in ((seconds, 40, "the baseline"), (40, seconds, "this run")):
        with pytest.raises(ValueError, match=f"{what} has .* seconds with a latency"):
            compare(a_run(1, before), a_run(2, after), 0.1)
    assert compare(a_run(1, MIN_SECONDS + 2), a_run(2, MIN_SECONDS + 2), 0.1)


def test_equal_runs_differ_by_noise_as_often_as_they_may() -> None:
    """Of 300 pairs of equal runs whose seconds hang together, some 1 in 100 lies outside its own 99 % interval."""
    outside = sum(
        compare(a_run(2 * n, noise=0.1), a_run(2 * n + 1, noise=0.1), 0.0)[0].beyond_noise for n in range(300)
    )
    assert outside <= 9


def test_a_difference_that_chance_explains_is_no_regression() -> None:
    """Of equal, noisy runs many differ by more than a tenth; as long as the interval holds "no change" none regressed."""
    pairs = [compare(a_run(2 * n, noise=0.2), a_run(2 * n + 1, noise=0.2), 0.1)[0] for n in range(100)]
    by_chance = [change for change in pairs if change.ratio > 1.1 and not change.beyond_noise]
    assert len(by_chance) > 10
    assert not any(change.regressed for change in by_chance)
