"""What a report says of a run besides its figures: when, where, with which settings and versions; no secret."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from confluent_kafka import libversion

from locust_kafka.kafka.presets import in_words
from locust_kafka.kafka.properties import is_secret, mask
from locust_kafka.options import OPTIONS
from locust_kafka.plugin.options import given_options
from locust_kafka.settings import Settings

PACKAGES = ("locust-kafka", "locust", "confluent-kafka", "gevent")


def at_start(settings: Settings, options: Mapping[str, Any]) -> dict[str, str]:
    """What is known when a run begins, by names in the order to be shown; the web UI may change options afterwards.

    Args:
        settings: the run's.
        options: Locust's parsed options.
    """
    given = given_options(options)
    found = {
        "began": _now(),
        "brokers": f"{settings.bootstrap} (by {settings.bootstrap_source})",
        "request topics": ", ".join(sorted(settings.request_topics)),
        "reply topics": ", ".join(sorted(settings.reply_topics)),
        "users": str(options.get("num_users") or ""),
        "run time": str(options.get("run_time") or ""),
    }
    found["producers"] = in_words(settings.producer_like)
    for option in OPTIONS:
        if option.dest in given and option.dest not in ("kafka_bootstrap", "kafka_request_topic", "kafka_reply_topic"):
            found[option.flag] = mask(str(given[option.dest].value), settings.config)
    for name, value in settings.config.items():
        found[f"client setting {name}"] = "***" if is_secret(name) else mask(value, settings.config)
    found |= {name: version(name) for name in PACKAGES}
    found |= {"librdkafka": libversion()[0], "Python": platform.python_version(), "system": platform.platform()}
    return {name: value for name, value in found.items() if value}


def at_end(known: Mapping[str, str], cluster: str) -> dict[str, str]:
    """The same with what is known at its end.

    Args:
        known: of the start.
        cluster: which one it was; "" when nobody reached it.
    """
    return {**known, "ended": _now(), **({"cluster": cluster} if cluster else {})}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
