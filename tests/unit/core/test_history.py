"""Laws of a run second by second."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core import history
from locust_kafka.core.books import Outcome
from locust_kafka.core.counters import Counters
from locust_kafka.core.history import History, Second, merged
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults

MS = 1_000_000
FIELDS = [one.name for one in dataclasses.fields(Counters)]
COUNTERS = st.lists(st.integers(0, 1000), min_size=len(FIELDS), max_size=len(FIELDS)).map(
    lambda values: Counters(*values)
)
LATENCIES = st.lists(st.integers(0, 10**9), max_size=20)


def series(values: list[int]) -> LatencySeries:
    one = LatencySeries()
    one.extend(values)
    return one


SECONDS = st.builds(
    Second, at_s=st.integers(100, 160), length_s=st.floats(0.5, 3), counters=COUNTERS, e2e=LATENCIES.map(series),
    pending=st.integers(0, 9), users=st.integers(0, 9), hub_lag_ns=st.integers(0, 10**8),
    hub_core=st.floats(0, 1),
)  # fmt: skip


def total(of: Counters) -> list[int]:
    return [getattr(of, name) for name in FIELDS]


@given(st.lists(COUNTERS, min_size=1, max_size=8))
def test_differences_add_up_to_the_whole(steps: list[Counters]) -> None:
    """What happened between successive moments, added up, is what happened from the first to the last."""
    moments = [Counters()]
    for step in steps:
        moment = dataclasses.replace(moments[-1])
        moment.add(step)
        moments.append(moment)
    summed = Counters()
    for before, after in itertools.pairwise(moments):
        summed.add(after.since(before))
    assert total(summed) == total(moments[-1])


def test_a_reset_counts_from_zero() -> None:
    """A latency series that begins again is no negative latency."""
    before, after = (
        Counters(registered=10, request_ns=900, request_count=9),
        Counters(registered=12, request_ns=50, request_count=1),
    )
    between = after.since(before)
    assert (between.registered, between.request_ns, between.request_count) == (2, 50, 1)


@given(st.lists(SECONDS, max_size=80))
def test_nothing_is_lost_between_processes(seconds: list[Second]) -> None:
    """In whatever order seconds come, the counts of all rows add up to those that were added, and rows are in order."""
    expected = [sum(column) for column in zip(*(total(second.counters) for second in seconds), strict=True)] or [
        0
    ] * len(FIELDS)
    ended = sum(second.e2e.count for second in seconds)
    whole = History()
    for second in seconds:
        whole.add(Second.from_wire(json.loads(json.dumps(second.to_wire()))))
    rows = whole.rows()
    assert [row.at_s for row in rows] == sorted({row.at_s for row in rows})
    for name in ("registered", "matched", "timed_out", "late", "duplicates", "due", "dropped"):
        assert sum(getattr(row, name) for row in rows) == expected[FIELDS.index(name)]
    assert all((row.p99_ms is None) == (row.p50_ms is None) for row in rows)
    assert (ended == 0) == all(row.p50_ms is None for row in rows)


@given(SECONDS, SECONDS)
def test_workers_are_added_and_successive_seconds_follow(one: Second, other: Second) -> None:
    """At the same time users and pending add up; one after the other the later one stands, and lengths add up."""
    both, after = merged([one]), merged([one, other])
    both.add(other, same_time=True)
    assert (both.users, both.pending) == (one.users + other.users, one.pending + other.pending)
    assert (after.users, after.pending, after.at_s) == (other.users, other.pending, other.at_s)
    assert after.length_s == one.length_s + other.length_s
    for sum_ in (both, after):
        assert sum_.e2e.count == one.e2e.count + other.e2e.count
        assert sum_.hub_lag_ns == max(one.hub_lag_ns, other.hub_lag_ns)


def test_a_row_is_a_rate_and_figures_in_ms() -> None:
    """Counts over the second's own length; what no exchange told is None."""
    second = Second(
        5, 2.0, Counters(registered=10, due=12, request_ns=4 * MS, request_count=2), series([MS] * 99 + [50 * MS])
    )
    row = second.row()
    assert (row.achieved_rate, row.offered_rate, row.request_ms, row.service_ms) == (5.0, 6.0, 2.0, None)
    assert (row.p50_ms, row.p99_ms) == (1.0, 1.0)
    assert Second(5).row().p99_ms is None


