"""What a confluent-kafka message says of its record, read so that no record can end the process."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from locust_kafka.core.legs import RecordMetadata
from locust_kafka.core.traceparent import trace_id_of

Headers = list[tuple[str, bytes | None]]

headers_of: Callable[[Any], Headers | None] = operator.methodcaller("headers")
"""`message.headers()`; raises SystemError when a header name is no UTF-8.

Called plainly, CPython specialises the call after a while and no longer looks for that error, which then comes up
somewhere else, at the next `consume` for example.
"""


def record_metadata(message: Any) -> RecordMetadata:
    """Partition, offset and append time (ms) of a message; 0 when the topic's stamp is not the broker's own."""
    kind, stamp_ms = message.timestamp()
    return message.partition(), message.offset(), stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else 0


def record_headers(message: Any) -> Headers | None:
    """The headers of a message; None when a name among them is no UTF-8.

    confluent-kafka raises SystemError for such a name, and a second call on the same message ends the process: the
    message is given no headers instead, so that whoever asks again finds none.
    """
    try:
        return headers_of(message) or []
    except (SystemError, UnicodeDecodeError):
        message.set_headers([])
        return None


def trace_of_reply(message: Any) -> bytes | None:
    """The trace id of its last traceparent; None for one without, or one that W3C refuses.

    Raises:
        SystemError, UnicodeDecodeError: a header's name is no UTF-8.
    """
    for name, value in reversed(headers_of(message) or ()):
        if name == "traceparent":
            return trace_id_of(value)
    return None


def readable_trace_id(message: Any) -> bytes | None:
    """The same; None also for headers that cannot be read, which the message then has no more."""
    try:
        return trace_of_reply(message)
    except (SystemError, UnicodeDecodeError):
        message.set_headers([])
        return None
