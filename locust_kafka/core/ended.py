"""What is remembered of ended requests, for the replies that may still come: plain columns, and dicts of ids.

A minute at 17 000/s is a million of them: as objects they would need more memory and time, and the garbage collector
would look at each.  Columns are filled many rows at a time, and forgotten a whole page at once: one dict for all, from
which the oldest went one by one, was rehashed repeatedly and kept 20 MB.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from locust_kafka.core.books import Outcome

_ANSWERED = 0x80
_MATCHED = Outcome.MATCHED
PAGES = 4
"""Full pages at a time: more would be nearer to the time to remember, and cost more to look through."""


class Ended(Protocol):
    """A request that has ended."""

    correlation_id: bytes
    name: str
    intended_ns: int
    sent_ns: int
    ended_ns: int
    outcome: Outcome | None


class EndedRequest(NamedTuple):
    """What is remembered of an ended exchange."""

    ended_ns: int
    outcome: Outcome
    answered: bool
    intended_ns: int
    sent_ns: int
    name: str


class _Page:
    """Rows of some seconds."""

    def __init__(self) -> None:
        self.rows: dict[bytes, int] = {}
        self.first_ns = self.last_ns = 0
        """Ends: of the first row, and the latest."""
        self.ended, self.intended, self.sent = array("q"), array("q"), array("q")
        self.marks = bytearray()
        self.names: list[str] = []

    def add(self, ended: Sequence[Ended]) -> None:
        row = len(self.ended)
        ends = [x.ended_ns for x in ended]
        self.first_ns, self.last_ns = self.first_ns or ends[0], max(self.last_ns, *ends)
        self.rows.update(zip([x.correlation_id for x in ended], range(row, row + len(ended)), strict=True))
        self.ended.extend(ends)
        self.intended.extend([x.intended_ns for x in ended])
        self.sent.extend([x.sent_ns for x in ended])
        self.names.extend([x.name for x in ended])
        self.marks.extend([_MATCHED | _ANSWERED if x.outcome is _MATCHED else x.outcome or 0 for x in ended])


class EndedRequests:
    """Ended requests by their ids, in the order of their ends.

    Args:
        remember_ns: how long after its end a request is remembered, at least.
        remember_count: how many are remembered at most; the oldest go first, a page at a time, and are counted.
    """

    def __init__(self, remember_ns: int, remember_count: int) -> None:
        self.evicted = 0
        """Evicted early: the memory limit was reached."""
        self.remember_ns = remember_ns
        self.rows: deque[dict[bytes, int]] = deque()
        """The ids that are remembered, the newest page first; to look at only."""
        self._pages: deque[_Page] = deque()  # the newest first, too
        self._remember_count = remember_count
        self._page_rows = max(1, remember_count // PAGES)
        self._count = 0

    def add(self, ended: Sequence[Ended]) -> None:
        """Remember these; a matched one has been answered."""
        at = 0
        while at < len(ended):
            page = self._page(ended[at].ended_ns)
            some = ended[at : at + self._page_rows - len(page.ended)]
            page.add(some)
            at += len(some)
            self._count += len(some)
            while self._count > self._remember_count:
                self.evicted += self._drop_oldest()

    def get(self, correlation_id: bytes) -> EndedRequest | None:
        """What is remembered of it, long ago or not."""
        page = self._page_of(correlation_id)
        if page is None:
            return None
        at = page.rows[correlation_id]
        mark = page.marks[at]
        return EndedRequest(
            page.ended[at], Outcome(mark & ~_ANSWERED), mark >= _ANSWERED, page.intended[at], page.sent[at],
            page.names[at],
        )  # fmt: skip

    def mark_answered(self, correlation_id: bytes) -> None:
        """Its first reply has come; it is remembered."""
        page = self._page_of(correlation_id)
        if page is not None:
            page.marks[page.rows[correlation_id]] |= _ANSWERED

    def drop_expired(self, now_ns: int) -> None:
        """Let go of pages on which all ended too long ago."""
        while self._pages and self._pages[-1].last_ns < now_ns - self.remember_ns:
            self._drop_oldest()

    def _page_of(self, correlation_id: bytes) -> _Page | None:
        return next((page for page in self._pages if correlation_id in page.rows), None)

    def _page(self, ended_ns: int) -> _Page:
        """The page to write on: a new one when the newest is full, or spans its part of the time."""
        if self._pages:
            newest = self._pages[0]
            if len(newest.ended) < self._page_rows and ended_ns - newest.first_ns <= self.remember_ns // PAGES:
                return newest
        page = _Page()
        self._pages.appendleft(page)
        self.rows.appendleft(page.rows)
        return page

    def _drop_oldest(self) -> int:
        """How many were forgotten by it."""
        page = self._pages.pop()
        self.rows.pop()
        self._count -= len(page.ended)
        return len(page.ended)
