"""The options in Locust's own parser, and where each value came from."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from locust.env import Environment

from locust_kafka.errors import SettingsError
from locust_kafka.gates import SEPARATOR
from locust_kafka.kafka.client_file import read_client_file
from locust_kafka.kafka.config import not_idempotent
from locust_kafka.options import OPTIONS, Option
from locust_kafka.plugin.classes import KafkaAttributes, passed_over
from locust_kafka.settings import Settings, parse
from locust_kafka.values import Given

logger = logging.getLogger("locust_kafka")

# Kubernetes sets NAME_PORT=tcp://10.96.0.1:9646 for each service: for one called locust-kafka-metrics that is ours.
_KUBERNETES = re.compile(r"(tcp|udp|sctp)://\S+")


_MASTERS = frozenset(option.dest for option in OPTIONS if not option.for_workers)


class Unset(str):
    """The default of an option that nobody gave; it differs from the same text that somebody gave.

    Locust's web UI makes the value of a form's field by the type of the value before: that is text somebody gave.
    """

    __slots__ = ()

    def __new__(cls, text: object) -> str:  # type: ignore[misc] # see above
        """Text that was given."""
        return str(text)

    @classmethod
    def default(cls, text: str) -> Unset:
        """A default."""
        return super().__new__(cls, text)


def add_options(parser: Any, **_kwargs: Any) -> None:
    """Locust's `init_command_line_parser`: put the options into its parser."""
    group = parser.add_argument_group("Kafka request-reply")
    for option in OPTIONS:
        made_by_kubernetes = _KUBERNETES.fullmatch(os.environ.get(option.env, ""))
        action = group.add_argument(
            option.flag, default=Unset.default(option.default), env_var=None if made_by_kubernetes else option.env,
            metavar=option.metavar, help=f"{option.help} [{option.default or 'none'}]".replace("%", "%%"),
            action=_Repeated if option.repeated else None,
        )  # fmt: skip
        action.include_in_web_ui = not option.frozen
        action.is_secret = action.is_required = action.is_multiple = False


class _Repeated(argparse.Action):
    """Several values of one option, as one text."""

    def __call__(self, _parser: Any, namespace: Any, value: Any, _option: str | None = None) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, value if isinstance(before, Unset) else f"{before}{SEPARATOR}{value}")


class LocustOptions:
    """Locust's parsed options as they are now, with what only the command line decides put back.

    Args:
        environment: Locust's.
        is_master: whether they go on to workers.
        is_worker: whether they come from a master; what the worker itself was given goes before.
    """

    def __init__(self, environment: Environment, *, is_master: bool, is_worker: bool) -> None:
        self._environment = environment
        self._without_command_line: dict[str, Any] = {}
        self._is_master, self.is_worker = is_master, is_worker
        self._frozen = {option.dest: self.values.get(option.dest) for option in OPTIONS if option.frozen}

    @property
    def values(self) -> dict[str, Any]:
        """By their `dest` names; to be changed in place."""
        parsed = self._environment.parsed_options
        return self._without_command_line if parsed is None else vars(parsed)

    def load(self) -> Settings:
        """The settings that hold now.

        Raises:
            SettingsError: as `load_settings`.
        """
        options = self.values
        for dest, value in self._frozen.items():
            # The web UI can set any option by a POST; what was frozen at the start is put back.  A worker that was
            # given none of its own takes the master's.
            given = value is not None and not isinstance(value, Unset)
            if self.is_worker and dest in _MASTERS:
                options[dest] = None
                continue
            if not self.is_worker or given:
                # A default must not arrive at a worker as if somebody had given it.
                options[dest] = value if given or not self._is_master else None
        return load_settings(options)

    def validate_form(self, form: Mapping[str, str]) -> Settings:
        """The settings that would hold with what a form in the browser sends; nothing changes.

        Raises:
            SettingsError: as `load_settings`, and for what only the command line decides.
        """
        tried = {**self.values, **{dest: value for dest, value in self._frozen.items() if not self.is_worker}}
        for option in OPTIONS:
            value = form.get(option.dest)
            if value is None:
                continue
            if option.frozen and value != str(self._frozen[option.dest] or ""):
                raise SettingsError(
                    f"{option.flag} cannot be set in the browser: give it on the command line and start Locust again"
                )
            if not option.frozen:
                tried[option.dest] = value
        return load_settings(tried)


def warn_of_kubernetes() -> None:
    """Say which variables were passed over."""
    for option in OPTIONS:
        if _KUBERNETES.fullmatch(os.environ.get(option.env, "")):
            logger.warning(
                "the variable %s is passed over: its value looks like one that Kubernetes makes for a service; "
                "give the service another name, or use %s", option.env, option.flag,
            )  # fmt: skip


def given_options(options: Mapping[str, Any]) -> dict[str, Given]:
    """What somebody gave, with its source; defaults are left out."""
    return {
        option.dest: Given(value, _source(option, value))
        for option in OPTIONS
        if (value := options.get(option.dest)) is not None and not isinstance(value, Unset)
    }


def load_settings(options: Mapping[str, Any]) -> Settings:
    """Validate Locust's parsed options, and read the configuration file.

    Raises:
        SettingsError: an option, a variable or a line of the file was refused.
    """
    given = given_options(options)
    path = str(given["kafka_config"].value).strip() if "kafka_config" in given else ""
    if not path:
        return parse(given)
    properties = read_client_file(path, given["kafka_config"].source, os.environ)
    return parse(given, properties.values, properties.lines)


def say_notes(options: Mapping[str, Any], settings: Settings, classes: Iterable[type[KafkaAttributes]] = ()) -> None:
    """Log what the configuration file's reader passed over or translated, and what it means for the producer."""
    given = given_options(options)
    path = str(given["kafka_config"].value).strip() if "kafka_config" in given else ""
    try:
        notes = read_client_file(path, given["kafka_config"].source, os.environ).notes if path else ()
    except SettingsError:  # the file has gone since; it was read before
        notes = ()
    for note in notes:
        logger.info("%s", note)
    for sentence in passed_over(given, classes):
        logger.warning("%s", sentence)
    if setting := not_idempotent(settings):
        logger.info("enable.idempotence is off, because of %s: the generator may make duplicates itself", setting)


def _source(option: Option, value: Any) -> str:
    """The flag, or the variable when the value stands in one and no flag was typed."""
    typed = any(argument.partition("=")[0] == option.flag for argument in sys.argv[1:])
    return option.env if not typed and os.environ.get(option.env) == value else option.flag
