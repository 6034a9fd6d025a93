"""Which offsets may be committed: those before which every request is answered.  Pure; one thread owns an object."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator


class OffsetTracker:
    """One partition, from its assignment to its revocation.

    Offsets are added in the order read (transactions and compaction leave gaps) and finished in any order.  The
    committable offset is one past the last offset of the unbroken run of finished ones.

    Args:
        partition: the partition's number.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.revoked = False
        """Whether the partition went to another consumer; then nothing more is committed from here."""
        self._order: deque[int] = deque()
        self._finished: set[int] = set()
        self._committable: int | None = None

    @property
    def pending(self) -> int:
        """How many offsets were added and not finished."""
        return len(self._order) - len(self._finished)

    def add(self, offset: int) -> None:
        """Note that a request at this offset was read."""
        self._order.append(offset)

    def finish(self, offset: int) -> None:
        """Note that every reply to this request was acknowledged, or that none will be sent."""
        self._finished.add(offset)
        while self._order and self._order[0] in self._finished:
            head = self._order.popleft()
            self._finished.remove(head)
            self._committable = head + 1

    def take_committable(self) -> int | None:
        """Return the offset to commit; None if it has not moved since the last call."""
        offset, self._committable = self._committable, None
        return offset


class AssignedOffsets:
    """The partitions that one consumer has now.

    A partition that comes back after a revocation gets a new tracker: requests of its earlier assignment that finish
    later must not move the new one's offset.
    """

    def __init__(self) -> None:
        self._trackers: dict[int, OffsetTracker] = {}

    @property
    def pending(self) -> int:
        """How many requests of the present assignment are not answered; from any thread, a moment old."""
        return sum(tracker.pending for tracker in list(self._trackers.values()))

    def assign(self, partitions: Iterable[int]) -> None:
        """Begin to track these partitions, with nothing pending."""
        for partition in partitions:
            self._trackers[partition] = OffsetTracker(partition)

    def revoke(self, partitions: Iterable[int]) -> int:
        """Track these partitions no more.

        Returns:
            How many of their requests are unanswered.
        """
        unanswered = 0
        for partition in partitions:
            if tracker := self._trackers.pop(partition, None):
                tracker.revoked = True
                unanswered += tracker.pending
        return unanswered

    def add(self, partition: int, offset: int) -> OffsetTracker | None:
        """Note that a request was read; None when its partition was revoked meanwhile, so it is not ours."""
        tracker = self._trackers.get(partition)
        if tracker is not None:
            tracker.add(offset)
        return tracker

    def take_committable(self) -> Iterator[tuple[int, int]]:
        """Yield partition and offset for each partition whose committable offset has moved."""
        for tracker in self._trackers.values():
            if (offset := tracker.take_committable()) is not None:
                yield tracker.partition, offset
