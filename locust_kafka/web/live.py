"""What the page is sent while a run goes on: the whole run first, then what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import gevent

EVERY_S = 2.0
REPEATED_S = 40
"""Seconds that are sent again: the latest may still change, and a reader that missed an event misses nothing."""
MAX_NAMES = 50
"""Request names on the page; all of them stand in the summary."""

Snapshot = Callable[[], Callable[[], dict[str, Any]]]
"""Copies in the hub what the page shows; what it returns computes the page from the copy, in any thread."""


def events(snapshot: Callable[[], dict[str, Any]]) -> Iterator[str]:
    """Server-sent events (HTML Living Standard, section 9.2), without end; one reader's.

    Args:
        snapshot: gives `page.data` as it is now.
    """
    sent_until = 0
    began = None
    while True:
        data = dict(snapshot())
        if data["run"] != began:  # another run: its history begins again
            began, sent_until = data["run"], 0
        rows = data["history"]["rows"]
        fresh = [row for row in rows if row[0] > sent_until - REPEATED_S] if sent_until else rows
        sent_until = max([row[0] for row in rows[-1:]], default=0)
        data["history"] = {**data["history"], "rows": fresh}
        yield f"data: {apart(_encoded, data)}\n\n"
        gevent.sleep(EVERY_S)


T = TypeVar("T")


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """Do in a native thread what would hold the hub, and with it every user, for milliseconds."""
    result: T = gevent.get_hub().threadpool.apply(work, arguments)
    return result


class Cached:
    """One snapshot for all readers, made anew at most every EVERY_S.

    Args:
        make: makes one.
        clock: seconds that only go up.
    """

    def __init__(self, make: Snapshot, clock: Callable[[], float]) -> None:
        self._make, self._clock = make, clock
        self._data: dict[str, Any] = {}
        self._until_s = float("-inf")

    def __call__(self) -> dict[str, Any]:
        """The latest."""
        if self._clock() >= self._until_s:
            self._data = apart(self._make())
            self._until_s = self._clock() + EVERY_S / 2
        return self._data


def _encoded(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False)
