"""The plugin's options on a command line of our own, by the plugin's own rules."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping

from locust_kafka.errors import SettingsError
from locust_kafka.gates import SEPARATOR
from locust_kafka.kafka.client_file import read_client_file
from locust_kafka.kafka.properties import Properties
from locust_kafka.options import OPTIONS
from locust_kafka.settings import Settings, parse
from locust_kafka.values import Given

MAX_SECONDS = 1e7
_KUBERNETES = re.compile(r"(tcp|udp|sctp)://\S+")


def add_options(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Put these of the plugin's options into a parser.

    Args:
        parser: of a command.
        names: of the options, without `--kafka-`.
    """
    for option in OPTIONS:
        if option.name in names:
            parser.add_argument(
                option.flag, metavar=option.metavar, action="append" if option.repeated else "store",
                help=f"{option.help} [{option.default or 'none'}]".replace("%", "%%"),
            )  # fmt: skip


def given_settings(chosen: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings of a run that would be given these, and what was passed over: flag, variable, file, default.

    Args:
        chosen: the parsed command line.
        environ: the environment's variables.

    Raises:
        SettingsError: an option, a variable or a line of the file was refused.
    """
    given, notes = _given(chosen, environ)
    path = str(given["kafka_config"].value).strip() if "kafka_config" in given else ""
    properties = read_client_file(path, given["kafka_config"].source, environ) if path else Properties({}, {}, ())
    settings = parse(given, properties.values, properties.lines)
    return settings, [*notes, *properties.notes]


def seconds_of(chosen: argparse.Namespace) -> float | None:
    """The value of `--seconds`; None for no limit.

    Raises:
        SettingsError: it is no number of seconds.
    """
    seconds: float | None = chosen.seconds
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:  # neither is what is not a number
        raise SettingsError(f"--seconds {seconds} is refused: give a number above 0, at most {MAX_SECONDS:.0f}")
    return seconds


def _given(chosen: argparse.Namespace, environ: Mapping[str, str]) -> tuple[dict[str, Given], list[str]]:
    given, notes = {}, []
    for option in OPTIONS:
        flag, variable = getattr(chosen, option.dest, None), environ.get(option.env)
        if flag is not None:
            given[option.dest] = Given(SEPARATOR.join(flag) if option.repeated else flag, option.flag)
        elif variable is not None and _KUBERNETES.fullmatch(variable):
            notes.append(
                f"the variable {option.env} is passed over: its value looks like one that Kubernetes makes for a "
                f"service; give the service another name, or use {option.flag}"
            )
        elif variable is not None:
            given[option.dest] = Given(variable, option.env)
    return given, notes
