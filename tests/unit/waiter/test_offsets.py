"""Offsets: nothing unanswered is ever committed."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core.offsets import AssignedOffsets, OffsetTracker


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_only_answered_offsets_are_committed(gaps: list[int], rng: random.Random) -> None:
    """After every step the committable offset is one past the unbroken run of finished ones, as a plain scan finds."""
    offsets = [sum(gaps[: index + 1]) + index for index in range(len(gaps))]
    tracker = OffsetTracker(0)
    finished: set[int] = set()
    added: list[int] = []
    committed = None
    todo = list(offsets)
    while todo or len(finished) < len(offsets):
        open_ones = [offset for offset in added if offset not in finished]
        if todo and (not open_ones or rng.random() < 0.5):
            added.append(todo.pop(0))
            tracker.add(added[-1])
        else:
            done = rng.choice(open_ones)
            finished.add(done)
            tracker.finish(done)
        run = 0
        while run < len(added) and added[run] in finished:
            run += 1
        committed = tracker.take_committable() or committed
        assert committed == (added[run - 1] + 1 if run else None)
        assert tracker.pending == len(added) - len(finished)


@given(st.lists(st.tuples(st.sampled_from(["assign", "revoke", "add", "finish", "take"]), st.integers(0, 2),
                          st.integers(0, 10_000)), max_size=120))  # fmt: skip
def test_nothing_is_committed_past_an_unanswered_request(steps: list[tuple[str, int, int]]) -> None:
    """Whatever the order of reading, answering and rebalancing: no commit goes past what its owner has not answered.

    The oracle keeps every request with its assignment in one list, and looks through it at each commit.
    """
    assigned = AssignedOffsets()
    epochs: dict[int, int] = {}  # partition → the number of its present assignment
    requests: list[tuple[int, int, int, OffsetTracker]] = []  # partition, assignment, offset, tracker
    answered: set[int] = set()  # indexes into requests
    committed: dict[tuple[int, int], int] = {}
    for number, (step, partition, choice) in enumerate(steps):
        if step == "assign" and partition not in epochs:
            epochs[partition] = number
            assigned.assign([partition])
        elif step == "revoke":
            here = epochs.pop(partition, None)
            open_ones = [i for i, r in enumerate(requests) if r[:2] == (partition, here) and i not in answered]
            assert assigned.revoke([partition]) == len(open_ones)
        elif step == "add":
            offset = 1 + max((r[2] for r in requests if r[0] == partition), default=0) + choice % 3
            tracker = assigned.add(partition, offset)
            assert (tracker is None) == (partition not in epochs)
            if tracker is not None:
                requests.append((partition, epochs[partition], offset, tracker))
        elif step == "finish" and (waiting := [i for i in range(len(requests)) if i not in answered]):
            index = waiting[choice % len(waiting)]
            answered.add(index)
            requests[index][3].finish(requests[index][2])
        for where, offset in assigned.take_committable() if step in ("take", "finish") else ():
            assert where in epochs, "committed for a partition that is not ours"
            key = (where, epochs[where])
            assert offset > committed.get(key, -1)
            committed[key] = offset
            for index, request in enumerate(requests):
                if request[:2] == key and request[2] < offset:
                    assert index in answered
        mine = [i for i, r in enumerate(requests) if epochs.get(r[0]) == r[1] and i not in answered]
        assert assigned.pending == len(mine)
    rest = dict(assigned.take_committable())
    for where, epoch in epochs.items():
        run = [i for i, r in enumerate(requests) if r[:2] == (where, epoch)]
        unbroken = [i for n, i in enumerate(run) if all(j in answered for j in run[: n + 1])]
        last = rest.get(where, committed.get((where, epoch)))
        assert last == (requests[unbroken[-1]][2] + 1 if unbroken else None)
