"""Laws of the times in which a run was disturbed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.disturbance import AFTER_S, BEFORE_S, MAX_DISTURBANCES, MIN_ROWS, find_disturbances
from locust_kafka.core.events import Event
from locust_kafka.core.history import Row

BEGIN_S = 1_000


def row(at: int, *, p95_ms: float | None = 10.0, matched: int = 100, pending: int = 0, **counts: int) -> Row:
    """A good second, unless said otherwise."""
    values = dict.fromkeys(Row._fields, 0) | {"at_s": BEGIN_S + at, "length_s": 1.0, "registered": 100, "users": 2}
    return Row(**{**values, "p50_ms": p95_ms, "p95_ms": p95_ms, "p99_ms": p95_ms, "matched": matched, "pending": pending, **counts})  # type: ignore[arg-type]  # fmt: skip


SILENT = {"p95_ms": None, "matched": 0, "pending": 50}
SLOW = {"p95_ms": 900.0}
LOST = {"timed_out": 30, "matched": 70}
KINDS = st.sampled_from([SILENT, SLOW, LOST, {"undelivered": 40}, {"duplicates": 60}, {"dropped": 50}])
LENGTHS = st.tuples(st.integers(40, 90), st.integers(5, 30), st.integers(1, 8))


@given(LENGTHS, KINDS)
def test_a_fault_is_one_window_of_just_its_seconds(lengths: tuple[int, int, int], kind: dict[str, object]) -> None:
    """In an even run, seconds of whatever fault are found as one disturbance from their begin to their end."""
    whole, first, length = lengths
    rows = [row(at, **(kind if first <= at < first + length else {})) for at in range(whole)]  # type: ignore[arg-type]
    (found,) = find_disturbances(rows)
    assert (found.from_s, found.to_s) == (BEGIN_S + first - 1, BEGIN_S + first + length - 1)
    assert found.words
    assert found.length_s == length


@given(st.integers(0, 30), st.floats(1, 1e5), st.integers(0, 40), st.integers(MIN_ROWS, 60))
def test_a_service_that_is_always_so_is_not_disturbed(
    timed_out: int, p95_ms: float, duplicates: int, count: int
) -> None:
    """What all seconds have in common stands out from nothing, however bad it is."""
    rows = [row(at, p95_ms=p95_ms, timed_out=timed_out, duplicates=duplicates) for at in range(count)]
    assert find_disturbances(rows) == []


@given(st.lists(st.booleans(), max_size=200))
def test_windows_are_apart_in_order_and_hold_every_disturbed_second(pattern: list[bool]) -> None:
    """Seconds that stand out lie in a window, windows do not touch, and a few are left out only when there are many."""
    rows = [row(at, **(SLOW if slow else {})) for at, slow in enumerate(pattern)]  # type: ignore[arg-type]
    found = find_disturbances(rows)
    assert len(found) <= MAX_DISTURBANCES
    assert all(one.to_s < two.from_s for one, two in itertools.pairwise(found))
    pattern, rows = pattern[1:], rows[1:]  # the first second belongs to the start
    if len(pattern) >= MIN_ROWS and sum(pattern) * 2 < len(pattern) and len(found) < MAX_DISTURBANCES:
        covered = {at for one in found for at in range(round(one.from_s) + 1, round(one.to_s) + 1)}
        assert {one.at_s for one, slow in zip(rows, pattern, strict=True) if slow} <= covered


@given(st.lists(st.floats(BEGIN_S, BEGIN_S + 40, allow_nan=False), max_size=20))
def test_a_window_tells_what_happened_near_it(instants: list[float]) -> None:
    """Just the events from shortly before it until its end are told beside it."""
    rows = [row(at, **(SLOW if 20 <= at < 25 else {})) for at in range(60)]  # type: ignore[arg-type]
    events = [Event(at_s, "something") for at_s in instants]
    (found,) = find_disturbances(rows, events)
    assert found.events == [one for one in events if found.from_s - BEFORE_S <= one.at_s <= found.to_s + AFTER_S]


@pytest.mark.parametrize("silent", [20, 60])
def test_a_long_silence_is_one_window(silent: int) -> None:
    """Also when most seconds of a run are silent; those before the first reply are none of it."""
    rows = [row(at, **(SILENT if at < 8 or 20 <= at < 20 + silent else {})) for at in range(30 + silent)]  # type: ignore[arg-type]
    (found,) = find_disturbances(rows)
    assert found.words == f"no reply for {silent} s"
    assert found.from_s == BEGIN_S + 19


@given(st.lists(KINDS, min_size=1, max_size=3), st.integers(10, 40))
def test_begin_and_drain_disturb_nothing(kinds: list[dict[str, object]], count: int) -> None:
    """A service that has not answered yet, the first second with replies, and what ends after the load: none of them."""
    before = [row(at, **SILENT) for at in range(3)]  # type: ignore[arg-type]
    load = [row(3, p95_ms=500.0), *(row(at) for at in range(4, count))]
    drain = [row(count + at, users=0, **kind) for at, kind in enumerate(kinds)]  # type: ignore[arg-type]
    assert find_disturbances([*before, *load, *drain]) == []


def test_the_words_give_the_figures() -> None:
    """How long nothing came, how slow it was against the usual second, and how many were lost."""
    rows = [row(at) for at in range(30)]
    rows[10:13] = [row(at, **SILENT) for at in range(10, 13)]  # type: ignore[arg-type]
    rows[13] = row(13, p95_ms=3_200.0, timed_out=7, undelivered=2)
    (found,) = find_disturbances(rows)
    assert found.words == (
        "no reply for 3 s, e2e p95 of a second up to 3,200 ms (median of all seconds: 10 ms), 7 timed out, 2 undelivered"
    )
