"""Laws of the waits before the wire: windows add up to the whole run, and no figure is below the true one."""

from __future__ import annotations

import copy
import json
import math
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locust_kafka.core.before_wire import MAX_US, BeforeWire, Waits
from locust_kafka.core.results import RunResults

RANGE_US = 100_000
"""What librdkafka's histogram reaches at first."""
SHARES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_99": 0.9999}
US = st.lists(st.integers(0, 2_000_000), max_size=150)


class Broker(NamedTuple):
    """What one broker's connection has seen in a window: true waits in µs."""

    queue: list[int]
    buffer: list[int]


BROKERS = st.builds(Broker, US, US)
WINDOWS = st.lists(st.lists(BROKERS, max_size=2), max_size=4)


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[max(1, math.ceil(round(share * len(values), 6))) - 1]


def window_of(values: list[int], range_us: int = RANGE_US) -> dict[str, int]:
    """As librdkafka tells it: percentiles are of what its histogram could hold."""
    held = [value for value in values if value <= range_us]
    return {
        "min": min(values, default=0), "max": max(values, default=0), "sum": sum(values), "cnt": len(values),
        "avg": sum(values) // len(values) if values else 0, "outofrange": len(values) - len(held),
        **{name: nearest_rank(held, share) if held else 0 for name, share in SHARES.items()},
    }  # fmt: skip


def statistics_of(*brokers: Broker) -> str:
    """The text of one window, in librdkafka's own spacing."""
    told = {
        f"kafka:{number}/1": {
            "name": f"kafka:{number}/1", "nodeid": number, "int_latency": window_of(one.queue),
            "outbuf_latency": window_of(one.buffer), "toppars": {"t-0": {"topic": "t", "partition": 0}},
        }
        for number, one in enumerate(brokers)
    }  # fmt: skip
    topics = {"t": {"partitions": {"0": {"msgq_cnt": 0}}}}
    return f'{{ "name": "rdkafka#producer-1", "ts":1, "brokers":{json.dumps(told)}, "topics":{json.dumps(topics)} }}'


def of(texts: list[str]) -> BeforeWire:
    waits = BeforeWire()
    for text in texts:
        waits.add_statistics(text)
    return waits


def told(waits: BeforeWire) -> Any:
    return json.loads(json.dumps(waits.to_wire()))


@given(WINDOWS)
@settings(max_examples=30)
def test_windows_add_up_to_the_run(windows: list[list[Broker]]) -> None:
    """Number, sum and maximum are those of all waits; p50 and p99 are not below those of all waits, nor above the maximum."""
    waits = of([statistics_of(*window) for window in windows])
    for kind in ("queue", "buffer"):
        found: Waits = getattr(waits, kind)
        values = [value for window in windows for broker in window for value in getattr(broker, kind)]
        assert (found.number, found.sum_us, found.max_us) == (len(values), sum(values), max(values, default=0))
        if values:
            assert found.mean_ms == pytest.approx(sum(values) / len(values) / 1e3)
            assert nearest_rank(values, 0.5) <= found.p50_us <= found.max_us
            assert nearest_rank(values, 0.99) <= found.p99_us <= found.max_us
        else:
            assert found.mean_ms is None


@given(st.lists(st.integers(0, RANGE_US), min_size=1, max_size=300))
@settings(max_examples=30)
def test_a_window_within_the_range_is_told_as_it_is(values: list[int]) -> None:
    """Where librdkafka left nothing out, the percentiles are its own."""
    found = Waits.of_window(window_of(values))
    assert found.p50_us == nearest_rank(values, 0.5)
    assert found.p99_us == nearest_rank(values, 0.99)


def test_a_stall_above_the_range_is_no_quiet_window() -> None:
    """A broker that stood still: librdkafka's p99 of that window is of all other requests, the one that is told is not."""
    values = [100] * 500 + [1_000_000] * 200
    assert window_of(values)["p99"] == 100
    assert Waits.of_window(window_of(values)).p99_us == 1_000_000
    assert Waits.of_window(window_of(values)).p50_us == 100
    assert Waits.of_window(window_of([1_000_000] * 3)).p50_us == 1_000_000


@given(WINDOWS, st.lists(st.integers(0, 2), max_size=6))
@settings(max_examples=30)
def test_who_saw_a_window_does_not_matter(windows: list[list[Broker]], seen_by: list[int]) -> None:
    """Told by one process or by three of them, in whatever order they are added, it is the same."""
    texts = [statistics_of(*window) for window in windows]
    parts = [BeforeWire() for _ in range(3)]
    for at, text in enumerate(texts):
        parts[seen_by[at] if at < len(seen_by) else 0].add_statistics(text)
    for order in (parts, parts[::-1]):
        whole = BeforeWire()
        for number, part in enumerate(order):
            part.watched, part.producers = 1, 2
            whole.add(BeforeWire.from_wire(told(part)) if number % 2 else part)
        assert (whole.queue, whole.buffer) == (of(texts).queue, of(texts).buffer)
        assert (whole.watched, whole.producers) == (3, 6)


