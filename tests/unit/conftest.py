"""A test in this process that waits in gevent for what never comes fails in three minutes: no signal would end it."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

LONGEST_S = 180


@pytest.fixture(autouse=True)
def never_for_ever() -> Iterator[None]:
    """Pytest's own timeout is a signal, and a hub without anything to do does not come back to see it."""
    with gevent.Timeout(LONGEST_S):
        yield
