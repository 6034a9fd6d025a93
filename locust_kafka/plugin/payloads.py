"""Payloads by schema: confluent-kafka's own serializers and deserializers, or any callable of their signature.

They run in the user's greenlet, before an exchange begins and after its reply was received: what they take is no part
of its latency, and is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, NamedTuple

import gevent
from confluent_kafka.serialization import MessageField, SerializationContext

from locust_kafka.core.books import Outcome
from locust_kafka.errors import said
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import Measure
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.record import record_headers
from locust_kafka.plugin.arguments import HeaderList, payload

Hook = Callable[[Any, SerializationContext], Any]
"""`(value, context)` → bytes, text or None of a serializer; anything of a deserializer."""

LIMIT_S = 10.0
"""confluent-kafka's client of a schema registry has no limit of its own: one that is silent would hold its user."""

_MAX_SHOWN = 200
"""Characters of an error's own words: a validator's may quote the whole schema."""


class Payload(NamedTuple):
    """What a deserializer made of a reply's value; None and "" when no reply came."""

    value: Any = None
    failure: str = ""
    """Why there is no value, in a sentence."""


NO_PAYLOAD = Payload()


def hook(given: Any, what: str) -> Hook:
    """A serializer or deserializer as given.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(given):
        raise TypeError(f"{what} must be callable as (value, context), not {type(given).__name__}")
    checked: Hook = given
    return checked


def serialize(serializer: Hook, value: Any, topic: str, headers: HeaderList) -> tuple[bytes | None, int]:
    """A request's value as bytes, and how long that took (ns).

    Args:
        serializer: the user's.
        value: what it is given.
        topic: the request topic.
        headers: the request's own; a serializer may add some.

    Raises:
        TypeError: the serializer gave something else than bytes, text or None.
        ValueError: it raised, or did not return in time.
    """
    began_ns = perf_counter_ns()
    try:
        given = _call(serializer, value, SerializationContext(topic, MessageField.VALUE, headers))
    except Exception as error:
        raise ValueError(
            f"{_refused(serializer, 'failed', value, topic)}: {_words(error)}; nothing was sent"
        ) from error
    if not (given is None or isinstance(given, (bytes, str))):
        gave = _refused(serializer, f"gave {type(given).__name__}", value, topic)
        raise TypeError(f"{gave}: it must give bytes, str or None; nothing was sent")
    body = payload(given)
    return body, perf_counter_ns() - began_ns


def deserialize(deserializer: Hook, exchange: Exchange, measure: Measure) -> Payload:
    """The value of a matched exchange's reply; its time is recorded."""
    if exchange.outcome is not Outcome.MATCHED:
        return NO_PAYLOAD
    message = exchange.reply
    topic: str = message.topic()
    headers: HeaderList = [*(record_headers(message) or ())]
    began_ns = perf_counter_ns()
    try:
        result = Payload(_call(deserializer, message.value(), SerializationContext(topic, MessageField.VALUE, headers)))
    except Exception as error:
        result = Payload(
            None, f"the deserializer {_name(deserializer)} failed for a reply on topic {topic!r}: {_words(error)}"
        )
    measure.payload("deserialize", exchange, perf_counter_ns() - began_ns)
    return result


def _call(called: Hook, value: Any, context: SerializationContext) -> Any:
    limit = gevent.Timeout.start_new(LIMIT_S)
    try:
        return called(value, context)
    except gevent.Timeout as expired:
        if expired is not limit:
            raise
        raise TimeoutError(f"it did not return within {LIMIT_S:g} s; is its schema registry there?") from None
    finally:
        limit.close()


def _refused(serializer: Hook, how: str, value: Any, topic: str) -> str:
    return f"the serializer {_name(serializer)} {how} for a value of type {type(value).__name__} to topic {topic!r}"


def _name(called: Hook) -> str:
    name = getattr(called, "__name__", None)
    return name if isinstance(name, str) else type(called).__name__


def _words(error: Exception) -> str:
    """An error's type and the first line of what it says."""
    words = mask(said(error).strip().partition("\n")[0], {})[:_MAX_SHOWN]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
