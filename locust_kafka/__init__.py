"""Load-test Kafka request-reply with Locust.

`from locust_kafka import KafkaUser` in a locustfile is all it takes.  Names are loaded on first use: importing Locust
patches the process (gevent), and the embedded broker must be usable without that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust_kafka.core.books import Outcome, Verdict
    from locust_kafka.core.correlator import CorrelationIdInUse
    from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid, RunOver, SettingsError
    from locust_kafka.exchange.matching import Match
    from locust_kafka.plugin.arguments import DefaultKey
    from locust_kafka.plugin.client import KafkaClient
    from locust_kafka.plugin.events import feed, set_rate
    from locust_kafka.plugin.expected import Expected
    from locust_kafka.plugin.feed import Feed
    from locust_kafka.plugin.reply import CheckedReply, Reply, Sent
    from locust_kafka.plugin.user import KafkaUser

_HOMES = {
    "CheckedReply": "plugin.reply",
    "CorrelationIdInUse": "core.correlator",
    "DefaultKey": "plugin.arguments",
    "Expected": "plugin.expected",
    "Feed": "plugin.feed",
    "KafkaClient": "plugin.client",
    "KafkaPluginError": "errors",
    "KafkaUser": "plugin.user",
    "Match": "exchange.matching",
    "NotReady": "errors",
    "Outcome": "core.books",
    "Reply": "plugin.reply",
    "RunInvalid": "errors",
    "RunOver": "errors",
    "Sent": "plugin.reply",
    "SettingsError": "errors",
    "Verdict": "core.books",
    "feed": "plugin.events",
    "set_rate": "plugin.events",
}

__all__ = [
    "CheckedReply", "CorrelationIdInUse", "DefaultKey", "Expected", "Feed", "KafkaClient", "KafkaPluginError",
    "KafkaUser", "Match", "NotReady", "Outcome", "Reply", "RunInvalid", "RunOver", "Sent", "SettingsError", "Verdict",
    "feed", "set_rate",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
