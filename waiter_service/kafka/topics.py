"""The topics the waiter needs: created when missing, and said when they differ from what was asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.stage import Stage

ANSWER_TIMEOUT_S = 10.0
CHECKS_WAITING = 1000
"""How many answers may wait until their topic is known; with more, the producers wait."""
_MISSING_FOR_S = 5.0
_MAX_MISSING = 1000
_NO_SUCH_TOPIC: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION)
_logger = logging.getLogger("waiter_service")


class KafkaUnavailable(RuntimeError):
    """The cluster could not be reached or refused to create a topic; the message is for the user."""


def ensure_topics(admin_config: dict[str, Any], topics: list[str], partitions: int, replication_factor: int) -> str:
    """Create the missing topics with LogAppendTime; say where an existing one differs, and use it.

    Returns:
        The cluster's id, "" if it has none.

    Raises:
        KafkaUnavailable: no broker answered within 10 s, or a topic could not be created.
    """
    admin = AdminClient(admin_config)
    try:
        cluster = admin.list_topics(timeout=ANSWER_TIMEOUT_S)
    except KafkaException as error:
        raise KafkaUnavailable(
            f"No Kafka broker answered at {admin_config['bootstrap.servers']} within {ANSWER_TIMEOUT_S:.0f} s "
            f"({error.args[0].str()}). Start one (for example: locust-kafka broker), or name yours with --bootstrap."
        ) from error
    for topic in topics:
        if topic not in cluster.topics:
            _create(admin, topic, partitions, replication_factor)
        else:
            _compare(admin, topic, len(cluster.topics[topic].partitions), partitions)
    return cluster.cluster_id or ""


def _create(admin: AdminClient, topic: str, partitions: int, replication_factor: int) -> None:
    new = NewTopic(
        topic,
        num_partitions=partitions,
        replication_factor=replication_factor,
        config={"message.timestamp.type": "LogAppendTime"},
    )
    try:
        admin.create_topics([new])[topic].result(timeout=30)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return  # another waiter was a moment faster
        raise KafkaUnavailable(
            f"Topic {topic} could not be created with --partitions {partitions} and "
            f"--replication-factor {replication_factor}: {error.args[0].str()}"
        ) from error
    _logger.info("created topic %s: %d partitions, LogAppendTime", topic, partitions)


def _compare(admin: AdminClient, topic: str, actual: int, wanted: int) -> None:
    if actual != wanted:
        _logger.warning("topic %s exists with %d partitions, not %d; it is used as it is", topic, actual, wanted)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        config = admin.describe_configs([resource])[resource].result(timeout=ANSWER_TIMEOUT_S)
    except KafkaException as error:
        _logger.info("topic %s exists; its settings could not be read: %s", topic, error.args[0].str())
        return
    stamp = config["message.timestamp.type"].value
    if stamp != "LogAppendTime":
        _logger.warning(
            "topic %s exists with message.timestamp.type=%s, not LogAppendTime; it is used as it is, "
            "but a tester cannot tell the service's time from the broker's then", topic, stamp,
        )  # fmt: skip


class ClusterTopics:
    """Asks the cluster whether a topic exists, by a Consumer.

    A Producer must not ask: where the broker creates topics automatically, its question about a misspelt reply-to
    topic would create that topic.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._consumer = Consumer({**config, "group.id": "waiter-service-topics", "allow.auto.create.topics": False})

    def exists(self, topic: str) -> bool | None:
        """Return whether the cluster has the topic; None when nobody answered within 10 s."""
        try:
            error = self._consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].error
        except KafkaException:
            return None
        return error is None or error.code() not in _NO_SUCH_TOPIC


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
