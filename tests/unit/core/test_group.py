"""Laws of what is seen of a consumer group."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.group import EMPTY, MAX_EVENTS, REBALANCING, STABLE, GroupSample, GroupTracker

STATES = st.sampled_from([STABLE, STABLE, STABLE, EMPTY, *sorted(REBALANCING)])
MEMBERS = st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from(["q[0]", "q[1]"])), max_size=3)
LOOKS = st.lists(st.tuples(STATES, MEMBERS, st.none() | st.integers(0, 99), st.integers(0, 2)), max_size=40)


def looks_of(plain: list[tuple[str, dict[str, frozenset[str]], int | None, int]]) -> list[GroupSample]:
    return [
        GroupSample(float(at_s), state, {} if state == EMPTY else members, lag, under_replicated=under)
        for at_s, (state, members, lag, under) in enumerate(plain)
    ]


@given(LOOKS)
def test_a_rebalance_is_a_change_between_two_stable_looks(
    plain: list[tuple[str, dict[str, frozenset[str]], int | None, int]],
) -> None:
    """Between each stable look and the one before: another assignment, or a rebalancing state in between; else none."""
    looks = looks_of(plain)
    watch = GroupTracker("g")
    shown = [watch.add_sample(look) for look in looks]
    stable = [index for index, look in enumerate(looks) if look.state == STABLE]
    for index, look in enumerate(looks):
        earlier = [at for at in stable if at < index]
        expected = look.state == STABLE and bool(earlier) and (
            looks[earlier[-1]].members != look.members
            or any(one.state in REBALANCING for one in looks[earlier[-1] : index])
        )  # fmt: skip
        assert shown[index] == expected
    assert watch.results.rebalances == sum(shown)
    assert sum("rebalance, " in event.words for event in watch.results.events) == sum(shown)


@given(LOOKS)
def test_the_lag_is_the_most_that_was_seen(
    plain: list[tuple[str, dict[str, frozenset[str]], int | None, int]],
) -> None:
    """Its maximum and its last value; None for what was never known, and never a made-up 0."""
    watch = GroupTracker("g")
    for look in looks_of(plain):
        watch.add_sample(look)
    known = [lag for _state, _members, lag, _under in plain if lag is not None]
    assert watch.results.lag_max == max(known, default=None)
    assert watch.results.lag_end == (plain[-1][2] if plain else None)
    json.dumps(watch.results.to_json(), allow_nan=False)


def test_what_happened_is_said_in_words_and_in_bounds() -> None:
    """An empty group, replicas that fall behind and come back: once each; a thousand rebalances do not fill the memory."""
    watch = GroupTracker("g")
    one, two = {"a": frozenset({"q[0]", "q[1]"})}, {"a": frozenset({"q[0]"}), "b": frozenset({"q[1]"})}
    watch.add_sample(GroupSample(1, STABLE, one, 0))
    watch.add_sample(GroupSample(2, "PREPARING_REBALANCING", {}, 5, under_replicated=2))
    watch.add_sample(GroupSample(3, "COMPLETING_REBALANCING", {}, 9, under_replicated=2))
    watch.add_sample(GroupSample(5, STABLE, two, 9))
    watch.add_sample(GroupSample(6, EMPTY, {}, 12, leaderless=1))
    watch.add_sample(GroupSample(7, EMPTY, {}, 13, leaderless=1))
    assert [event.words for event in watch.results.events] == [
        "partitions of the request topic under-replicated: 2",
        "rebalance, about 3 s: 1 → 2 members",
        "no partition of the request topic is under-replicated any more",
        "the group has no members: nobody reads the requests",
        "partitions of the request topic without a leader: 1",
    ]
    for number in range(1000):
        watch.add_sample(GroupSample(8 + number, STABLE, (one, two)[number % 2], 0))
    assert watch.results.rebalances > 990
    assert len(watch.results.events) == MAX_EVENTS


@pytest.mark.parametrize(
    "wrong",
    [{}, {"at_s": "nan"}, {"members": None}, {"lag": "many"}, {"at_s": float("inf")}, {"leaderless": None}],
)
def test_what_is_no_look_is_refused(wrong: dict[str, object]) -> None:
    """Values that are missing, of another kind or not finite raise one of the documented errors."""
    good = {"at_s": 1.5, "state": STABLE, "members": {"a": ["q[0]"]}, "lag": 3, "leaderless": 0, "under_replicated": 0}
    assert GroupSample.from_wire(good) == GroupSample(1.5, STABLE, {"a": frozenset({"q[0]"})}, 3)
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        GroupSample.from_wire({**good, **wrong} if wrong else {})
