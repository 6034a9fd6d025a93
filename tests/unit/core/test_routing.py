"""Laws of reply routing: who owns which partition, what proves a service, and when replies went astray."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.routing import PROVEN_AT, Proof, RoutingResults, Share, TooFewPartitions, wanted_partition

GENERATION = b"abcd1234"
DIGITS = st.binary(min_size=12, max_size=12).map(lambda random: GENERATION + random.hex().encode())


@given(st.integers(1, 8), st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 20), min_size=1))
def test_every_partition_has_one_owner(workers: int, topics: dict[str, int]) -> None:
    """Of each topic every worker owns some partitions and nobody owns another's; too few are refused with the number."""
    partitions = [(topic, number) for topic, count in topics.items() for number in range(count)]
    if min(topics.values()) < workers:
        with pytest.raises(TooFewPartitions, match=f"{workers} workers"):
            Share(0, workers).divide(partitions)
        return
    parts = [Share(number, workers).divide(partitions) for number in range(workers)]
    for topic, count in topics.items():
        assert all(part[topic] for part in parts)
        assert sorted(one for part in parts for one in part[topic]) == list(range(count))


@given(DIGITS, st.lists(st.integers(0, 50), min_size=1, unique=True))
def test_where_a_reply_is_wanted_is_known_by_its_id(trace_id: bytes, owned: list[int]) -> None:
    """It is one of the owned partitions, and whoever sees the last two digits of the id can tell which."""
    assert wanted_partition(owned, trace_id) in owned
    assert wanted_partition(owned, trace_id) == wanted_partition(owned, trace_id[-2:])


@given(st.lists(st.tuples(DIGITS, st.booleans(), st.booleans()), max_size=PROVEN_AT + 20), st.integers(1, 3))
def test_only_replies_that_all_come_where_they_were_asked_to_prove_it(
    replies: list[tuple[bytes, bool, bool]], count: int
) -> None:
    """One of ours that came elsewhere refutes it, a hundred that did not prove it, and what is not ours says nothing."""
    owned = list(range(1, 2 * count, 2))
    proof = Proof({"replies": owned}, GENERATION)
    kept, expected = 0, None
    for trace_id, ours, astray in replies:
        name = trace_id if ours else b"ffff" + trace_id[4:]
        proof.add(name, "replies", 0 if astray else wanted_partition(owned, name))
        if ours and expected is None:
            kept += not astray
            expected = False if astray else True if kept == PROVEN_AT else None
        assert proof.honoured is expected


RESULTS = st.builds(
    lambda processes, siblings, narrowed, astray: _results(processes, siblings, narrowed, astray),
    st.dictionaries(st.sampled_from(["shared", "partition"]), st.integers(1, 9)),
    st.integers(0, 99),
    st.sets(st.sampled_from(["a", "b", "c"])),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 9)),
)


def _results(processes: Any, siblings: int, narrowed: set[str], astray: Any) -> RoutingResults:
    results = RoutingResults()
    results.processes.update(processes)
    results.siblings, results.narrowed = siblings, narrowed
    results.astray.update(astray)
    return results


@given(RESULTS, RESULTS)
def test_what_went_astray_counts_when_nobody_else_read_it(mine: RoutingResults, theirs: RoutingResults) -> None:
    """Added up in either order it is the same, and lost are those whose own process reads its own partitions only."""
    one, two = RoutingResults(), RoutingResults()
    for each in (mine, theirs):
        one.add(each)
    for each in (theirs, mine):
        two.add(each)
    assert one.to_wire() == two.to_wire() == RoutingResults.from_wire(json.loads(json.dumps(one.to_wire()))).to_wire()
    expected = sum(one.astray[name] for name in one.narrowed)
    assert one.lost == expected
    assert bool(one.sentence) == bool(expected)


@pytest.mark.parametrize(
    "bad", [None, [], [{}, 0, []], [{"a": -1}, 0, [], {}], [{}, "1", [], {}], [{}, 0, [1], {}], [{}, 0, [], {"a": 0.5}]]
)
def test_what_is_not_of_the_form_is_refused(bad: Any) -> None:
    """Another process's routing is counts, a number, texts and counts, or it is refused."""
    with pytest.raises((TypeError, ValueError, AttributeError)):
        RoutingResults.from_wire(bad)
