"""Offsets: nothing unanswered is ever committed."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core.offsets import OffsetTracker


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
