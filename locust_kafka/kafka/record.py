"""Where a record lies, and when its broker put it there."""

from __future__ import annotations

from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from locust_kafka.core.legs import RecordMetadata


def record_metadata(message: Any) -> RecordMetadata:
    """Partition, offset and append time (ms) of a message; 0 when the topic's stamp is not the broker's own."""
    kind, stamp_ms = message.timestamp()
    return message.partition(), message.offset(), stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else 0
