"""The topics the waiter needs: created when missing, told when they are set otherwise than expected."""

from __future__ import annotations

import threading
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from waiter_service.observe.counters import logger

ANSWER_TIMEOUT_S = 10.0
_NEGATIVE_TTL_S = 5.0
_REMEMBER_MISSING = 1000


class KafkaUnavailable(RuntimeError):
    """The cluster could not be reached or refused to create a topic; the message is for the user."""


def ensure_topics(admin_config: dict[str, Any], topics: list[str], partitions: int, replication_factor: int) -> None:
    """Create the missing topics with LogAppendTime; say where an existing one differs, and use it.

    Raises:
        KafkaUnavailable: no broker answered within 10 s, or a topic could not be created.
    """
    admin = AdminClient(admin_config)
    try:
        existing = admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics
    except KafkaException as error:
        raise KafkaUnavailable(
            f"No Kafka broker answered at {admin_config['bootstrap.servers']} within {ANSWER_TIMEOUT_S:.0f} s "
            f"({error.args[0].str()}). Start one (for example: locust-kafka broker), or name yours with --bootstrap."
        ) from error
    for topic in topics:
        if topic not in existing:
            _create(admin, topic, partitions, replication_factor)
        else:
            _compare(admin, topic, len(existing[topic].partitions), partitions)


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
    logger.info("created topic %s: %d partitions, LogAppendTime", topic, partitions)


def _compare(admin: AdminClient, topic: str, actual: int, wanted: int) -> None:
    if actual != wanted:
        logger.warning("topic %s exists with %d partitions, not %d; it is used as it is", topic, actual, wanted)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        config = admin.describe_configs([resource])[resource].result(timeout=ANSWER_TIMEOUT_S)
    except KafkaException as error:
        logger.info("topic %s exists; its settings could not be read: %s", topic, error.args[0].str())
        return
    stamp = config["message.timestamp.type"].value
    if stamp != "LogAppendTime":
        logger.warning(
            "topic %s exists with message.timestamp.type=%s, not LogAppendTime; it is used as it is, "
            "but a tester cannot tell the service's time from the broker's then", topic, stamp,
        )  # fmt: skip


class KnownTopics:
    """Which topics exist, asked of the cluster by a Consumer and remembered.

    A Producer must not be the one to ask: where the broker creates topics automatically, its look at a misspelt
    reply-to would create that topic.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._consumer = Consumer({**config, "group.id": "waiter-service-topics", "allow.auto.create.topics": False})
        self._known: set[str] = set()
        self._missing: dict[str, float] = {}
        self._lock = threading.Lock()

    def exists(self, topic: str) -> bool:
        """Whether the cluster has the topic; a no is asked again after 5 s, a yes holds for good."""
        if topic in self._known:
            return True
        with self._lock:
            if time.monotonic() - self._missing.get(topic, float("-inf")) < _NEGATIVE_TTL_S:
                return False
            if self._ask(topic):
                self._known.add(topic)
                return True
            if len(self._missing) > _REMEMBER_MISSING:
                self._missing.clear()
            self._missing[topic] = time.monotonic()
            return False

    def _ask(self, topic: str) -> bool:
        try:
            error = self._consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].error
        except KafkaException:
            return True  # nobody could say: let the producer find out
        return error is None or error.code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION)
