"""Why deliveries failed, in words; each reason is said once while the run goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError

from locust_kafka.exchange.consumer_errors import words_of
from locust_kafka.kafka.causes import BrokerError, PartitionState, delivery_failure

logger = logging.getLogger("locust_kafka")

MAX_SAID = 10
"""Different reasons that are said while the run goes on; all are in the rows."""


class DeliveryFailures:
    """Those of one run.

    Args:
        note_event: takes what happened, in words.
    """

    def __init__(self, note_event: Callable[[str], None]) -> None:
        self.partition_states: dict[str, dict[int, PartitionState]] = {}
        """As of the last look at the cluster, by topic: why a delivery failed may stand there."""
        self._note_event = note_event
        self._said: set[str] = set()

    def reason(self, topic: str, error: KafkaError | BaseException) -> str:
        """Why a delivery to this topic failed."""
        if not isinstance(error, KafkaError):
            return words_of(error)
        states = self.partition_states.get(topic, {}).values()
        # A report names no partition: the one that is worst off is the likeliest.
        worst = min(states, key=lambda state: (state.leader >= 0, state.in_sync - state.replicas), default=None)
        return delivery_failure(topic, BrokerError(error.name(), error.str()), worst)

    def say(self, reason: str) -> None:
        """A request was not delivered: say why, if that was not said yet."""
        if reason not in self._said and len(self._said) < MAX_SAID:
            self._said.add(reason)
            logger.warning("a request was not delivered: %s", reason)
            self._note_event(f"a request was not delivered: {reason}")
