"""Locust's rows: gathered and merged, they are what Locust would have made of each; no listener stops them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.env import Environment
from locust.exception import RescheduleTask, StopUser
from locust.stats import RequestStats, StatsEntry

from locust_kafka.core.books import Outcome
from locust_kafka.core.legs import MS
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.plugin import rows as rows_module
from locust_kafka.plugin.rows import METHOD, LocustRows
from tests.unit.runs import Planned, end, exchange_of, message, played

S = 1000 * MS
BEGAN_NS = 1_000 * S
"""The wall clock at 0 of the monotonic one; small, so that seconds as floats are exact."""

# Latencies near the edges of Locust's buckets, where rounding shows.
LATENCIES = st.one_of(
    st.integers(0, 20 * S),
    st.builds(lambda halves, more: max(0, halves * MS // 2 + more), st.integers(0, 3000), st.integers(-1001, 1001)),
)
RESULTS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "ask"]), LATENCIES, st.integers(0, 3 * S), st.binary(max_size=5),
        st.none() | st.sampled_from(["no reply within 4 s", "wrong"]) | st.builds(ValueError, st.sampled_from("ab")),
    ),
    max_size=40,
)  # fmt: skip
COLUMNS = (
    "num_requests", "num_none_requests", "num_failures", "total_response_time", "min_response_time",
    "max_response_time", "response_times", "num_reqs_per_sec", "num_fail_per_sec", "total_content_length",
    "last_request_timestamp", "fail_ratio", "avg_response_time", "median_response_time",
    "avg_content_length", "total_rps", "total_fail_per_sec", "current_rps", "current_fail_per_sec",
)  # fmt: skip
PERCENTILES = (0.5, 0.66, 0.9, 0.95, 0.99, 0.999, 1.0)


@contextmanager
def clock(now_ns: list[int]) -> Iterator[None]:
    """All that asks for the time is told this one; the monotonic clock stands at 0."""
    locusts = SimpleNamespace(time=lambda: now_ns[0] / S)
    ours = SimpleNamespace(time_ns=lambda: BEGAN_NS)
    with (
        patch("locust.stats.time", locusts),
        patch.object(rows_module, "time", ours),
        patch.object(rows_module, "perf_counter_ns", lambda: 0),
    ):
        yield


def environment(*listeners: Callable[..., Any]) -> Environment:
    """Locust's, with its own listener of `request` and ours."""
    found = Environment(catch_exceptions=False)
    found.create_local_runner()
    for listener in listeners:
        found.events.request.add_listener(listener)
    return found


def ended(name: str, latency_ns: int, ended_ns: int, value: bytes | None = b"v", *, matched: bool = True) -> Exchange:
    start_ns = ended_ns - latency_ns
    x = Exchange(b"0" * 32, name, start_ns, start_ns, ended_ns, b"0" * 32, "requests")
    x.outcome, x.ended_ns = Outcome.MATCHED if matched else Outcome.TIMED_OUT, ended_ns
    if matched:
        x.reply = message("replies", ended_ns, value=value)
    return x


def assert_same(one: StatsEntry, other: StatsEntry) -> None:
    for column in COLUMNS:
        found, expected = getattr(one, column), getattr(other, column)
        if isinstance(expected, dict):
            assert dict(found) == dict(expected), column
        else:
            assert found == pytest.approx(expected), column
    for percentile in PERCENTILES:
        assert one.get_response_time_percentile(percentile) == other.get_response_time_percentile(percentile)


def assert_all_same(one: RequestStats, other: RequestStats) -> None:
    assert one.entries.keys() == other.entries.keys()
    for key, entry in other.entries.items():
        assert_same(one.entries[key], entry)
    assert_same(one.total, other.total)
    assert one.total.start_time == other.total.start_time  # an entry's own start is shown nowhere
    assert {key: (e.method, e.name, e.occurrences) for key, e in one.errors.items()} == {
        key: (e.method, e.name, e.occurrences) for key, e in other.errors.items()
    }


@given(RESULTS, st.sets(st.integers(0, 40)))
def test_batched_rows_equal_single_ones(results: list[Any], flushes: set[int]) -> None:
    """In every column of every entry, in the total and in the errors, whenever the batches were merged."""
    now_ns = [BEGAN_NS]
    with clock(now_ns):
        batched, single = environment(), environment()
        rows = LocustRows(batched)
        rows.flush()
        matched: list[Exchange] = []
        at_ns = 0
        for number, (name, latency_ns, pause_ns, value, failure) in enumerate(results):
            at_ns += pause_ns
            now_ns[0] = BEGAN_NS + at_ns
            x = ended(name, latency_ns, at_ns, value, matched=not isinstance(failure, str))
            if failure is None and number % 2:
                matched.append(x)
            else:
                rows.result(x, failure)
            length = len(value) if x.outcome is Outcome.MATCHED else 0
            single.stats.log_request(METHOD, name, latency_ns / 1e6, length)  # type: ignore[arg-type] # as Locust does
            if failure is not None:
                single.stats.log_error(METHOD, name, failure)
            if number in flushes:
                merge(rows, matched)
        merge(rows, matched)
        assert_all_same(batched.stats, single.stats)


def merge(rows: LocustRows, matched: list[Exchange]) -> None:
    for name in ("pay", "ask"):
        rows.matched(name, [x for x in matched if x.name == name])
    matched.clear()
    rows.flush()


