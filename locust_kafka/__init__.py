"""Load-test Kafka request-reply with Locust.

`from locust_kafka import KafkaUser` in a locustfile is all it takes.  The name is loaded on first use: importing
Locust patches the process (gevent), and the embedded broker must be usable without that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust_kafka.plugin.client import KafkaClient
    from locust_kafka.plugin.events import set_rate
    from locust_kafka.plugin.reply import CheckedReply, Reply, Sent
    from locust_kafka.plugin.user import KafkaUser

__all__ = ["CheckedReply", "KafkaClient", "KafkaUser", "Reply", "Sent", "set_rate"]

_HOMES = {
    "KafkaClient": "locust_kafka.plugin.client",
    "KafkaUser": "locust_kafka.plugin.user",
    "CheckedReply": "locust_kafka.plugin.reply",
    "Reply": "locust_kafka.plugin.reply",
    "Sent": "locust_kafka.plugin.reply",
    "set_rate": "locust_kafka.plugin.events",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
