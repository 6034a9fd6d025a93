"""Long work that gives way: whatever happens between two names, nothing is counted twice and nothing is missing."""

from __future__ import annotations

from collections import deque
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from locust.env import Environment

from locust_kafka.core.legs import MS
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.hub import share as share_module
from locust_kafka.hub.share import GIVEN_S, SLICE_S, HubShare
from locust_kafka.plugin.rows import LocustRows
from tests.unit.records import CountedRows
from tests.unit.runs import PLANS, Planned, acknowledge, end, exchange_of, results_of


def counted(plans: list[Planned], *, flushed_at: set[int], in_pauses: bool) -> tuple[dict[Any, int], dict[str, Any]]:
    """Locust's rows and the results; all flushes after the first one, and the ends, fall into its pauses, or behind it."""
    environment = Environment(catch_exceptions=False)
    environment.create_local_runner()
    recorder = Recorder(LocustRows(environment), "traceparent")
    left: deque[tuple[int, Exchange]] = deque(enumerate(exchange_of(number, plan) for number, plan in enumerate(plans)))

    def step() -> None:
        if left:
            number, x = left.popleft()
            if not x.is_complete:
                acknowledge(x, MS)
            end(recorder, x)
            if number in flushed_at:
                recorder.flush()

    while len(left) > len(plans) // 2:
        step()
    recorder.flush(step if in_pauses else lambda: None)
    while left:
        step()
    recorder.close(0)
    rows = {key: entry.num_requests for key, entry in environment.stats.entries.items()}
    wire = recorder.results.to_wire()
    wire["names"] = {
        name: {**entry, "series": {kind: series["count"] for kind, series in entry["series"].items()}}
        for name, entry in wire["names"].items()
    }
    return rows, {key: wire[key] for key in ("total", "names")}


@settings(max_examples=25)
@given(PLANS, st.sets(st.integers(0, 30)))
def test_what_happens_in_a_pause_is_counted_once(plans: list[Planned], flushed_at: set[int]) -> None:
    """Exchanges that end while a flush gives way, and others that flush then: the same rows, books and latencies."""
    assert counted(plans, flushed_at=flushed_at, in_pauses=True) == counted(
        plans, flushed_at=flushed_at, in_pauses=False
    )


@settings(max_examples=25)
@given(PLANS, PLANS)
def test_counts_that_are_copied_are_of_one_moment(before: list[Planned], meanwhile: list[Planned]) -> None:
    """A copy, or a report for the master, during whose pauses exchanges end, still has books that balance."""
    for take in (
        lambda results, pause: results.copy(pause),
        lambda results, pause: RunResults.from_wire(results.to_wire(pause=pause)),
    ):
        recorder = Recorder(CountedRows(), "traceparent")
        recorder.results.add(results_of(before))
        expected = recorder.results.total.registered
        left = deque(exchange_of(len(before) + number, plan) for number, plan in enumerate(meanwhile))

        def step(left: deque[Exchange] = left, recorder: Recorder = recorder) -> None:
            if left:
                end(recorder, left.popleft())
                recorder.aggregate()

        taken = take(recorder.results, step)
        assert taken.balanced(closed=True)
        assert taken.total.registered == expected


@given(st.lists(st.floats(0, 2 * SLICE_S), min_size=1, max_size=50))
def test_nobody_has_the_hub_for_longer_than_a_slice_and_one_piece(pieces_s: list[float]) -> None:
    """The others have their turn as soon as a piece has ended after the slice, and not before the slice is used up."""
    now_s, since_s, given_s = [0.0], [0.0], []

    def gave(seconds: float) -> None:
        assert seconds == GIVEN_S
        given_s.append(now_s[0] - since_s[0])
        now_s[0] += seconds
        since_s[0] = now_s[0]

    with (
        patch.object(share_module, "perf_counter", lambda: now_s[0]),
        patch.object(share_module.gevent, "sleep", gave),
    ):
        share = HubShare()
        for piece_s in pieces_s:
            now_s[0] += piece_s
            share()
            assert now_s[0] - since_s[0] < SLICE_S
    assert all(held_s >= SLICE_S * 0.999 for held_s in given_s)
