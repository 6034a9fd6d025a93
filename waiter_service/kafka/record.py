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


def request_of(message: Message, received_ns: int) -> Request:
    """Read everything that the waiter needs from a message, once.

    Args:
        message: a message without an error.
        received_ns: when it was received (time.perf_counter_ns).
    """
    partition, offset = position_of(message)
    return Request(
        topic=message.topic() or "",
        partition=partition,
        offset=offset,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=_readable_headers(message),
        append_ms=append_ms(message),
        received_ns=received_ns,
    )


def delivered(message: Message) -> Delivered:
    """Read where a reply is from its delivery report."""
    return Delivered(*position_of(message), append_ms(message))


def position_of(message: Message) -> tuple[int, int]:
    """Return the partition and the offset of a record; -1 for what librdkafka does not know (with acks=0)."""
    partition, offset = message.partition(), message.offset()
    return -1 if partition is None else partition, -1 if offset is None else offset


def append_ms(message: Message) -> int | None:
    """Return when the broker appended a record, ms since 1970; None when its topic keeps the sender's time."""
    kind, stamp_ms = message.timestamp()
    return stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None


def _readable_headers(message: Message) -> Headers | None:
    try:
        return _headers_of(message) or []
    except Exception:  # SystemError today; whatever it is, the record is answered without its headers
        return None


def _bytes(data: object) -> bytes | None:
    return data if isinstance(data, bytes) else None