@given(st.lists(st.tuples(LATENCIES, st.booleans()), max_size=20))
def test_listened_rows_are_the_same_rows(results: list[tuple[int, bool]]) -> None:
    """With a listener each row is an event of its own; what Locust counts is what it counts without one."""
    now_ns = [BEGAN_NS + S]
    heard: list[tuple[float, Any]] = []
    with clock(now_ns):
        plain = environment()
        listened = environment(lambda response_time, exception, **_more: heard.append((response_time, exception)))
        both = [LocustRows(plain), LocustRows(listened)]
        for rows in both:
            rows.flush()
            for latency_ns, failed in results:
                rows.result(ended("pay", latency_ns, S, matched=not failed), "no reply" if failed else None)
            assert rows.close(60) == 0
        assert_all_same(plain.stats, listened.stats)
    assert heard == [(latency_ns / 1e6, "no reply" if failed else None) for latency_ns, failed in results]


def test_notes_fail_no_request() -> None:
    """Late and duplicate replies stand in the Failures table with their counts, and no row has failed."""
    locust = environment()
    rows = LocustRows(locust)
    rows.result(ended("pay", MS, 2 * MS), None)
    for what in ("late reply", "late reply", "duplicate reply"):
        rows.add_failure_note("pay", what)
    rows.flush()
    assert sorted((e.error, e.occurrences) for e in locust.stats.errors.values()) == [
        ("duplicate reply", 1), ("late reply", 2),
    ]  # fmt: skip
    assert locust.stats.total.num_failures == 0
    rows.add_failure_note("pay", "late reply")
    rows.flush()
    assert max(e.occurrences for e in locust.stats.errors.values()) == 3


def test_an_old_run_adds_nothing_to_a_new_one() -> None:
    """After `disconnect` neither a batch nor an event nor a note reaches Locust's rows, which are the next run's."""
    heard: list[Any] = []
    for listeners in ((), (lambda **row: heard.append(row),)):
        locust = environment(*listeners)
        rows = LocustRows(locust)
        rows.flush()
        rows.result(ended("pay", MS, 2 * MS), None)
        rows.disconnect()
        rows.result(ended("pay", MS, 2 * MS), None)
        rows.matched("pay", [] if listeners else [ended("pay", MS, 2 * MS)])
        rows.add_failure_note("pay", "late reply")
        assert rows.close(0) == 0
        assert (locust.stats.total.num_requests, locust.stats.errors) == (0, {})
    assert heard == []


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), StopUser(), RescheduleTask(), gevent.GreenletExit(), gevent.Timeout(1)],
    ids=lambda error: type(error).__name__,
)
def test_a_listener_that_raises_stops_nobody(error: BaseException) -> None:
    """Whatever it raises for one row, the next row comes, and Locust's own statistics have them all."""
    heard: list[str] = []

    def listener(name: str, **_row: Any) -> None:
        heard.append(name)
        raise error

    locust = environment(listener)
    rows = LocustRows(locust)
    rows.flush()
    for name in ("a", "b", "c"):
        rows.result(ended(name, MS, 2 * MS), None)
    assert rows.close(60) == 0
    assert heard == ["a", "b", "c"]
    assert locust.stats.total.num_requests == 3


def test_a_listener_that_never_returns_stops_nobody() -> None:
    """Rows are taken without it; the end waits for it for a while, and counts what it has not taken."""
    locust = environment(lambda **_row: gevent.sleep(1000))
    rows = LocustRows(locust)
    rows.flush()
    for name in ("a", "b", "c"):
        rows.result(ended(name, MS, 2 * MS), None)
    gevent.sleep(0)
    with gevent.Timeout(60):
        assert rows.close(0.05) == 3
    assert rows._firer is not None
    rows._firer.join(60)
    assert rows._firer.ready()


def test_the_end_of_a_run_names_the_missing_rows() -> None:
    """The recorder's last sentence says how many rows a listener has not taken."""
    recorder = Recorder(LocustRows(environment(lambda **_row: gevent.sleep(1000))), "traceparent")
    recorder.flush()
    end(recorder, exchange_of(0, Planned("n", Outcome.MATCHED, MS, 0, MS, MS)))
    assert recorder.close(0.02) == [
        "1 rows are missing from Locust's statistics: a listener of its request event does not return"
    ]


def test_a_reset_begins_locusts_rows_and_our_latencies_anew_and_no_books() -> None:
    """What came before a reset is in neither; what comes after is in both; the books have all of it."""
    locust = environment()
    recorder = Recorder(LocustRows(locust), "traceparent")
    plan = Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)
    for number in range(5):
        end(recorder, exchange_of(number, plan))
    recorder.reset("since noon")  # as Locust's event does, just before it resets its own
    locust.stats.reset_all()
    for number in range(5, 8):
        end(recorder, exchange_of(number, plan))
    recorder.close(0)
    whole = recorder.results.whole()
    assert locust.stats.get("n", METHOD).num_requests == whole.e2e.count == whole.send.count == 3
    assert whole.books.registered == recorder.results.total.outcomes[Outcome.MATCHED] == 8
    assert recorder.results.balanced(closed=True)
    assert recorder.results.since == "since noon"


@given(st.lists(st.integers(-2, 2), max_size=12), st.sampled_from([Outcome.MATCHED, Outcome.TIMED_OUT]))
def test_the_warm_up_ends_at_its_instant(starts: list[int], outcome: Outcome) -> None:
    """What was to start at the boundary is measured, a nanosecond before it is not; rows and books have all."""
    locust = environment()
    recorder = Recorder(LocustRows(locust), "traceparent")
    boundary_ns = recorder.measure.measure_from_ns = 1000 * MS
    results = played(recorder, [Planned("n", outcome, boundary_ns + at, 5, MS, 10 * MS) for at in starts])
    measured = sum(at >= 0 for at in starts)
    assert results.whole().e2e.count == results.whole().send.count == measured
    assert results.total.outcomes[outcome] == locust.stats.total.num_requests == len(starts)
    assert results.balanced(closed=True)
