"""Locust's user classes that are ours, and what they say of the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locust_kafka.errors import SettingsError
from locust_kafka.settings import Settings, rate

if TYPE_CHECKING:
    from locust_kafka.plugin.user import KafkaUser


def kafka_users(user_classes: Iterable[Any]) -> list[type[KafkaUser]]:
    """Those of Locust's user classes that are ours."""
    from locust_kafka.plugin.user import KafkaUser

    return [c for c in user_classes if issubclass(c, KafkaUser)]


def settings_for(settings: Settings, user_classes: Iterable[type[KafkaUser]]) -> Settings:
    """The settings with the class attributes over the options.

    Raises:
        SettingsError: the classes name several clusters, or several rates, or one that is none.
    """
    brokers = {c.bootstrap for c in user_classes if c.bootstrap}
    if len(brokers) > 1 or (any(not c.bootstrap for c in user_classes) and brokers - {settings.bootstrap}):
        named = ", ".join(sorted(brokers | {settings.bootstrap}))
        raise SettingsError(f"the user classes name several clusters ({named}): a run has one; use one run for each")
    rates = {str(c.rate) for c in user_classes if c.rate is not None}
    if len(rates) > 1:
        raise SettingsError(f"the user classes name several rates ({sorted(rates)}): a run has one")
    return replace(
        settings,
        bootstrap=brokers.pop() if brokers else settings.bootstrap,
        rate=rate("rate", rates.pop()) if rates else settings.rate,
    )
