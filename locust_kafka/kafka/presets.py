"""How a client sends when nobody tells it otherwise: so that a load test can send as the user's service does."""

from __future__ import annotations

from typing import Any

from locust_kafka.options import JAVA, LIBRDKAFKA, SYNCHRONOUS

PRESETS: dict[str, dict[str, Any]] = {
    # Records gather while the last request is under way: no delay when idle, full batches when busy.
    SYNCHRONOUS: {"linger.ms": 0, "max.in.flight": 1, "enable.idempotence": True},
    # Apache Kafka 4's ProducerConfig: linger.ms (KIP-1030), batch.size, buffer.memory, idempotence (KIP-679).
    JAVA: {
        "linger.ms": 5, "batch.size": 16_384, "max.in.flight": 5, "enable.idempotence": True,
        "partitioner": "murmur2_random", "queue.buffering.max.kbytes": 32_768,
    },
    # librdkafka's CONFIGURATION.md.
    LIBRDKAFKA: {"linger.ms": 5, "batch.size": 1_000_000, "max.in.flight": 1_000_000, "enable.idempotence": False},
}  # fmt: skip
"""librdkafka's settings of a producer, by the client that has them by default."""


def in_words(like: str) -> str:
    """A preset for a report."""
    settings = ", ".join(f"{name}={str(value).lower()}" for name, value in PRESETS[like].items())
    return f"like {like}: {settings}"
