"""Which offset may be committed: all before it must be answered.  Pure, owned by one thread."""

from __future__ import annotations

from collections import deque


class OffsetTracker:
    """One assignment of one partition.

    Offsets are added in the order read (gaps are normal: transactions and compaction leave them) and finished in
    any order.  What may be committed is one past the last of the unbroken run of finished ones.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.revoked = False
        """The partition went to another consumer: work on it may be dropped, nothing more is committed."""
        self._order: deque[int] = deque()
        self._finished: set[int] = set()
        self._committable: int | None = None

    @property
    def pending(self) -> int:
        """How many offsets were added and not finished."""
        return len(self._order) - len(self._finished)

    def add(self, offset: int) -> None:
        """A request at this offset was taken into the pipeline."""
        self._order.append(offset)

    def finish(self, offset: int) -> None:
        """Every reply to the request at this offset was acknowledged, or none will be sent."""
        self._finished.add(offset)
        while self._order and self._order[0] in self._finished:
            head = self._order.popleft()
            self._finished.remove(head)
            self._committable = head + 1

    def take_committable(self) -> int | None:
        """The offset to commit, if it has moved since the last call."""
        offset, self._committable = self._committable, None
        return offset
