"""The consumer stage: read requests, hand them on, commit what was answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from waiter_service.core.offsets import OffsetTracker
from waiter_service.observe.counters import Telemetry, logger
from waiter_service.observe.tracing import Tracing
from waiter_service.pipeline.job import Finished, Job
from waiter_service.pipeline.queue import BoundedQueue

BATCH = 200
# Held back longer than this, a consumer pauses its partitions and goes on polling, so that max.poll.interval.ms
# never throws it out of its group; shorter waits are not worth the refetch that a pause costs.
PATIENCE_S = 0.2
POLL_S = 0.1


class RequestConsumer(threading.Thread):
    """One thread with one Consumer of the group.

    Args:
        number: from 1, for its name.
        config: the Consumer's configuration.
        topic: the request topic.
        requests: the queue to the waiter threads.
        telemetry: counters.
        tracing: spans; None for none.
        on_crash: is called when the thread cannot go on.
    """

    def __init__(
        self,
        number: int,
        config: dict[str, Any],
        topic: str,
        requests: BoundedQueue[Job],
        telemetry: Telemetry,
        tracing: Tracing | None,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name=f"consumer-{number}", daemon=True)
        self.assigned = threading.Event()
        """Set once the group has given this consumer its first assignment (an empty one counts)."""
        self.undrained = 0
        """After the thread's end: requests that were read and not answered in time."""
        self._consumer = Consumer({**config, "on_commit": self._committed, "error_cb": self._error})
        self._topic = topic
        self._requests = requests
        self._telemetry = telemetry
        self._tracing = tracing
        self._on_crash = on_crash
        self._trackers: dict[int, OffsetTracker] = {}
        self._finished: Finished = deque()
        self._backlog: deque[Job] = deque()
        self._newly_assigned = False
        self._stopping = threading.Event()
        self._deadline = 0.0

    @property
    def in_flight(self) -> int:
        """How many requests were read and not yet answered; from any thread, a moment old."""
        return sum(tracker.pending for tracker in list(self._trackers.values()))

    def stop(self, deadline: float) -> None:
        """Read no more, wait until all that was read is answered (until `deadline`), commit, leave the group."""
        self._deadline = deadline
        self._stopping.set()

    def run(self) -> None:
        """Thread body."""
        try:
            self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost)
            while not self._stopping.is_set():
                self._read(POLL_S)
                self._hand_on()
                self._store_offsets()
            self._drain()
            self._consumer.close()
        except BaseException as crash:
            self._on_crash(crash)

    def _read(self, timeout_s: float) -> None:
        """Take what is there into the backlog: wait for the first, then only what needs no waiting."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return
        received_ns = time.perf_counter_ns()
        before = len(self._backlog)
        for message in (first, *self._consumer.consume(BATCH, 0)):
            if error := message.error():
                self._telemetry.odd("consumer error", str(error))
                continue
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            tracker = self._trackers.get(partition)
            if tracker is None:
                continue  # read before, delivered after its partition was revoked
            tracker.add(offset)
            self._backlog.append(Job(message, tracker, self._finished, received_ns, timings=self._telemetry.timings))
        self._telemetry.count("requests", len(self._backlog) - before)

    def _hand_on(self) -> None:
        """Move the backlog into the request queue; when that stays full, pause and keep polling."""
        paused = False
        while self._backlog:
            if self._requests.reserve(PATIENCE_S):
                job = self._backlog.popleft()
                job.queued_ns = time.perf_counter_ns()
                self._requests.add(job)
                continue
            if not paused:
                self._telemetry.count("pauses: request queue full")
                paused = True
            # Each time anew: a rebalance may have brought partitions that are not paused.
            self._consumer.pause(self._consumer.assignment())
            self._read(0)
            self._store_offsets()
            if self._stopping.is_set() and time.monotonic() > self._deadline:
                return
        if paused or self._newly_assigned:
            # librdkafka remembers a pause beyond revocation: a partition that comes back would never be read again.
            self._newly_assigned = False
            self._consumer.resume(self._consumer.assignment())

    def _drain(self) -> None:
        while self._pending() and time.monotonic() < self._deadline:
            self._consumer.pause(self._consumer.assignment())
            self._newly_assigned = False
            self._read(0.05)
            self._hand_on()
            self._store_offsets()
        self.undrained = self._pending()
        self._store_offsets()

    def _pending(self) -> int:
        self._collect_finished()
        return sum(tracker.pending for tracker in self._trackers.values())

    def _collect_finished(self) -> None:
        while self._finished:
            tracker, offset = self._finished.popleft()
            tracker.finish(offset)

    def _store_offsets(self) -> None:
        """Tell librdkafka what may be committed; it commits each second, on revocation and on close."""
        self._collect_finished()
        for tracker in self._trackers.values():
            offset = tracker.take_committable()
            if offset is not None:
                try:
                    self._consumer.store_offsets(offsets=[TopicPartition(self._topic, tracker.partition, offset)])
                except KafkaException as error:
                    # The partition was lost a moment ago; its new owner starts at the last commit.
                    self._telemetry.odd("offset not stored", str(error))

    def _assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._trackers[partition.partition] = OffsetTracker(partition.partition)
        self._newly_assigned = True
        self._telemetry.count("rebalances")
        self._mark("assigned", partitions)
        logger.info("%s was assigned partitions %s", self.name, sorted(p.partition for p in partitions))
        self.assigned.set()

    def _revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._store_offsets()
        self._forget(partitions, "gave back")

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions, "lost")

    def _forget(self, partitions: list[TopicPartition], how: str) -> None:
        unanswered = 0
        for partition in partitions:
            if tracker := self._trackers.pop(partition.partition, None):
                tracker.revoked = True
                unanswered += tracker.pending
        self._mark(how, partitions)
        logger.info(
            "%s %s partitions %s; %d unanswered requests there are left to the next owner",
            self.name, how, sorted(p.partition for p in partitions), unanswered,
        )  # fmt: skip

    def _mark(self, what: str, partitions: list[TopicPartition], **attributes: str) -> None:
        if self._tracing is not None:
            numbers = ",".join(str(partition.partition) for partition in partitions)
            self._tracing.mark(f"{what} {self._topic}", consumer=self.name, partitions=numbers, **attributes)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is not None:
            self._telemetry.odd("commit failed", str(error))
            self._mark("commit failed", partitions, error=str(error))
        else:
            self._telemetry.count("commits", len(partitions))

    def _error(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_crash(KafkaException(error))
        self._telemetry.odd("consumer error", str(error))
