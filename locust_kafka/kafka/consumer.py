"""The shared reply consumer: one native thread that stamps, so that a busy hub cannot make replies look late."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from locust_kafka.core.routing import Partition
from locust_kafka.hub.queue import HubQueue
from locust_kafka.hub.thread import NativeThread
from locust_kafka.kafka.foreign import Dropped, ForeignFilter

POLL_S = 0.1
BATCH = 1000
MAX_ERRORS = 100
RELAXED_NS, RELAXED_MESSAGES = 5_000_000, 50
"""While no user waits the hub is woken so seldom, or for so many replies: their stamps tell when they came."""


@dataclass(slots=True)
class ReplyBatch:
    """What the reply consumer hands over: everything it received before the watermark has been handed over with it.

    Attributes:
        watermark_ns: when the first message of this batch was received, or when nothing was there.
        messages: confluent-kafka Messages, errors among them.
        rest_ns: by when all but the first were received: some may have come since the first was stamped, and none may
            be said to have been here before it was.
        errors: what librdkafka reported beside the messages.
        death: why the thread ended, if it did.
        early: how many of the messages were received at the watermark, the others by `rest_ns`.
        trace_ids: of the messages, if they were looked at already.
        dropped: foreign replies that are not among the messages.
    """

    watermark_ns: int
    messages: list[Any] = field(default_factory=list)
    rest_ns: int = 0
    errors: list[KafkaError] = field(default_factory=list)
    death: BaseException | None = None
    early: int = 1
    trace_ids: list[bytes | None] | None = None
    dropped: Dropped | None = None


class ReplyConsumer:
    """Reads every partition of the reply topics from the offsets that `assign` is given.

    Args:
        config: librdkafka's settings.
        reply_batches: where batches and watermarks go.
        foreign: drops what is not ours.

    Raises:
        KafkaException: librdkafka refused a setting.
    """

    def __init__(self, config: dict[str, Any], reply_batches: HubQueue[ReplyBatch], foreign: ForeignFilter) -> None:
        self.next_deadline_ns: int | None = None
        """Set by the exchange greenlet: the thread wakes by then at the latest, so that timeouts are on time."""
        self.somebody_waits = False
        """Set by the exchange greenlet: replies are wanted at once, else a few may wait for each other."""
        self._errors: deque[KafkaError] = deque(maxlen=MAX_ERRORS)  # librdkafka repeats them 20 times a second
        self._consumer = Consumer({
            **config, "error_cb": self._errors.append, "stats_cb": self._take_statistics,
            "statistics.interval.ms": 1000,
        })  # fmt: skip
        self._reply_batches = reply_batches
        self._foreign = foreign
        self._added: deque[list[TopicPartition]] = deque()
        self._forgotten: deque[list[TopicPartition]] = deque()
        self._stopping = False
        self._statistics = ""
        self._thread = NativeThread(self._listen, self._died)

    def assign(self, ends: dict[Partition, int]) -> None:
        """Take these partitions at these offsets; before `start`.

        They are assigned by hand, without a group: no rebalance can lose a reply.  The offsets are explicit, so nothing
        that is produced later can be missed.
        """
        self._consumer.assign([TopicPartition(topic, number, offset) for (topic, number), offset in ends.items()])

    def add(self, offsets: Mapping[Partition, int]) -> None:
        """Read these partitions as well, from these offsets; from any thread."""
        self._added.append([TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()])

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Read these partitions no more; from any thread."""
        self._forgotten.append([TopicPartition(topic, number) for topic, number in partitions])

    def has_broker(self) -> bool:
        """Whether it was connected to a broker at librdkafka's last statistics, which come once a second.

        confluent-kafka lets one thread at a time into a consumer, so it cannot be asked; and ALL_BROKERS_DOWN is an
        event that nothing takes back.  True while nothing is known.
        """
        if not self._statistics:
            return True
        brokers = json.loads(self._statistics)["brokers"].values()
        return any(broker["state"] == "UP" and broker["nodeid"] >= 0 for broker in brokers)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after one last hand-over and close the consumer; from a greenlet."""
        self._stopping = True
        self._thread.join(POLL_S + 5)

    def _listen(self) -> None:
        poll, consume, put = self._consumer.poll, self._consumer.consume, self._reply_batches.put
        foreign, woken_ns, quiet = self._foreign, 0, 0
        while not self._stopping:
            self._change_assignment()
            first = poll(self._patience_s())
            received_ns = perf_counter_ns()
            messages = [] if first is None else [first, *consume(BATCH, 0)]
            rest_ns = perf_counter_ns()
            batch = ReplyBatch(received_ns, messages, rest_ns)
            if foreign.active and messages:
                batch.messages, batch.trace_ids = foreign.sift(messages)
                batch.early = 1 if batch.messages and batch.messages[0] is first else 0
                if not (batch.messages or self._errors or self._is_awaited(received_ns, woken_ns)):
                    continue  # nothing for the hub, which it would be woken for
            batch.dropped = foreign.take_dropped()
            while self._errors:
                batch.errors.append(self._errors.popleft())
            quiet += len(batch.messages)
            if wake := (
                self.somebody_waits or first is None or bool(batch.errors) or quiet > RELAXED_MESSAGES
                or received_ns - woken_ns > RELAXED_NS or self._is_awaited(received_ns, woken_ns)
            ):  # fmt: skip
                woken_ns, quiet = received_ns, 0
            put(batch, wake=wake)
        last = consume(BATCH * 100, 0)
        ended_ns = perf_counter_ns()
        put(ReplyBatch(ended_ns, last, ended_ns, dropped=foreign.take_dropped()))
        self._consumer.close()

    def _patience_s(self) -> float:
        """How long to wait for a reply: timeouts are to be on time."""
        deadline = self.next_deadline_ns
        wait_s = POLL_S if deadline is None else (deadline - perf_counter_ns()) / 1e9
        return min(max(wait_s, 0.001), POLL_S)

    def _is_awaited(self, now_ns: int, woken_ns: int) -> bool:
        """Whether the hub wants a watermark although there are no replies for it."""
        deadline = self.next_deadline_ns
        return now_ns - woken_ns > POLL_S * 1e9 or (deadline is not None and now_ns >= deadline)

    def _change_assignment(self) -> None:
        while self._added:
            self._consumer.incremental_assign(self._added.popleft())
        while self._forgotten:
            self._consumer.incremental_unassign(self._forgotten.popleft())

    def _take_statistics(self, statistics: str) -> None:
        self._statistics = statistics

    def _died(self, death: BaseException) -> None:
        self._reply_batches.put(ReplyBatch(0, death=death))
