"""The topics the waiter needs: created when missing, and said when they differ from what was asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from waiter_service.kafka.causes import topic_failure
from waiter_service.kafka.cluster import Cluster, KafkaUnavailable, broker_error
from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.stage import Stage

CHECKS_WAITING = 1000
"""How many answers may wait until their topic is known; with more, the producers wait."""
_MISSING_FOR_S = 5.0
_MAX_MISSING = 1000
_logger = logging.getLogger("waiter_service")


def ensure_topics(cluster: Cluster, topics: list[str], partitions: int, replication_factor: int) -> None:
    """Create the missing topics with LogAppendTime; say where an existing one differs, and use it.

    Args:
        cluster: a cluster that has answered.
        topics: their names.
        partitions: how many partitions a new topic gets.
        replication_factor: how many replicas a new topic's partitions get; -1 for the broker's default.

    Raises:
        KafkaUnavailable: a topic cannot be seen or created.
    """
    for topic in topics:
        try:
            found = cluster.partitions(topic)
        except KafkaException as error:
            cause = topic_failure(topic, broker_error(error.args[0]), [], cluster.bootstrap)
            raise KafkaUnavailable(cause) from error
        if found:
            _compare(cluster, topic, found, partitions)
        else:
            _create(cluster, topic, partitions, replication_factor)


def _create(cluster: Cluster, topic: str, partitions: int, replication_factor: int) -> None:
    new = NewTopic(
        topic,
        num_partitions=partitions,
        replication_factor=replication_factor,
        config={"message.timestamp.type": "LogAppendTime"},
    )
    try:
        cluster.result(cluster.admin.create_topics([new])[topic])
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return  # another waiter was a moment faster
        raise KafkaUnavailable(
            f"Topic {topic} could not be created with --partitions {partitions} and "
            f"--replication-factor {replication_factor}: {error.args[0].str()}"
        ) from error
    _logger.info("created topic %s: %d partitions, LogAppendTime", topic, partitions)


def _compare(cluster: Cluster, topic: str, actual: int, wanted: int) -> None:
    if actual != wanted:
        _logger.warning("topic %s exists with %d partitions, not %d; it is used as it is", topic, actual, wanted)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        config = cluster.result(cluster.admin.describe_configs([resource])[resource])
    except KafkaException as error:
        _logger.info("topic %s exists; its settings could not be read: %s", topic, error.args[0].str())
        return
    stamp = config["message.timestamp.type"].value
    if stamp != "LogAppendTime":
        _logger.warning(
            "topic %s exists with message.timestamp.type=%s, not LogAppendTime; it is used as it is, "
            "but a tester cannot tell the service's time from the broker's then", topic, stamp,
        )  # fmt: skip


class TopicChecker:
    """Knows which topics exist, and asks about the others in a thread of its own.

    So one reply whose topic has to be asked for delays no other reply.  A yes holds for good, a no for 5 s; an
    unanswered question counts as a yes once, so that the producer finds out.

    Args:
        known: topics that exist for certain.
        ask: whether a topic exists; may block.
        on_crash: is called when the thread cannot go on.
    """

    def __init__(
        self, known: Iterable[str], ask: Callable[[str], bool | None], on_crash: Callable[[BaseException], None]
    ) -> None:
        self._known = set(known)
        self._missing: dict[str, float] = {}
        self._ask = ask
        self._lock = threading.Lock()
        self._waiting: BoundedQueue[tuple[str, Callable[[bool], None]]] = BoundedQueue("topic checks", CHECKS_WAITING)
        self._stage = Stage("topic-check", 1, self._waiting, self._check, on_crash)

    def start(self) -> None:
        """Start the thread."""
        self._stage.start()

    def close(self, deadline: float) -> None:
        """Answer what waits, at most until `deadline` (time.monotonic()), and end the thread."""
        self._waiting.close()
        self._stage.join(deadline)

    def exists_if_known(self, topic: str) -> bool | None:
        """Return whether the topic exists, at once; None when the cluster has to be asked."""
        if topic in self._known:
            return True
        with self._lock:
            since = self._missing.get(topic)
        return False if since is not None and time.monotonic() - since < _MISSING_FOR_S else None

    def check(self, topic: str, then: Callable[[bool], None]) -> None:
        """Ask the cluster about a topic; `then` gets the answer in the checker's thread."""
        self._waiting.put((topic, then))

    def _check(self, question: tuple[str, Callable[[bool], None]]) -> None:
        topic, then = question
        exists = self.exists_if_known(topic)  # another question may have been the same
        if exists is None:
            exists = self._remember(topic, self._ask(topic))
        then(exists)

    def _remember(self, topic: str, exists: bool | None) -> bool:
        if exists:
            self._known.add(topic)
        if exists is False:
            with self._lock:
                if len(self._missing) >= _MAX_MISSING:
                    self._missing.clear()
                self._missing[topic] = time.monotonic()
        return exists is not False