def test_memory_is_bounded() -> None:
    """A run of days keeps at most so many rows; a row then stands for several seconds, with the worst of them."""
    whole = History()
    for at_s in range(3 * history.MAX_ROWS):
        whole.add(Second(at_s, 1.0, Counters(registered=1), series([90 * MS if at_s == 5 else MS])))
    rows = whole.rows()
    assert len(rows) <= history.MAX_ROWS + history.MERGE_S + 1
    assert sum(row.registered for row in rows) == 3 * history.MAX_ROWS
    assert max(row.p99_ms or 0 for row in rows) == 90.0


def test_the_latest_interval_leaves_the_unfinished_second_out() -> None:
    """The last second may not have been told by every worker yet."""
    whole = History()
    assert whole.latest(10) is None
    for at_s in range(20):
        whole.add(Second(at_s, 1.0, Counters(registered=at_s)))
    latest = whole.latest(3)
    assert latest is not None
    assert (latest.at_s, latest.length_s, latest.counters.registered) == (18, 3.0, 16 + 17 + 18)


def test_counters_are_those_of_the_results() -> None:
    """The books' counts and the legs of all names."""
    results = RunResults()
    results.total.registered, results.total.outcomes[Outcome.MATCHED] = 3, 2
    for name in ("a", "b"):
        results.name(name).request.extend([MS, 2 * MS])
    counters = Counters.of(results)
    assert (counters.registered, counters.matched, counters.request_count) == (3, 2, 4)
    assert counters.mean_ms("request") == 1.5


def test_an_open_row_grows() -> None:
    """A second that was shown before another worker has reported it shows both afterwards."""
    whole = History()
    whole.add(Second(1, 1.0, Counters(registered=2), series([MS])))
    assert [row.registered for row in whole.rows()] == [2]
    whole.add(Second(1, 1.0, Counters(registered=3), series([9 * MS])))
    assert [(row.registered, row.p99_ms) for row in whole.rows()] == [(5, 9.0)]


NOTES = st.lists(st.tuples(st.integers(100, 130), st.none() | st.integers(0, 99), st.integers(0, 1)), max_size=30)


@given(NOTES, st.booleans())
def test_the_lag_stands_in_its_second(notes: list[tuple[int, int | None, int]], first: bool) -> None:
    """A note that comes before its second, or after it, stands there with the most that was seen; none is made up."""
    kept = History()
    seconds = range(131 - history.MERGE_S, 131)
    for at_s in seconds:
        for note in notes:
            if first and note[0] == at_s:
                kept.annotate(*note)
        kept.add(Second(at_s, pending=2))
    for note in notes:
        if not first:
            kept.annotate(*note)
    rows = {row.at_s: row for row in kept.rows()}
    assert list(rows) == list(seconds)
    for at_s, row in rows.items():
        mine = [note for note in notes if note[0] == at_s]
        assert (row.pending, row.length_s) == (2, 1.0)
        assert row.rebalances == sum(count for _at, _lag, count in mine)
        assert row.lag == max((lag for _at, lag, _count in mine if lag is not None), default=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at_s", float("inf")), ("at_s", -1), ("at_s", 10**18), ("length_s", 1e-320), ("length_s", "1"), ("pending", -1),
        ("users", 1.5), ("hub_lag_ns", float("nan")), ("hub_core", 2), ("counters", [1, 2]), ("counters", "5" * 19),
    ],
)  # fmt: skip
def test_a_second_that_cannot_be_is_refused(field: str, value: Any) -> None:
    """Another process's second has finite figures: a rate made of them can be written as JSON."""
    wire = Second(1_700_000_000).to_wire()
    assert Second.from_wire(wire).row().at_s == 1_700_000_000
    with pytest.raises(ValueError, match=r"a value|argument"):
        Second.from_wire({**wire, field: value})
