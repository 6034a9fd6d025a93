"""Laws of a run's events."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.events import MAX_EVENTS, MAX_WORDS, SAME_S, Event, Events

EVENTS = st.lists(
    st.builds(
        Event, st.integers(0, 200).map(lambda quarter: quarter / 4), st.sampled_from(["lost", "again", "new leader"])
    ),
    max_size=60,
)


def of(plain: list[Event]) -> Events:
    events = Events()
    events.merge(plain)
    return events


@given(EVENTS, EVENTS)
def test_what_several_processes_tell_is_one_event(mine: list[Event], theirs: list[Event]) -> None:
    """Of the same words within two seconds the first stays; every other event stays; all are in order."""
    both = of(mine)
    both.merge(theirs)
    found = both.all()
    assert found == sorted(found)
    for one in [*mine, *theirs]:
        assert any(known.words == one.words and abs(known.at_s - one.at_s) < SAME_S for known in found)
    for index, one in enumerate(found):
        assert not any(two.words == one.words and abs(two.at_s - one.at_s) < SAME_S for two in found[:index])


@given(EVENTS)
def test_the_wire_keeps_them(plain: list[Event]) -> None:
    """There and back through JSON they are the same."""
    events = of(plain)
    assert Events.from_wire(json.loads(json.dumps(events.to_wire()))).all() == events.all()


def test_their_number_and_length_are_bounded() -> None:
    """Ten thousand events, and one of a megabyte from another process, take little room; an instant is a number."""
    assert len(of([Event(at_s * 10.0, "again") for at_s in range(10_000)]).all()) == MAX_EVENTS
    assert len(Events.from_wire([(1.0, "x" * 1_000_000)]).all()[0].words) == MAX_WORDS
    for bad in ([(float("nan"), "x")], [("x", "y")], [5], ["abc"]):
        with pytest.raises((LookupError, TypeError, ValueError)):
            Events.from_wire(bad)