@given(WINDOWS)
@settings(max_examples=30)
def test_the_wire_keeps_them(windows: list[list[Broker]]) -> None:
    """There and back through JSON they are the same; a reset leaves the producers alone."""
    waits = of([statistics_of(*window) for window in windows])
    waits.watched, waits.producers = 8, 50
    again = BeforeWire.from_wire(told(waits))
    assert again.to_wire() == waits.to_wire()
    again.reset()
    assert told(again) == [[0] * 5, [0] * 5, 8, 50]


def test_they_are_part_of_the_results() -> None:
    """Workers' are added up like everything else; a reset of the latencies begins them anew."""
    results = RunResults()
    results.before_wire.add_statistics(statistics_of(Broker([5, 7], [3])))
    results.before_wire.watched, results.before_wire.producers = 1, 2
    both = RunResults.from_wire(results.to_wire(latencies=False))
    both.add(results)
    assert told(both.before_wire) == [[4, 24, 7, 5, 7], [2, 6, 3, 3, 3], 2, 4]
    both.reset_latencies("since noon")
    assert told(both.before_wire) == [[0] * 5, [0] * 5, 2, 4]


JUNK: list[Any] = [None, True, "3", -1, 1.5, float("nan"), float("inf"), [], {}, 10**400]


@pytest.mark.parametrize("field", ["cnt", "sum", "max", "outofrange"])
@pytest.mark.parametrize("junk", [*JUNK, ...], ids=repr)
def test_statistics_of_another_form_tell_nothing(field: str, junk: Any) -> None:
    """A figure that is missing or no count: the whole window is passed over, and those before it stay."""
    broker = {"int_latency": window_of([5, 7]), "outbuf_latency": window_of([3])}
    broker["outbuf_latency"][field] = junk
    if junk is ...:
        del broker["outbuf_latency"][field]
    waits = of([statistics_of(Broker([1], [2])), '{ "brokers":' + json.dumps({"kafka/1": broker}) + " }"])
    assert told(waits) == told(of([statistics_of(Broker([1], [2]))]))


@given(
    st.text()
    | st.sampled_from(['"brokers":', '"brokers":{', '{"brokers":[1]}', '{"brokers":{"a":5}}', '"brokers":null'])
)
def test_no_text_does_harm(text: str) -> None:
    """Whatever librdkafka might say one day, nobody fails of it."""
    assert told(of([text])) == told(BeforeWire())


@given(st.lists(st.integers(0, 2_000), min_size=5, max_size=5))
def test_a_worker_cannot_contradict_itself(values: list[int]) -> None:
    """What is accepted could have been seen: a maximum that is in the sum, percentiles up to it, a mean up to it."""
    number, sum_us, max_us, p50_us, p99_us = values
    good = max_us <= sum_us <= number * max_us and max(p50_us, p99_us) <= max_us
    wire = [values, [0] * 5, 1, 1]
    if good:
        assert told(BeforeWire.from_wire(wire)) == wire
    else:
        with pytest.raises(ValueError, match="before the wire"):
            BeforeWire.from_wire(wire)


@pytest.mark.parametrize("place", [(), (0,), (1,), (0, 0), (0, 2), (1, 4), (2,), (3,)])
@pytest.mark.parametrize("junk", [*JUNK, [1], [[1] * 6] * 4, 2**63, "four"], ids=lambda junk: repr(junk)[:20])
def test_a_hostile_workers_values_are_refused(place: tuple[int, ...], junk: Any) -> None:
    """Any one value may be anything: it is refused in one of the ways that its reader knows."""
    wire: Any = copy.deepcopy([[4, 40, 20, 10, 20], [1, 1, 1, 1, 1], 1, 1])
    if place:
        at = wire
        for step in place[:-1]:
            at = at[step]
        at[place[-1]] = junk
    with pytest.raises((TypeError, ValueError)):
        BeforeWire.from_wire(wire if place else junk)


def test_a_wait_of_more_than_a_day_is_refused() -> None:
    """No record waits for so long."""
    assert BeforeWire.from_wire([[1, MAX_US, MAX_US, MAX_US, MAX_US], [0] * 5, 1, 1]).queue.max_us == MAX_US
    with pytest.raises(ValueError, match="contradict"):
        BeforeWire.from_wire([[1, MAX_US + 1, MAX_US + 1, 1, 1], [0] * 5, 1, 1])
