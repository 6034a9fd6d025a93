"""librdkafka settings of our clients: the user's over ours, except what the books depend on."""

from __future__ import annotations

from typing import Any

from locust_kafka.settings import Settings


def producer_config(settings: Settings, *, shared: bool) -> dict[str, Any]:
    """For a request producer.

    `max.in.flight=1` with `linger.ms=0`: records gather while the last request is under way, as in the Java client:
    no delay when idle, full batches when busy.  `enable.idempotence`: the generator must make no duplicates itself.
    `message.timeout.ms` lies a second before the reply timeout (librdkafka looks once a second): otherwise nothing
    would ever be UNDELIVERED.
    """
    return {
        "enable.idempotence": True,
        "linger.ms": 0,
        "max.in.flight": 1,
        "message.timeout.ms": max(1000, int(settings.reply_timeout_s * 1000) - 1000),
        "queue.buffering.max.messages": 1_000_000 if shared else 10_000,
        "socket.nagle.disable": True,
        "log_level": 0,  # its lines would go to stderr from C; errors reach us through callbacks
        **settings.client_config("producer"),
    }


def consumer_config(settings: Settings) -> dict[str, Any]:
    """For the reply consumer: partitions are assigned by hand, so its group is a name without members or offsets."""
    return {
        "group.id": "locust-kafka",
        "fetch.wait.max.ms": 100,
        "socket.nagle.disable": True,
        "log_level": 0,
        **settings.client_config("consumer"),
        "enable.auto.commit": False,
        "enable.partition.eof": False,
        # Offsets are explicit; one out of range means that replies are gone, which must not pass in silence.
        "auto.offset.reset": "error",
        # Topics are looked at before any produce, and a look must not create a misspelt one.
        "allow.auto.create.topics": False,
    }
