"""Laws of trace ids, books, latencies and the schedule."""

from __future__ import annotations

import math
import uuid

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Books, Outcome, Verdict, equations
from locust_kafka.core.examples import Example
from locust_kafka.core.latency import LatencySeries, bucket_us
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.core.traceparent import (
    Entropy,
    TraceIds,
    parse_traceparent,
    request_traceparent,
    root_span_id,
    trace_id_of,
)

HDR = HdrHistogram(1, 10**11, 3)
COUNTS = st.integers(0, 10**6)
LATENCIES = st.lists(st.integers(0, 10**12), min_size=1, max_size=200)


def test_ids_carry_their_generation_and_are_readable() -> None:
    """New ids are valid by the W3C rules, differ, and begin with the run's prefix."""
    ids = TraceIds()
    drawn = [ids.new() for _ in range(1000)]
    assert len({trace_id for trace_id, _, _ in drawn}) == 1000
    for trace_id, traceparent, _ in drawn:
        assert traceparent == request_traceparent(trace_id, sampled=False)
        assert trace_id.startswith(ids.generation)
        for sampled in (True, False):
            context = parse_traceparent(request_traceparent(trace_id, sampled))
            assert context == (trace_id, root_span_id(trace_id), int(sampled))


def test_an_all_zero_span_id_is_never_sent() -> None:
    """W3C forbids it, and the root's span id is the trace id's end: so the ids are drawn again."""
    draws = [b"\1\2\3\4", (b"\5" * 4 + b"\0" * 8) * 2, b"\1" * 32, b"\6" * 12, b"\2" * 16]
    ids = TraceIds(entropy=lambda _count: draws.pop(0))
    assert ids.new()[0] == b"01020304" + b"06" * 12


@given(st.lists(st.integers(1, 5000), max_size=60))
def test_random_bytes_are_never_given_twice(counts: list[int]) -> None:
    """What is taken, in whatever pieces, is what the source gave, in order, with nothing used again."""
    given_out: list[bytes] = []

    def source(count: int) -> bytes:
        given_out.append(bytes((len(given_out) * 31 + n * 7) % 256 for n in range(count)))
        return given_out[-1]

    entropy = Entropy(source)
    for count in counts:
        before = len(given_out)
        taken = entropy.take(count)
        assert len(taken) == count
        if len(given_out) > before:
            position = 0
        assert given_out[-1][position : position + count] == taken
        position += count


@given(st.text("00f1-", min_size=54, max_size=56), st.integers(0, 54), st.sampled_from(" -gG0F\n"), st.booleans())
def test_a_trace_id_is_read_as_the_whole_header_is(digits: str, at: int, odd: str, zeros: bool) -> None:
    """The short look at a header accepts what the long one does, and nothing else, however near it comes."""
    near = bytearray(b"00-" + digits.encode()[:32] + b"-" + digits.encode()[36:52] + b"-01")
    if zeros:
        near[36:52] = b"0" * 16
    for header in (digits.encode(), bytes(near), bytes(near[:at]) + odd.encode() + bytes(near[at + 1 :])):
        context = parse_traceparent(header)
        assert trace_id_of(header) == (context.trace_id if context else None)


def test_keys_are_uuids() -> None:
    """Version 4, variant 1, all different."""
    ids = TraceIds()
    keys = {ids.new()[2] for _ in range(1000)}
    assert len(keys) == 1000
    uuids = [uuid.UUID(key.decode()) for key in keys]
    assert {str(one).encode() for one in uuids} == keys
    assert {(one.version, one.variant) for one in uuids} == {(4, uuid.RFC_4122)}


def test_forbidden_traceparents_are_refused() -> None:
    """Zero ids, upper case, version ff, a version 00 with a tail, short fields."""
    good = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"
    assert trace_id_of(good) == b"0af7651916cd43dd8448eb211c80319c"
    assert trace_id_of(b"01" + good[2:] + b"-more") == b"0af7651916cd43dd8448eb211c80319c"
    for bad in (
        None, b"", good.upper(), b"ff" + good[2:], good + b"-more", good[:-1], good.replace(b"-b7ad6b7169203331", b""),
        b"00-" + b"0" * 32 + good[35:], good[:36] + b"0" * 16 + b"-01", good + b"\n",
    ):  # fmt: skip
        assert trace_id_of(bad) is None, bad


@given(st.lists(COUNTS, min_size=5, max_size=5), st.lists(COUNTS, min_size=7, max_size=7), COUNTS)
def test_books_survive_the_wire_and_add_up(outcomes: list[int], verdicts: list[int], pending: int) -> None:
    """to_dict and from_dict are inverse, adding twice doubles, and losing the pending leaves none."""
    books = Books(sum(outcomes) + pending, outcomes, verdicts)
    assert Books.from_dict(books.to_dict()) == books
    twice = Books()
    twice.add(books)
    twice.add(books)
    assert twice.registered == 2 * books.registered
    assert twice.pending == 2 * pending
    twice.lose_pending()
    assert twice.pending == 0


def test_each_equation_can_fail() -> None:
    """A wrong count anywhere breaks at least one law."""

    def books() -> Books:
        return Books(3, [2, 1, 0, 0, 0], [2, 0, 0, 0, 0, 1, 0])

    assert all(law.holds for law in equations(books(), [books_of_names()], 3, closed=True))
    for spoil in (
        lambda b: setattr(b, "registered", 4), lambda b: setattr(b, "registered", 2),
        lambda b: b.outcomes.__setitem__(Outcome.MATCHED, 1), lambda b: b.verdicts.__setitem__(Verdict.LATE, 1),
        lambda b: b.verdicts.__setitem__(Verdict.MATCH, 3),
    ):  # fmt: skip
        spoiled = books()
        spoil(spoiled)
        assert not all(law.holds for law in equations(spoiled, [books_of_names()], 3, closed=True))
    assert not all(law.holds for law in equations(books(), [], 3, closed=True))
    assert not all(law.holds for law in equations(books(), [books_of_names()], 4, closed=True))


def books_of_names() -> Books:
    return Books(3, [2, 1, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0])


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


def test_a_ledger_survives_the_wire() -> None:
    """What a worker sends, the master reads: counts, latencies, notes and sentences."""
    ledger = RunResults()
    ledger.total = Books(2, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0])
    ledger.replies_read = 1
    ledger.name("n").books = Books(2, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0])
    ledger.name("n").e2e_matched.record(5_000_000)
    ledger.examples.add(Example("slowest", "n", 5_000_000, "0" * 32, Legs(1, 2, None, 4, 5)))
    ledger.clocks["1"] = (0.5, 0.25)
    ledger.note("dropped", 3)
    ledger.invalid.append("because")
    copy = RunResults.from_wire(ledger.to_wire())
    assert copy.to_wire() == ledger.to_wire()
    assert copy.balanced(closed=False)
    assert not copy.balanced(closed=True)
    copy.lose_pending()
    assert copy.balanced(closed=True)
