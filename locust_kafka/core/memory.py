"""What is remembered of ended requests, for the replies that may still come: plain columns, and one dict of ids.

A run of a minute at 20 000/s remembers a million of them.  Objects would cost each a third more time and memory, and
the garbage collector would look at them; columns are filled many rows at a time.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from locust_kafka.core.books import Outcome

_ANSWERED = 0x80
_MATCHED = Outcome.MATCHED
TIDY_AFTER = 10_000


class Ended(Protocol):
    """A request that has ended."""

    correlation_id: bytes
    name: str
    intended_ns: int
    sent_ns: int
    ended_ns: int
    outcome: Outcome | None


class Past(NamedTuple):
    """What is remembered of an ended exchange."""

    ended_ns: int
    outcome: Outcome
    answered: bool
    intended_ns: int
    sent_ns: int
    name: str


class Memory:
    """Ended requests by their ids, in the order of their ends.

    Args:
        remember_ns: how long after its end a request is remembered.
        remember_count: how many are remembered at most; the oldest go first, and are counted.
    """

    def __init__(self, remember_ns: int, remember_count: int) -> None:
        self.evicted = 0
        """Forgotten before their time, for want of room."""
        self.remember_ns = remember_ns
        self._remember_count = remember_count
        self.rows: dict[bytes, int] = {}
        """The ids that are remembered (to look at only), with the numbers of their rows, which never change."""
        self._order: deque[bytes] = deque()
        self._oldest = 0  # number of the row of `_order[0]`
        self._first = 0  # number of the first row in the columns: some that are forgotten may still be there
        self._ended, self._intended, self._sent = array("q"), array("q"), array("q")
        self._marks = bytearray()
        self._names: list[str] = []

    def add(self, ended: Sequence[Ended]) -> None:
        """Remember these; a matched one has been answered."""
        ids = [x.correlation_id for x in ended]
        row = self._first + len(self._ended)
        self.rows.update(zip(ids, range(row, row + len(ids)), strict=True))
        self._order.extend(ids)
        self._ended.extend([x.ended_ns for x in ended])
        self._intended.extend([x.intended_ns for x in ended])
        self._sent.extend([x.sent_ns for x in ended])
        self._names.extend([x.name for x in ended])
        self._marks.extend([_MATCHED | _ANSWERED if x.outcome is _MATCHED else x.outcome or 0 for x in ended])
        while len(self.rows) > self._remember_count:
            self.evicted += self._drop_oldest()

    def find(self, correlation_id: bytes) -> Past | None:
        """What is remembered of it, long ago or not."""
        row = self.rows.get(correlation_id)
        if row is None:
            return None
        at = row - self._first
        mark = self._marks[at]
        return Past(
            self._ended[at], Outcome(mark & ~_ANSWERED), mark >= _ANSWERED, self._intended[at], self._sent[at],
            self._names[at],
        )  # fmt: skip

    def answer(self, correlation_id: bytes) -> None:
        """Its first reply has come."""
        self._marks[self.rows[correlation_id] - self._first] |= _ANSWERED

    def forget(self, now_ns: int) -> None:
        """Let go of what ended too long ago."""
        horizon, ended = now_ns - self.remember_ns, self._ended
        while self._order and ended[self._oldest - self._first] < horizon:
            self._drop_oldest()
        dead = self._oldest - self._first
        if dead > TIDY_AFTER and dead > len(self._order):  # not each time: it moves all that stay
            for column in (self._ended, self._intended, self._sent, self._marks, self._names):
                del column[:dead]
            self._first = self._oldest

    def _drop_oldest(self) -> bool:
        """Whether a request was forgotten by it: its id may have been registered again and be remembered anew."""
        correlation_id, row = self._order.popleft(), self._oldest
        self._oldest += 1
        if self.rows.get(correlation_id) != row:
            return False
        del self.rows[correlation_id]
        return True
