"""What the cluster says of our topics: asked by a consumer of its own.

A producer's look would create a misspelt topic; and confluent-kafka lets one thread at a time into a consumer, so a
question to the reply consumer would wait for its thread, or hold up its stamps.

Every call blocks until a broker answers or the time is up: not for the hub, but for gevent's thread pool.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from locust_kafka.core.routing import Partition
from locust_kafka.kafka.causes import BrokerError, PartitionState

ANSWER_S = 3.0
POLL_S = 0.1
_MAX_ERRORS = 100
_PASSING = {
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT,  # noqa: SLF001 - as below
    KafkaError.GROUP_AUTHORIZATION_FAILED,  # the group is a name only
    KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
}  # fmt: skip
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}  # noqa: SLF001 - librdkafka's own code


@dataclass(frozen=True)
class ClusterView:
    """What the cluster looked like at one moment.

    Attributes:
        cluster_id: the cluster's own; "" when it has none.
        brokers: how many it has.
        partitions: of each topic that exists, by number.
        refused: topics that cannot be looked at, and why.
    """

    cluster_id: str
    brokers: int
    partitions: dict[str, dict[int, PartitionState]] = field(default_factory=dict)
    refused: dict[str, BrokerError | None] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Which cluster it is, for people."""
        return f"{self.cluster_id or 'without an id'}, {self.brokers} broker{'s' if self.brokers != 1 else ''}"

    def of(self, topics: Iterable[str]) -> list[Partition]:
        """All partitions of these topics, in order."""
        return [(topic, number) for topic in sorted(topics) for number in sorted(self.partitions.get(topic, ()))]

    def leaders(self) -> dict[Partition, int]:
        """Which broker leads which partition; those without a leader are left out."""
        return {
            (topic, number): state.leader
            for topic, partitions in self.partitions.items()
            for number, state in partitions.items()
            if state.leader >= 0
        }

    def leaderless(self) -> list[Partition]:
        """Partitions without a leader: nothing can be written to or read from them."""
        return [
            (topic, number)
            for topic, partitions in sorted(self.partitions.items())
            for number, state in sorted(partitions.items())
            if state.leader < 0
        ]


class Cluster:
    """Asks a cluster about topics.

    Args:
        config: librdkafka's settings of a consumer.

    Raises:
        KafkaException: librdkafka refused a setting.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.errors: deque[BrokerError] = deque(maxlen=_MAX_ERRORS)
        """What librdkafka said of its connections, the latest last."""
        # librdkafka says why a connection was closed in its log, and nowhere else; `poll` serves it to `log`.
        said = {"log_level": 6, "logger": self, "error_cb": self._heard}
        self._consumer = Consumer({**config, **said})
        self._in_use = 0
        self._closed = False

    def look(self, topics: Iterable[str], timeout_s: float = ANSWER_S) -> ClusterView:
        """Ask for these topics only: all of them are many on a big cluster.

        Raises:
            KafkaException: no broker answered in time.
        """
        view = ClusterView("", 0)
        for topic in sorted(topics):
            found = self._ask(topic, timeout_s)
            view = ClusterView(found.cluster_id or "", len(found.brokers), view.partitions, view.refused)
            metadata = found.topics.get(topic)
            if metadata is None or metadata.error is not None or not metadata.partitions:
                error: Any = None if metadata is None else metadata.error
                missing = error is None or error.code() in _MISSING
                view.refused[topic] = None if missing else BrokerError(error.name(), error.str())
            else:
                view.partitions[topic] = {
                    number: PartitionState(number, one.leader, len(one.replicas), len(one.isrs))
                    for number, one in metadata.partitions.items()
                }
        return view

    def names(self, timeout_s: float = ANSWER_S) -> list[str]:
        """The names of all topics, for a hint at the one that was meant; empty when nobody answers."""
        try:
            return [name for name in self._ask(None, timeout_s).topics if not name.startswith("__")]
        except KafkaException:
            return []

    def ends(self, partitions: Iterable[Partition], timeout_s: float = ANSWER_S) -> dict[Partition, int]:
        """The offset of the next record of each partition, all in one request a broker.

        Raises:
            KafkaException: no broker answered in time, or one refused.
        """
        wanted = [TopicPartition(topic, number, OFFSET_END) for topic, number in partitions]
        if not wanted:
            return {}
        self._in_use += 1
        try:
            found = self._consumer.offsets_for_times(wanted, timeout=timeout_s) if not self._closed else []
        finally:
            self._in_use -= 1
        for one in found:
            if one.error is not None:
                raise KafkaException(one.error)
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def serve(self) -> None:
        """Let librdkafka report its errors: nothing is assigned, so no record can come."""
        if not self._closed:
            self._consumer.poll(POLL_S)

    def close(self) -> None:
        """Ask no more; what is being asked is left to come to its end."""
        self._closed = True
        if not self._in_use:
            self._consumer.close()

    def _ask(self, topic: str | None, timeout_s: float) -> Any:
        self._in_use += 1
        try:
            if self._closed:
                raise KafkaException(KafkaError(KafkaError._STATE))  # noqa: SLF001 - librdkafka's own code
            return self._consumer.list_topics(topic, timeout=timeout_s) if topic else self._consumer.list_topics(
                timeout=timeout_s
            )  # fmt: skip
        finally:
            self._in_use -= 1

    def log(self, _level: int, text: str, *arguments: object) -> None:
        """Librdkafka's log, as a `logging.Logger` would take it; served by `poll`."""
        line = text % arguments if arguments else text
        self.errors.append(BrokerError(line.partition(" ")[0], line))

    def _heard(self, error: KafkaError) -> None:
        self.errors.append(BrokerError(error.name(), error.str()))


def probe(config: dict[str, Any], ends: dict[Partition, int], timeout_s: float) -> BrokerError | Partition | None:
    """Read each partition up to its end, to see that it can be read: a permission shows in a fetch alone.

    Args:
        config: librdkafka's settings of a consumer that reports a partition's end.
        ends: where to begin.
        timeout_s: how long to wait for all of them.

    Returns:
        None when all can be read; else the broker's refusal, or a partition that did not answer.
    """
    consumer = Consumer(config)
    try:
        consumer.assign([TopicPartition(topic, number, offset) for (topic, number), offset in ends.items()])
        silent = set(ends)
        give_up = time.monotonic() + timeout_s
        while silent and time.monotonic() < give_up:
            message = consumer.poll(POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                silent.discard((str(message.topic()), int(message.partition() or 0)))
            elif error.code() not in _PASSING:
                return BrokerError(error.name(), error.str())
        return min(silent) if silent else None
    finally:
        consumer.close()
