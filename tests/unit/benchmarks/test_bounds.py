"""Laws of the accuracy bounds: what is in them passes, what is beyond is said once, with its figures."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy import bounds
from benchmarks.accuracy.bounds import AFTER_P50_MS, AFTER_P99_MS, LEG_MS, STALL_SHARE, TWO_CLOCKS, Late

MS = st.floats(0, 50)
BEYOND = st.floats(0.01, 50)


@given(MS, MS, st.none() | BEYOND, st.none() | BEYOND)
def test_a_stamp_may_be_as_late_as_its_bound_and_the_idle_process(
    idle_p50: float, idle_p99: float, p50: float | None, p99: float | None
) -> None:
    """What a process that does nothing suffers from the machine is added to the bound, to each percentile its own."""
    ours = Late(AFTER_P50_MS + idle_p50 + (p50 or -0.01), AFTER_P99_MS + idle_p99 + (p99 or -0.01))
    found = bounds.after_the_wire("2 000/s", ours, Late(idle_p50, idle_p99))
    assert [sentence[:13] for sentence in found] == [
        f"2 000/s: {what} " for what, broken in (("p50", p50), ("p99", p99)) if broken is not None
    ]


@given(st.sampled_from(TWO_CLOCKS), BEYOND, st.sampled_from([-1, 1]))
def test_a_leg_may_be_wrong_by_a_quarter_of_a_millisecond_either_way(leg: str, beyond: float, sign: int) -> None:
    """A leg at its bound passes, one beyond is named; the ack, which has one clock, is not held against it."""
    within = {**dict.fromkeys(TWO_CLOCKS, -LEG_MS * sign), "ack": 9.0}
    assert bounds.legs("closed", within) == []
    (sentence,) = bounds.legs("closed", {**within, leg: sign * (LEG_MS + beyond)})
    assert f"closed: the mean of the {leg} leg is" in sentence


def test_legs_that_nobody_told_pass_only_if_others_were_told() -> None:
    """Where the offset is not known there is no leg to compare; known nowhere, nothing was compared, and that fails."""
    silent: dict[str, float | None] = {**dict.fromkeys(TWO_CLOCKS), "ack": 0.1}
    assert bounds.legs("closed", silent) == []
    assert bounds.offsets([silent, {**silent, "service": 0.0}]) == []
    assert len(bounds.offsets([silent, silent])) == 1


@given(st.floats(1, 10_000), st.sampled_from([-1, 1]))
def test_the_p99_after_a_stall_is_the_samples_within_a_hundredth(seen: float, sign: int) -> None:
    """Just within the share passes, just beyond does not, on either side."""
    assert bounds.stall(seen * (1 + sign * STALL_SHARE * 0.99), seen) == []
    assert len(bounds.stall(seen * (1 + sign * STALL_SHARE * 1.01), seen)) == 1


@given(st.lists(MS, min_size=1), st.lists(st.floats(-50, -0.001)))
def test_no_timeout_is_told_before_its_deadline(late: list[float], early: list[float]) -> None:
    """One early timeout among any number of late ones is enough, and none at all is no proof."""
    found = bounds.timeouts([*late, *early])
    assert [sentence.split(" of ")[0] for sentence in found] == ([str(len(early))] if early else [])
    assert len(bounds.timeouts([])) == 1


def test_what_is_no_number_breaks_every_bound() -> None:
    """A figure that could not be computed passes for nothing."""
    nothing = math.nan
    assert len(bounds.after_the_wire("r", Late(nothing, nothing), Late(0, 0))) == 2
    assert len(bounds.legs("r", dict.fromkeys(TWO_CLOCKS, nothing))) == len(TWO_CLOCKS)
    assert len(bounds.stall(nothing, 1)) == 1
