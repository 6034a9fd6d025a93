"""The shared reply consumer: one native thread that stamps, so that a busy hub cannot make replies look late."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from gevent import monkey

from locust_kafka.errors import NotReady
from locust_kafka.hub.queue import HubQueue
from locust_kafka.hub.thread import NativeThread

_sleep = monkey.get_original("time", "sleep")

POLL_S = 0.1
BATCH = 1000
READY_TIMEOUT_S = 10.0


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
    """

    watermark_ns: int
    messages: list[Any] = field(default_factory=list)
    rest_ns: int = 0
    errors: list[KafkaError] = field(default_factory=list)
    death: BaseException | None = None


class ReplyConsumer:
    """Reads every partition of the reply topics from the end offsets at the time of `connect`.

    Args:
        config: librdkafka settings.
        handover: where batches and watermarks go.
    """

    def __init__(self, config: dict[str, Any], handover: HubQueue[ReplyBatch]) -> None:
        self.next_deadline_ns: int | None = None
        """Set by the exchange greenlet: the thread wakes by then at the latest, so that timeouts are on time."""
        self._errors: list[KafkaError] = []
        self._consumer = Consumer({**config, "error_cb": self._errors.append})
        self._bootstrap = config["bootstrap.servers"]
        self._handover = handover
        self._stopping = self._asking = False
        self._thread = NativeThread(self._listen, self._died)

    def connect(self, request_topics: Iterable[str], reply_topics: Iterable[str]) -> None:
        """Check that all topics exist and take the reply topics' end offsets.  Blocks: not for the hub.

        Partitions are assigned by hand, at explicit offsets, without a group: no rebalance can lose a reply, and
        nothing produced after this call can be missed.

        Raises:
            NotReady: no broker answered or a topic was missing for 10 s.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                partitions = self._find_topics(sorted({*request_topics, *reply_topics}), sorted(set(reply_topics)))
                self._consumer.assign(partitions)
                return
            except NotReady:
                if time.monotonic() > deadline:
                    raise
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise NotReady(
                        f"no Kafka broker answered at {self._bootstrap} within {READY_TIMEOUT_S:.0f} s "
                        f"({error.args[0].str()}); start one (for example: locust-kafka broker) "
                        "or name yours with --kafka-bootstrap"
                    ) from error
            self._consumer.poll(0.2)  # serves callbacks; nothing is assigned, so nothing can come

    def leaders(self) -> dict[tuple[str, int], int]:
        """Which broker leads which partition, as far as it is known now.  Blocks: not for the hub."""
        self._asking = True  # the thread must not close what is in use here
        try:
            topics = {} if self._stopping else self._consumer.list_topics(timeout=3).topics
        except KafkaException:  # no broker
            return {}
        finally:
            self._asking = False
        return {
            (name, number): partition.leader
            for name, topic in topics.items()
            for number, partition in topic.partitions.items()
            if partition.leader >= 0
        }

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after one last hand-over and close the consumer; from a greenlet."""
        self._stopping = True
        self._thread.join(POLL_S + 5)

    def _find_topics(self, topics: list[str], reply_topics: list[str]) -> list[TopicPartition]:
        found = self._consumer.list_topics(timeout=3).topics
        for topic in topics:
            if topic not in found or not found[topic].partitions:
                near = difflib.get_close_matches(topic, found, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else "create it first"
                raise NotReady(f"topic {topic!r} does not exist on {self._bootstrap}: {hint}")
        wanted = [TopicPartition(topic, number) for topic in reply_topics for number in found[topic].partitions]
        for partition in wanted:
            partition.offset = self._consumer.get_watermark_offsets(partition, timeout=3)[1]
        return wanted

    def _listen(self) -> None:
        poll, consume, put = self._consumer.poll, self._consumer.consume, self._handover.put
        while not self._stopping:
            deadline = self.next_deadline_ns
            wait_s = POLL_S if deadline is None else (deadline - perf_counter_ns()) / 1e9
            first = poll(min(max(wait_s, 0.001), POLL_S))
            received_ns = perf_counter_ns()
            messages = [] if first is None else [first, *consume(BATCH, 0)]
            rest_ns = perf_counter_ns()
            errors = []
            while self._errors:
                errors.append(self._errors.pop(0))
            put(ReplyBatch(received_ns, messages, rest_ns, errors))
        last = consume(BATCH * 100, 0)
        ended_ns = perf_counter_ns()
        put(ReplyBatch(ended_ns, last, ended_ns))
        while self._asking:
            _sleep(0.01)
        self._consumer.close()

    def _died(self, death: BaseException) -> None:
        self._handover.put(ReplyBatch(0, death=death))
