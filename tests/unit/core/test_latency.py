"""Laws of latency series."""

from __future__ import annotations

import math

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.latency import LatencySeries, bucket_us

HDR = HdrHistogram(1, 10**11, 3)
LATENCIES = st.lists(st.integers(0, 10**12), min_size=1, max_size=200)


@given(LATENCIES)
def test_percentiles_are_within_their_digits(values: list[int]) -> None:
    """Each percentile is the exact one of the samples within 0.1 % or 1 µs; minimum, maximum, mean are exact."""
    series = LatencySeries()
    for value in values:
        series.record(value)
    summary = series.summary()
    ordered = sorted(values)
    assert summary["count"] == len(values)
    assert summary["min"] == ordered[0] / 1e6
    assert summary["max"] == ordered[-1] / 1e6
    assert math.isclose(summary["mean"] or 0, sum(values) / len(values) / 1e6, rel_tol=1e-9, abs_tol=1e-6)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
        exact = ordered[max(0, math.ceil(share * len(values) - 1e-9) - 1)] / 1e6
        found = summary[name]
        assert found is not None
        assert summary["min"] <= found <= summary["max"]
        assert abs(found - exact) <= max(0.0011, exact * 0.001), name


@given(LATENCIES, LATENCIES)
def test_merging_is_recording_together(left: list[int], right: list[int]) -> None:
    """A merged series, also over the wire, equals one that recorded everything."""
    a, b, both = LatencySeries(), LatencySeries(), LatencySeries()
    for value in left:
        a.record(value)
        both.record(value)
    for value in right:
        b.record(value)
        both.record(value)
    a.merge(LatencySeries.from_wire(b.to_wire()))
    assert a.summary() == both.summary()


@given(st.integers(0, 10**13))
def test_buckets_are_those_of_a_three_digit_histogram(nanoseconds: int) -> None:
    """The bucket is named by the lowest value that HdrHistogram holds equivalent."""
    us = (nanoseconds + 500) // 1000
    assert bucket_us(nanoseconds) == HDR.get_lowest_equivalent_value(us)


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=60), st.integers(1, 500))
def test_the_correction_is_hdrhistograms(values_us: list[int], interval_us: int) -> None:
    """Omitted requests get what HdrHistogram's recordValueWithExpectedInterval (in Java) would have recorded."""
    series, expected = LatencySeries(), LatencySeries()
    for us in values_us:
        series.record(us * 1000)
        for omitted in [us, *range(us - interval_us, interval_us - 1, -interval_us)]:
            expected.record(omitted * 1000)
    assert series.corrected(interval_us * 1000).summary() == expected.summary()


@given(st.lists(st.one_of(st.none(), st.lists(st.integers(-(10**6), 10**10))), max_size=20))
def test_when_it_is_counted_never_shows(steps: list[list[int] | None]) -> None:
    """Gathered and counted (None) in any order, one by one or many at once, a series is that of its values."""
    stepped, whole = LatencySeries(), LatencySeries()
    for step in steps:
        if step is None:
            stepped.aggregate()
        else:
            stepped.extend(step)
            for value in step:
                whole.record(value)
    assert stepped.summary() == whole.summary()


def test_an_empty_series_says_so() -> None:
    """Without a value there is no percentile, rather than a zero."""
    assert LatencySeries().summary()["p99"] is None
