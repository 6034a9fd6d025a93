"""From a Message of confluent-kafka to a request.  The only place that looks into a request's Message."""

from __future__ import annotations

import operator

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from waiter_service.core.headers import Headers
from waiter_service.core.request import Request
from waiter_service.pipeline.observer import Delivered

# A header name that is no UTF-8 makes `Message.headers()` return a broken list with an exception set.
# - A second call on the same message returns that list again and crashes the process: there is one call per message.
# - A plain call that CPython has specialised does not look for the exception, which then comes up anywhere.
#   A methodcaller always looks, and raises SystemError here.
_headers_of = operator.methodcaller("headers")


def request_of(message: Message, topic: str, partition: int, offset: int, received_ns: int) -> Request:
    """Read everything that the waiter needs from a message, once.

    Args:
        message: a message without an error.
        topic: its topic.
        partition: its partition.
        offset: its offset.
        received_ns: when it was received (time.perf_counter_ns).
    """
    try:
        headers: Headers | None = _headers_of(message) or ()
    except Exception:  # SystemError today; whatever it is, the record is answered without its headers
        headers = None
    key, value = message.key(), message.value()
    assert key is None or isinstance(key, bytes)
    assert value is None or isinstance(value, bytes)
    kind, stamp_ms = message.timestamp()
    stamp = stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None
    return Request(topic, partition, offset, key, value, headers, stamp, received_ns)


def delivered(message: Message) -> Delivered:
    """Read where a reply is from its delivery report."""
    kind, stamp_ms = message.timestamp()
    return Delivered(*position_of(message), stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None)


def position_of(message: Message) -> tuple[int, int]:
    """Return the partition and the offset of a record; -1 for what librdkafka does not know (with acks=0)."""
    partition, offset = message.partition(), message.offset()
    return -1 if partition is None else partition, -1 if offset is None else offset
