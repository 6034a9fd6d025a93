"""Laws of the brokers' clocks: bounds never exclude the truth, and legs add up."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.legs import MS, SLOT_NS, SLOTS, BrokerClock, Clocks, step_ms

OFFSETS = st.integers(-(10**18), 10**18)
# sent → appended → acked, in ns after one another
EXCHANGES = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(0, 50 * MS), st.integers(0, 50 * MS)), min_size=1, max_size=80
)


def feed(clock: BrokerClock, offset: int, sent: int, to_append: int, to_ack: int) -> None:
    """One exchange: the broker stamps its append in whole milliseconds of its own clock."""
    stamp = (sent + to_append + offset) // MS * MS
    clock.bound(sent + to_append + to_ack, stamp - (sent + to_append + to_ack), stamp + MS - sent)


@given(OFFSETS, EXCHANGES)
def test_the_true_offset_lies_within_the_width(offset: int, exchanges: list[tuple[int, int, int]]) -> None:
    """Whatever the exchanges took, what the clock tells is not further from the truth than it says."""
    clock = BrokerClock()
    now = 0
    for pause, to_append, to_ack in exchanges:
        now += pause
        feed(clock, offset, now, to_append, to_ack)
    told = clock.offset
    assert told is not None
    assert abs(told.ns - offset) <= told.width_ns / 2 + 1
    assert told.width_ns <= MS + min(a + b for pause, a, b in exchanges[-1:]) + 1


@given(OFFSETS, st.integers(-500 * MS, 500 * MS), EXCHANGES)
def test_a_clock_that_was_set_is_followed(offset: int, step: int, exchanges: list[tuple[int, int, int]]) -> None:
    """After a step of the broker's clock the newer bounds win, at the latest when the older have left the window."""
    clock = BrokerClock()
    now = 0
    for pause, to_append, to_ack in exchanges:
        now += pause
        feed(clock, offset, now, to_append, to_ack)
    now += SLOT_NS * 2
    feed(clock, offset + step, now, MS // 10, MS // 10)
    told = clock.offset
    assert told is not None
    if abs(step) > 102 * MS:
        assert abs(told.ns - offset - step) <= told.width_ns / 2 + 1
    now += SLOT_NS * (SLOTS + 1)
    feed(clock, offset + step, now, MS // 10, MS // 10)
    told = clock.offset
    assert told is not None
    assert abs(told.ns - offset - step) <= told.width_ns / 2 + 1


def test_nothing_is_told_without_both_bounds() -> None:
    """A reply bounds from one side only: half a bound is no offset."""
    clock = BrokerClock()
    clock.bound(0, 5.0, math.inf)
    assert clock.offset is None
    assert clock.usable_offset is None
    clock.bound(0, -math.inf, 5.0 + 12 * MS)
    assert clock.offset == (5 + 6 * MS, 12 * MS)
    assert clock.usable_offset is None  # too wide to tell anything
    clock.bound(0, -math.inf, 5.0 + 10 * MS)
    assert clock.usable_offset is not None


def test_a_leader_that_changed_begins_anew() -> None:
    """Bounds that may come from another broker's clock are thrown away on both sides."""
    clocks = Clocks()
    assert clocks.only_leader == -1
    clocks.of(-1).bound(0, 0.0, 1.0)
    clocks.lead({})
    assert set(clocks.offsets()) == {-1}
    one = Clocks()
    one.of(-1).bound(0, 0.0, 1.0)
    one.lead({("t", 0): 7})
    assert set(one.offsets()) == {7}  # the only broker's clock it was
    clocks.lead({("t", 0): 1, ("t", 1): 2, ("t", 2): 3})
    assert clocks.only_leader is None
    for broker in (1, 2, 3):
        clocks.of(broker).bound(0, 0.0, 1.0)
    clocks.lead({("t", 0): 2, ("t", 1): 2, ("t", 2): 3})
    assert set(clocks.offsets()) == {3}
    assert clocks.leader("t", 0) == 2
    clocks.lead({("t", 2): 2})
    assert clocks.only_leader == 2


@given(st.integers(0, 10**7))
def test_no_figure_is_finer_than_what_is_known(width_ns: int) -> None:
    """The step is at least the width, and at most two and a half times it (or 10 µs)."""
    step_ns = step_ms(width_ns) * MS
    assert step_ns >= min(width_ns, 10 * MS)
    assert step_ns <= max(2.5 * width_ns, 10_001)
