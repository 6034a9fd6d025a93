"""Long work in the hub, in slices: between them users send, and replies are judged."""

from __future__ import annotations

from time import perf_counter

import gevent

SLICE_S = 0.003
"""What one piece of work may hold the hub for: less than the self-check calls a stall."""
GIVEN_S = 0.0005
"""Not `sleep(0)`: gevent runs many of those before it looks at its timers again."""


class HubShare:
    """Called between the pieces of some work: gives way to the others when a slice is used up."""

    def __init__(self) -> None:
        self._until_s = perf_counter() + SLICE_S

    def __call__(self) -> None:
        """Come back at once, or when the others have had their turn."""
        if perf_counter() >= self._until_s:
            gevent.sleep(GIVEN_S)
            self._until_s = perf_counter() + SLICE_S
