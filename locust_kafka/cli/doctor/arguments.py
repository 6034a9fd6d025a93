"""The doctor's own command line, and the settings that a run would have."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from locust_kafka.cli.doctor.facts import Plan, Version
from locust_kafka.cli.given import add_options, given_settings
from locust_kafka.errors import SettingsError
from locust_kafka.kafka.config import not_idempotent
from locust_kafka.settings import Settings

FLAGS = (
    "bootstrap", "config", "oauth-callback", "request-topic", "reply-topic", "reply-timeout", "rate", "group",
    "producer-like",
)  # fmt: skip
"""The plugin's options that name a cluster, its topics and the load; of the others the variables are read."""
MAX_USERS, MAX_WORKERS = 10_000_000, 10_000
_DEFAULT_MESSAGE_BYTES = 1_000_000  # librdkafka's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Put the doctor's options into its parser."""
    add_options(parser, FLAGS)
    parser.add_argument("--users", metavar="N", help="how many users there will be (Locust's -u)")
    parser.add_argument("--workers", metavar="N", help="how many processes will make the load [1]")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are warnings")


def read_settings(chosen: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Settings, Plan]:
    """What the run's settings would be, by the plugin's own rules: flag, variable, configuration file, default.

    Args:
        chosen: the parsed command line.
        environ: the environment's variables.

    Raises:
        SettingsError: an option, a variable or a line of the file was refused.
    """
    users = _count(chosen.users, "--users", MAX_USERS)
    workers = _count(chosen.workers, "--workers", MAX_WORKERS) or 1
    settings, notes = given_settings(chosen, environ)
    producer = settings.client_config("producer")
    acks = str(producer.get("acks", "all"))
    plan = Plan(
        bootstrap=settings.bootstrap,
        bootstrap_source=settings.bootstrap_source,
        request_topic=settings.request_topic,
        reply_topic=settings.reply_topic,
        reply_timeout_s=settings.reply_timeout_s,
        peak_rate=max(max(one.low, one.high) for one in settings.rate) if settings.rate else None,
        users=users,
        workers=workers,
        security_protocol=str(producer.get("security.protocol", "")),
        message_max_bytes=_whole(producer.get("message.max.bytes")) or _DEFAULT_MESSAGE_BYTES,
        acks="all" if acks == "-1" else acks,
        not_idempotent=not_idempotent(settings),
        notes=tuple(notes),
    )
    return settings, plan


def read_versions() -> list[Version]:
    """The programs that matter, as they are installed; nothing of them is imported."""
    import platform

    import confluent_kafka

    lowest = {}
    try:
        wanted = metadata.requires("locust-kafka") or []
    except metadata.PackageNotFoundError:
        wanted = []
    for requirement in wanted:
        if "extra ==" not in requirement and (found := re.match(r"([\w.-]+)\s*>=\s*([\d.]+)", requirement)):
            lowest[found[1]] = found[2]
    versions = [Version(name, _installed(name), lowest.get(name, "")) for name in ("locust", "confluent-kafka")]
    library = str(confluent_kafka.libversion()[0])
    ours = Version("locust-kafka", _installed("locust-kafka") or "not installed, run from its source")
    return [ours, *versions, Version("librdkafka", library), Version("Python", platform.python_version())]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _count(text: str | None, flag: str, most: int) -> int | None:
    if text is None:
        return None
    count = _whole(text.strip())
    if count is None or not 1 <= count <= most:
        raise SettingsError(f"{flag} {text!r} is refused: give a whole number from 1 to {most}")
    return count


def _whole(value: Any) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def environment() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ
