"""Laws of the self-check: what more than a hundredth could be off by more than a tenth of p99 makes a run invalid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.health import MS, STALLS, Health, Stall, findings

S = 1000 * MS


def health(**lags: list[int]) -> Health:
    """Ten seconds of watching, with these lags in ms."""
    result = Health()
    result.watched_ns = 10 * S
    for kind, values in lags.items():
        getattr(result, kind).extend([value * MS for value in values])
    return result


@pytest.mark.parametrize(
    ("seen", "p99_ms", "open_model", "invalid"),
    [
        (health(), 10, False, False),
        (health(hub=[0] * 900 + [50] * 10), 10, False, True),  # half a second of ten stood still
        (health(hub=[0] * 900 + [50] * 10), 600, False, False),  # less than a tenth of p99
        (health(hub=[0] * 900 + [50]), 10, False, False),  # once is less than a hundredth
        (health(hub=[3] * 900), 10, False, False),  # work, not stalls
        (health(hub=[0] * 900 + [50] * 10), 10, True, False),  # the open model sees its late starts themselves
        (health(start=[0] * 980 + [5] * 20), 10, True, True),
        (health(start=[0] * 995 + [5] * 5), 10, True, False),
        (health(start=[0] * 980 + [5] * 20), 100, True, False),
        (health(native=[0] * 450 + [30] * 10), 10, True, True),
        (health(native=[0] * 450 + [30] * 10), 10, False, True),
        (health(native=[0] * 500 + [30] * 2), 10, True, False),
    ],
)
def test_a_tenth_of_p99_for_a_hundredth(seen: Health, p99_ms: int, open_model: bool, invalid: bool) -> None:
    """Only lags longer than a tenth of p99 count, and only when they touch more than one in a hundred."""
    assert bool(findings(seen, p99_ms * MS, open_model=open_model)) == invalid


@pytest.mark.parametrize(("length_ms", "kind", "invalid"), [(3000, "native", 1), (900, "native", 0), (3000, "hub", 0)])
def test_a_process_that_stood_still_is_named(length_ms: int, kind: str, invalid: int) -> None:
    """A native thread kept from running for a second and more makes a run invalid however long it was; a busy hub not."""
    seen = health()
    seen.watched_ns = 3600 * S
    seen.stalled(Stall(5 * S, length_ms * MS, kind))
    found = findings(seen, 10 * MS, open_model=True)
    assert len(found) == invalid
    assert all("the process stood still for 3.0 s" in one for one in found)


def test_a_saturated_hub_is_a_bottleneck() -> None:
    """A hub that uses its whole core has nothing left to be on time with."""
    seen = health()
    seen.hub_cpu_ns = 9 * S
    assert not findings(seen, 10 * MS, open_model=False)
    seen.hub_cpu_ns = 9_700 * MS
    assert "97%" in findings(seen, 10 * MS, open_model=False)[0]


def test_a_short_look_says_nothing() -> None:
    """In the first seconds every stall would be a hundredth."""
    seen = health(hub=[500])
    seen.watched_ns = S
    assert not findings(seen, 10 * MS, open_model=False)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["hub", "native"])), max_size=60))
def test_the_longest_stalls_survive_the_wire(lengths: list[tuple[int, str]]) -> None:
    """Two workers' stalls, sent and added, are the longest of both."""
    both = [Health(), Health()]
    for at, (length, kind) in enumerate(lengths):
        both[at % 2].stalled(Stall(at, length, kind))
    total = Health.from_wire(both[0].to_wire())
    total.add(Health.from_wire(both[1].to_wire()))
    longest = sorted((length for length, _ in lengths), reverse=True)[:STALLS]
    assert [stall.length_ns for stall in total.stalls] == longest
