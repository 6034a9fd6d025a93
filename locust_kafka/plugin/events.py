"""How the plugin comes into Locust, and what a locustfile may ask of it beside its users."""

from __future__ import annotations

import logging
import sys
from typing import Any

import gevent
import locust
from locust.env import Environment

from locust_kafka.core.schedule import MAX_RATE
from locust_kafka.errors import EXIT_NOT_STARTED, SettingsError
from locust_kafka.hub.signals import interrupt_main_greenlet
from locust_kafka.plugin.feed import Feed, read_rows
from locust_kafka.plugin.options import add_options
from locust_kafka.plugin.plugin import Plugin
from locust_kafka.values import number

logger = logging.getLogger("locust_kafka")
_installed = False


def install() -> None:
    """Hook into Locust; done when a locustfile imports KafkaUser, before Locust parses its command line."""
    global _installed
    if not _installed:
        _installed = True
        locust.events.init_command_line_parser.add_listener(add_options)
        locust.events.init.add_listener(init_environment)


def set_rate(rate: float, environment: Environment | None = None) -> None:
    """Open model: so many arrivals a second in total from now on; for a LoadTestShape to call in its `tick`.

    Args:
        rate: arrivals per second, of all workers together; 0 for none.
        environment: whose; needed only where a process has several.

    Raises:
        SettingsError: it is no rate, or nobody can know which environment is meant.
    """
    rate = number(rate, "rate", 0, MAX_RATE)
    plugins = Plugin.all() if environment is None else [Plugin.of(environment)]
    if len(plugins) > 1:
        raise SettingsError("this process has several Locust environments: say which one, set_rate(rate, environment)")
    for plugin in plugins:
        plugin.set_rate(rate)


def feed(path: str, *, once: bool = False) -> Feed:
    """Read data for requests, at the top of a locustfile; `next(...)` of what it returns gives a row.

    Args:
        path: a CSV file with a heading, or a file with a JSON object in each line.
        once: give each row once in a run, over all workers, and stop the users then; else rows begin again.

    Raises:
        SystemExit: the file cannot be read; a sentence says why, for Locust would print a traceback.
    """
    try:
        return Feed(read_rows(path), _place, once=once)
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_NOT_STARTED)


def _place() -> tuple[int, int, int]:
    """The run's number, this worker's index, and how many workers there are."""
    for plugin in Plugin.all():
        index = plugin.worker.index if plugin.worker is not None else 0
        return plugin.ending.number, index, len(plugin.options.get("kafka_workers") or [""])
    return 0, 0, 1


def init_environment(environment: Environment, runner: Any, **_kwargs: Any) -> None:
    """What Locust's `init` event calls: the plugin of this environment, or the end of the process with a sentence."""
    try:
        Plugin(environment)
    except SettingsError as error:
        logger.error("%s", error)
        sys.exit(EXIT_NOT_STARTED)
    if runner is not None:
        environment.events.quit.add_listener(interrupt_main_greenlet())
    # The hub's clock stands still while modules are imported: --run-time would count from before, and end a run early.
    gevent.get_hub().loop.update_now()
