"""How the plugin comes into Locust, and what a locustfile may ask of it beside its users."""

from __future__ import annotations

import logging
import sys
from typing import Any

import locust
from locust.env import Environment

from locust_kafka.core.schedule import MAX_RATE
from locust_kafka.errors import EXIT_NOT_STARTED, SettingsError
from locust_kafka.hub.signals import interrupt_main_greenlet
from locust_kafka.plugin.plugin import Plugin
from locust_kafka.settings import add_options

logger = logging.getLogger("locust_kafka")
_installed = False


def install() -> None:
    """Hook into Locust; done when a locustfile imports KafkaUser, before Locust parses its command line."""
    global _installed
    if not _installed:
        _installed = True
        locust.events.init_command_line_parser.add_listener(add_options)
        locust.events.init.add_listener(_init)
        # Locust adds its own listeners for these when it makes its runner, after this: ours come first, so that a
        # batch is merged before Locust reports or clears.
        locust.events.report_to_master.add_listener(_before_report)
        locust.events.spawning_complete.add_listener(_before_reset)


def set_rate(rate: float) -> None:
    """Open model: so many arrivals a second in total from now on; for a LoadTestShape to call in its `tick`.

    Raises:
        ValueError: it is no rate.
    """
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"rate {rate!r} is refused: give arrivals per second from 0 to {MAX_RATE:g}")
    if Plugin.instance is not None:
        Plugin.instance.set_rate(rate)


def _init(environment: Environment, runner: Any, **_kwargs: Any) -> None:
    try:
        Plugin(environment)
    except SettingsError as error:
        logger.error("%s", error)
        sys.exit(EXIT_NOT_STARTED)
    if runner is not None:
        interrupt_main_greenlet()


def _before_report(data: dict[str, Any], **_kwargs: Any) -> None:
    if Plugin.instance is not None:
        Plugin.instance.report_to_master(data)


def _before_reset(**_kwargs: Any) -> None:
    if Plugin.instance is not None and Plugin.instance.environment.reset_stats:
        Plugin.instance.reset("since all users had started")
