"""The way to the cluster at the start, and what it says about topics: asked by a Consumer.

A Producer must not ask: where the broker creates topics automatically, its question about a misspelt topic would create
that topic.
"""

from __future__ import annotations

import re
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from waiter_service.kafka.causes import BrokerError, connection_failure
from waiter_service.kafka.certificates import certificate_errors

ANSWER_TIMEOUT_S: Final = 10.0
"""How long the waiter waits for a cluster that does not answer; a broker may just be starting."""
REFUSAL_TIMEOUT_S: Final = 2.0
"""How long it waits after a broker has refused the connection: for more of the reason, not for another answer."""
ADMIN_TIMEOUT_S: Final = 20.0
"""How long it waits for a topic to be created or described."""
UNREACHABLE_TIMEOUT_S: Final = 7.0
"""How long it waits for that when an address of the cluster cannot be reached."""
_UNANSWERED: Final = ("_TIMED_OUT", "_TRANSPORT", "_ALL_BROKERS_DOWN")
_TURN_S: Final = 0.25
_MAX_ERRORS: Final = 200
_REFUSALS: Final = ("_AUTHENTICATION", "_SSL")
# A listener that wants TLS or SASL closes the connection of a client without.  A broker that starts may do so once.
_CLOSED: Final = re.compile("Disconnected|closed by peer|Connection reset|Broken pipe")
_UNREACHABLE: Final = re.compile("Connect to .* failed|Failed to resolve")
_REPEATED: Final = 3
_NO_SUCH_TOPIC: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_EXCEPTION)
_LOOKUP: Final = {"group.id": "waiter-service-topics", "allow.auto.create.topics": False}
_SILENCE: Final = ("no Kafka broker", "nothing answered", "the host name")


class KafkaUnavailable(RuntimeError):
    """The cluster cannot be used; the message is for the user."""


def broker_error(error: KafkaError) -> BrokerError:
    """Return librdkafka's name and text of an error."""
    return BrokerError(error.name(), error.str())


def _without_debug(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without `debug`: its lines are no errors, and later nobody polls these clients."""
    return {name: value for name, value in config.items() if name != "debug"}


class Cluster:
    """A Consumer that asks for metadata, and an AdminClient that creates and describes topics.

    Args:
        config: the configuration of a Consumer.
        admin_config: the configuration of an AdminClient.
    """

    def __init__(self, config: dict[str, Any], admin_config: dict[str, Any]) -> None:
        self.bootstrap: str = config["bootstrap.servers"]
        """The brokers, host:port,..."""
        self._config = config
        self._protocol: str = config.get("security.protocol", "")
        self._errors: deque[BrokerError] = deque(maxlen=_MAX_ERRORS)
        self._answered = False
        # Some reasons are said in the log only, and at this level.
        listening: dict[str, Any] = {
            "error_cb": self._on_error,
            "log_level": 6,
            "logger": _Log(self._errors),
        }
        self._consumer = Consumer({**_without_debug(config), **_LOOKUP, **listening})
        self.admin = AdminClient({**_without_debug(admin_config), **listening})
        """For what a Consumer cannot do; `result` waits for its futures."""

    def connect(self, topic: str) -> str:
        """Wait for an answer.

        Args:
            topic: what is asked about; the answer does not matter.

        Returns:
            The cluster's id, "" if it tells none.

        Raises:
            KafkaUnavailable: no broker answered within 10 s, or one refused the connection.
        """
        began = time.monotonic()
        refused_at = None
        while True:
            # Each turn serves the callbacks, so that a refusal is known at once.
            self._consumer.poll(0)
            try:
                cluster_id = self._consumer.list_topics(topic, timeout=_TURN_S).cluster_id or ""
            except KafkaException as error:
                self._errors.append(broker_error(error.args[0]))
            else:
                self._answered = True
                return cluster_id
            now = time.monotonic()
            if refused_at is None and self._is_refused():
                refused_at = now
            if now - began > ANSWER_TIMEOUT_S or (refused_at is not None and now - refused_at > REFUSAL_TIMEOUT_S):
                raise KafkaUnavailable(self._cause(now - began))

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 if it does not exist.

        Raises:
            KafkaException: the cluster does not answer, or does not let this client see the topic.
        """
        found = self._consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic]
        if found.error is not None and found.error.code() not in (*_NO_SUCH_TOPIC, KafkaError.LEADER_NOT_AVAILABLE):
            raise KafkaException(found.error)
        return len(found.partitions)

    def result(self, future: Future[Any]) -> Any:
        """Wait for an answer of the AdminClient.

        Raises:
            KafkaException: the cluster's refusal.
            KafkaUnavailable: it did not answer in time: the broker that is in charge cannot be reached.
        """
        began = time.monotonic()
        while True:
            self.admin.poll(0)
            try:
                return future.result(_TURN_S)
            except TimeoutError:
                pass
            except KafkaException as error:
                if error.args[0].name() not in _UNANSWERED:
                    raise
                self._errors.append(broker_error(error.args[0]))
                raise KafkaUnavailable(self._cause(time.monotonic() - began)) from None
            unreachable = self._said(_UNREACHABLE) >= _REPEATED
            if time.monotonic() - began > (UNREACHABLE_TIMEOUT_S if unreachable else ADMIN_TIMEOUT_S):
                raise KafkaUnavailable(self._cause(time.monotonic() - began))

    def close(self) -> None:
        """Close both clients.  They must not outlive the start: what they hear and nobody polls would pile up."""
        self._consumer.close()
        del self.admin

    def _is_refused(self) -> bool:
        """Whether something listens and does not want this client, which waiting will not change."""
        return self._said(_CLOSED) >= _REPEATED or any(error.name in _REFUSALS for error in list(self._errors))

    def _said(self, pattern: re.Pattern[str]) -> int:
        return sum(pattern.search(error.text) is not None for error in list(self._errors))

    def _on_error(self, error: KafkaError) -> None:
        self._errors.append(broker_error(error))

    def _cause(self, waited_s: float) -> str:
        sentence = connection_failure(
            self.bootstrap,
            certificate_errors(list(self._errors), self._config),
            answered=self._answered,
            security_protocol=self._protocol,
            waited_s=waited_s,
            flag="--bootstrap",
            config_flag="--config",
        )
        if sentence.startswith(_SILENCE):
            return f"No Kafka broker answered at {self.bootstrap} within {ANSWER_TIMEOUT_S:.0f} s: {sentence}"
        return sentence


class TopicLookup:
    """Asks whether topics exist, for as long as the service runs.

    Args:
        config: the configuration of a Consumer.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._consumer = Consumer({**_without_debug(config), **_LOOKUP, "log_level": 0})

    def exists(self, topic: str) -> bool | None:
        """Return whether the cluster has the topic; None when nobody answered within 10 s."""
        try:
            error = self._consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].error
        except KafkaException:
            return None
        return error is None or error.code() not in _NO_SUCH_TOPIC


class _Log:
    """Takes librdkafka's log lines as errors."""

    def __init__(self, errors: deque[BrokerError]) -> None:
        self._errors = errors

    def log(self, _level: int, text: str, *arguments: object) -> None:
        """Take one line; its signature is that of `logging.Logger.log`."""
        line = text % arguments if arguments else text
        self._errors.append(BrokerError(line.partition(" ")[0], line))
