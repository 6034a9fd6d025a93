"""The consumer stage: read requests, enqueue them, commit what was answered."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from waiter_service.core.offsets import AssignedOffsets
from waiter_service.kafka.causes import read_failure
from waiter_service.kafka.cluster import KafkaUnavailable, broker_error
from waiter_service.kafka.record import position_of, request_of
from waiter_service.pipeline.job import Finished, Job
from waiter_service.pipeline.observer import REBALANCE_MS, Counters, Timings, Tracing
from waiter_service.pipeline.queue import BoundedQueue

BATCH = 200
# When the request queue stays full for longer, the consumer pauses its partitions and goes on polling: so
# max.poll.interval.ms never puts it out of its group.  A pause costs a fetch, which shorter waits are not worth.
QUEUE_FULL_WAIT_S = 0.2
POLL_S = 0.1
_logger = logging.getLogger("waiter_service")


class RequestConsumer(threading.Thread):
    """One thread with one Consumer of the group.

    Args:
        number: its number from 1, for the thread's name.
        config: the Consumer's configuration.
        topic: the request topic.
        requests: the queue to the waiter threads.
        counters: counts requests, anomalies and errors.
        timings: records how long requests take; None when nobody reads it.
        tracing: makes spans; None for none.
        on_crash: is called when the thread cannot go on.
    """

    def __init__(
        self,
        number: int,
        config: dict[str, Any],
        topic: str,
        requests: BoundedQueue[Job],
        counters: Counters,
        timings: Timings | None,
        tracing: Tracing | None,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        super().__init__(name=f"consumer-{number}", daemon=True)
        self.assigned = threading.Event()
        """Set once the group has given this consumer its first assignment (an empty one counts)."""
        self.unanswered = 0
        """After the thread's end: requests that were read and not answered in time."""
        self._consumer = Consumer({**config, "on_commit": self._on_commit, "error_cb": self._on_error})
        self._topic = topic
        self._requests = requests
        self._counters = counters
        self._timings = timings
        self._tracing = tracing
        self._on_crash = on_crash
        self._offsets = AssignedOffsets()
        self._finished: Finished = deque()
        self._backlog: deque[Job] = deque()
        self._newly_assigned = False
        self._waiting_since_ns = 0
        """Since when it waits for an assignment, after it joined or had partitions taken away; 0 when it does not."""
        self._stopping = threading.Event()
        self._deadline = 0.0

    @property
    def in_flight(self) -> int:
        """How many requests were read and not yet answered; from any thread, a moment old."""
        return self._offsets.pending

    def stop(self, deadline: float) -> None:
        """Read no more, wait until all that was read is answered (until `deadline`), commit, leave the group."""
        self._deadline = deadline
        self._stopping.set()

    def run(self) -> None:
        """Thread body."""
        try:
            self._waiting_since_ns = time.perf_counter_ns()
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping.is_set():
                self._read(POLL_S)
                self._enqueue_backlog()
                self._store_offsets()
            self._drain()
            self._consumer.close()
        except KafkaException as fatal:  # confluent-kafka raises a fatal error instead of calling error_cb
            self._on_crash(KafkaUnavailable(read_failure(self._topic, broker_error(fatal.args[0]))))
        except BaseException as crash:
            self._on_crash(crash)

    def _read(self, timeout_s: float) -> None:
        """Take what has arrived into the backlog: wait for the first message, then take what needs no waiting."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return
        received_ns = time.perf_counter_ns()
        taken = 0
        for message in (first, *self._consumer.consume(BATCH, 0)):
            if error := message.error():
                self._counters.anomaly("consumer error", read_failure(self._topic, broker_error(error)))
            else:
                taken += self._take(message, received_ns)
        self._counters.count("requests", taken)

    def _take(self, message: Message, received_ns: int) -> bool:
        """Put one request into the backlog; False when its partition is no longer ours."""
        partition, offset = position_of(message)
        tracker = self._offsets.add(partition, offset)
        if tracker is None:
            return False  # read before its partition was revoked
        try:
            request = request_of(message, self._topic, partition, offset, received_ns)
        except Exception as error:  # one record must never stop the service
            example = f"{self._topic}[{partition}]@{offset}: {type(error).__name__}: {error}"
            self._counters.anomaly("request could not be read", example)
            self._finished.append((tracker, offset))
        else:
            self._backlog.append(Job(request, tracker, self._finished, timings=self._timings))
        return True

    def _enqueue_backlog(self) -> None:
        """Move the backlog into the request queue; while that stays full, pause and keep polling."""
        paused = False
        while self._backlog:
            if self._requests.reserve(QUEUE_FULL_WAIT_S):
                job = self._backlog.popleft()
                job.request.queued_ns = time.perf_counter_ns()
                self._requests.add(job)
                continue
            if not paused:
                self._counters.count("pauses: request queue full")
                paused = True
            # In each turn: a rebalance may have brought partitions that are not paused.
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
            self._enqueue_backlog()
            self._store_offsets()
        self.unanswered = self._pending()
        self._store_offsets()

    def _pending(self) -> int:
        self._collect_finished()
        return self._offsets.pending

    def _collect_finished(self) -> None:
        while self._finished:
            tracker, offset = self._finished.popleft()
            tracker.finish(offset)

    def _store_offsets(self) -> None:
        """Tell librdkafka what may be committed; it commits each second, on revocation and on close."""
        self._collect_finished()
        for partition, offset in self._offsets.take_committable():
            try:
                self._consumer.store_offsets(offsets=[TopicPartition(self._topic, partition, offset)])
            except KafkaException as error:
                # The partition was lost a moment ago; its new owner starts at the last commit.
                self._counters.anomaly("offset not stored", str(error))

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._offsets.assign(partition.partition for partition in partitions)
        self._newly_assigned = True
        self._counters.count("rebalances")
        took_ns = time.perf_counter_ns() - self._waiting_since_ns if self._waiting_since_ns else 0
        self._waiting_since_ns = 0
        self._counters.count(REBALANCE_MS, took_ns // 1_000_000)
        self._record_event("assigned", partitions, took_ns=took_ns)
        _logger.info(
            "%s was assigned partitions %s after %.0f ms",
            self.name, sorted(p.partition for p in partitions), took_ns / 1e6,
        )  # fmt: skip
        self.assigned.set()

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._store_offsets()
        self._drop(partitions, "gave back")

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(partitions, "lost")

    def _drop(self, partitions: list[TopicPartition], how: str) -> None:
        numbers = sorted(partition.partition for partition in partitions)
        unanswered = self._offsets.revoke(numbers)
        self._waiting_since_ns = self._waiting_since_ns or time.perf_counter_ns()
        self._record_event(how, partitions)
        _logger.info(
            "%s %s partitions %s; %d unanswered requests there are left to the next owner",
            self.name, how, numbers, unanswered,
        )  # fmt: skip

    def _record_event(self, what: str, partitions: list[TopicPartition], took_ns: int = 0, **attributes: str) -> None:
        if self._tracing is not None:
            numbers = ",".join(str(partition.partition) for partition in partitions)
            self._tracing.record_event(
                f"{what} {self._topic}", took_ns, consumer=self.name, partitions=numbers, **attributes
            )

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is not None:
            self._counters.anomaly("commit failed", str(error))
            self._record_event("commit failed", partitions, error=error.name())
        else:
            self._counters.count("commits", len(partitions))

    def _on_error(self, error: KafkaError) -> None:
        self._counters.anomaly("consumer error", read_failure(self._topic, broker_error(error)))
