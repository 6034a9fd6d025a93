"""Every option of the waiter: a flag, a WAITER_* variable and a default."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.request import topic_name
from waiter_service.kafka.config import (
    ClientConfig,
    ConfigRefused,
    choose_bootstrap,
    config_notes,
    refuse_transactions,
)
from waiter_service.kafka.properties import Properties, PropertiesError, read_properties

EPILOG: Final = """\
Examples:
  waiter-service                                      50 requests at once wait 25 s in half a second
  waiter-service --wait uniform:100ms-900ms --consumers 2 --partitions 8
  waiter-service --drop 2% --duplicate 2% --late 2%:3s --error 1%     calibrate a load tester
  WAITER_BOOTSTRAP=broker:9092 waiter-service --config client.properties

The config file may be a Java client's or librdkafka's: name=value lines; ${VAR} is an environment variable. The
prefixes consumer. and producer. direct a setting to one kind of client. A flag goes before its variable, the variable
before the file, the file before the default. Ctrl-C or SIGTERM: read no more, answer what was read, commit, exit.
"""
_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Settings:
    """The service's settings; durations in seconds, shares from 0 to 1.

    Attributes:
        clients: how clients reach the cluster.
        notes: sentences to be logged once: what was passed over or translated.
        warnings: sentences to be logged once as warnings.
    """

    clients: ClientConfig
    request_topic: str
    reply_topic: str
    consumers: int
    waiters: int
    producers: int
    request_queue: int
    reply_queue: int
    late_capacity: int
    behaviour: Behaviour
    partitions: int
    replication_factor: int
    report_every_s: float
    shutdown_timeout_s: float
    metrics_port: int | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def parse_duration_ms(text: str) -> float:
    """Parse `500ms`, `2s`, `250us` or `1m` into milliseconds; the unit may not be left out."""
    match = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,9})?)(us|ms|s|m)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write a number and a unit, such as 500ms or 3s")
    return float(match[1]) * _UNITS_MS[match[2]]


def parse_share(text: str) -> float:
    """Parse `5%` or `0.05` into 0.05."""
    stripped = text.strip()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0% to 100%, or 0 to 1")
    return value


def parse_late(text: str) -> tuple[float, float]:
    """Parse `5%:3s` into (0.05, 3.0): which share, and by how many seconds."""
    part, colon, delay = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} says no delay: write a share and a duration, such as 5%:3s")
    return parse_share(part), parse_duration_ms(delay) / 1000


def parse_wait(text: str) -> Wait:
    """Parse `500ms`, `uniform:100ms-900ms` or `lognormal:50ms:0.5` (median and sigma)."""
    kind, _, rest = text.partition(":")
    if kind == "uniform":
        low, dash, high = rest.partition("-")
        if not dash:
            raise argparse.ArgumentTypeError(f"{text!r} names no range: write uniform:100ms-900ms")
        a, b = parse_duration_ms(low), parse_duration_ms(high)
        if a > b:
            raise argparse.ArgumentTypeError(f"{text!r}: the lower end is above the upper one")
        return Wait("uniform", a, b)
    if kind == "lognormal":
        median, _, sigma = rest.partition(":")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", sigma) is None or float(sigma) > 5:
            raise argparse.ArgumentTypeError(f"{text!r}: sigma is a number from 0 to 5, as in lognormal:50ms:0.5")
        return Wait("lognormal", parse_duration_ms(median), float(sigma))
    return Wait("fixed", parse_duration_ms(text))


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse_number(text: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,20}", text.strip()) is None or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse_number


def parse_port(text: str) -> int | None:
    """Parse a TCP port, or `off`."""
    return None if text.strip().lower() == "off" else whole_number(1, 65535)(text)


def parse_topic(text: str) -> str:
    """Accept the name of a topic as Kafka allows it."""
    if topic_name(text.encode("utf-8", "replace")) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a topic's name: write up to 249 ASCII letters, digits, '.', '_' and '-'"
        )
    return text


def parse_text(text: str) -> str:
    """Accept text that can be printed; what cannot (a byte that is no UTF-8) would crash librdkafka."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is empty or holds characters that cannot be printed")
    return text


def parse_protocol(text: str) -> str:
    """Accept `classic` or `consumer`."""
    if text not in ("classic", "consumer"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither classic nor consumer")
    return text


class _Option(NamedTuple):
    group: str
    flag: str
    metavar: str
    default: str
    parser: Callable[[str], Any]
    help: str

    @property
    def name(self) -> str:
        return self.flag[2:].replace("-", "_")

    @property
    def variable(self) -> str:
        return "WAITER_" + self.name.upper()


_KAFKA, _STAGES, _BEHAVIOUR, _RUNNING = (
    "Kafka", "Stages: consumers > [request queue] > waiters > [reply queue] > producers",
    "Behaviour: a pure function of the trace id and the seed", "Running",
)  # fmt: skip
_COUNT, _CAPACITY = whole_number(1, 10_000), whole_number(1, 10_000_000)
_OPTIONS: Final = tuple(_Option(*row) for row in (
    (_KAFKA, "--bootstrap", "SERVERS", "localhost:9092", parse_text, "brokers, host:port,..."),
    (_KAFKA, "--config", "FILE", "none", str, "properties file of a Java client or of librdkafka"),
    (_KAFKA, "--request-topic", "TOPIC", "Waiter-Requests", parse_topic, "topic to read"),
    (_KAFKA, "--reply-topic", "TOPIC", "Waiter-Responses", parse_topic, "topic for requests without reply-to"),
    (_KAFKA, "--group", "NAME", "waiter-service", parse_text, "consumer group"),
    (_KAFKA, "--group-protocol", "PROTOCOL", "classic", parse_protocol,
     "rebalance protocol of the group: classic or consumer"),
    (_KAFKA, "--partitions", "N", "4", _COUNT, "partitions of topics it creates"),
    (_KAFKA, "--replication-factor", "N", "-1", whole_number(-1, 100), "of topics it creates; -1: the broker's"),
    (_STAGES, "--consumers", "N", "1", whole_number(1, 1000), "consumer threads"),
    (_STAGES, "--waiters", "N", "50", _COUNT, "waiter threads: so many requests wait at once"),
    (_STAGES, "--producers", "N", "1", whole_number(1, 1000), "producer threads"),
    (_STAGES, "--request-queue", "N", "1000", _CAPACITY, "capacity; a full queue blocks the consumers"),
    (_STAGES, "--reply-queue", "N", "1000", _CAPACITY, "capacity; a full queue blocks the waiters"),
    (_STAGES, "--late-capacity", "N", "100000", _CAPACITY,
     "late replies that may wait at once; with more, the waiters block"),
    (_BEHAVIOUR, "--wait", "HOW", "500ms", parse_wait, "500ms, uniform:100ms-900ms, or lognormal:MEDIAN:SIGMA"),
    (_BEHAVIOUR, "--drop", "SHARE", "0%", parse_share, "share of requests never answered"),
    (_BEHAVIOUR, "--duplicate", "SHARE", "0%", parse_share, "share answered twice"),
    (_BEHAVIOUR, "--late", "SHARE:TIME", "0%:0s", parse_late, "share answered late, and by how much more: 5%:3s"),
    (_BEHAVIOUR, "--error", "SHARE", "0%", parse_share, "share whose reply has the header `error: injected`"),
    (_BEHAVIOUR, "--seed", "N", "0", whole_number(-(2**63), 2**63 - 1), "another seed, other victims"),
    (_RUNNING, "--report-every", "TIME", "10s", parse_duration_ms, "how often depths and counts are logged"),
    (_RUNNING, "--metrics-port", "PORT|off", "off", parse_port, "/metrics (Prometheus) and /healthz here"),
    (_RUNNING, "--shutdown-timeout", "TIME", "30s", parse_duration_ms, "how long a stop may take"),
))  # fmt: skip


def parse(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Parse the command line and the environment; exits with 2 and a sentence when a value is refused.

    Args:
        arguments: the command line; None for the process's own.
        environ: the environment's variables; None for the process's own.
    """
    environ = os.environ if environ is None else environ
    parser = _parser()
    chosen, sources, warnings = _chosen(parser, vars(parser.parse_args(arguments)), environ)
    try:
        return _settings(chosen, sources, warnings, environ)
    except ConfigRefused as refused:
        parser.error(str(refused))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="waiter-service",
        description="Read requests from one Kafka topic, wait, and answer on another: a service to load-test.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    groups = {name: parser.add_argument_group(name) for name in (_KAFKA, _STAGES, _BEHAVIOUR, _RUNNING)}
    for option in _OPTIONS:
        described = f"{option.help} [{option.default}] ({option.variable})".replace("%", "%%")
        groups[option.group].add_argument(option.flag, type=option.parser, help=described, metavar=option.metavar)
    return parser


def _chosen(
    parser: argparse.ArgumentParser, given: dict[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Return each option's value, the flag or variable that gave it ("" for a default), and warnings."""
    sources, warnings = {}, []
    for option in _OPTIONS:
        text = environ.get(option.variable)
        if text is not None and re.fullmatch(r"(tcp|udp|sctp)://\S+:[0-9]+", text):
            warnings.append(
                f"{option.variable} is passed over: its value has the form of a variable that Kubernetes makes for a "
                f"service of that name; rename the service, or give {option.flag}"
            )
            text = None
        sources[option.name] = option.flag if option.name in given else option.variable if text is not None else ""
        if option.name not in given:
            try:
                given[option.name] = option.parser(option.default if text is None else text)
            except argparse.ArgumentTypeError as refused:
                parser.error(f"{option.variable} {text!r} is refused: {refused}")
    return given, sources, warnings


def _settings(
    chosen: dict[str, Any], sources: dict[str, str], warnings: list[str], environ: Mapping[str, str]
) -> Settings:
    path = chosen.pop("config") if sources["config"] else ""
    chosen.pop("config", None)
    file = _read_config(path, sources["config"], environ)
    asked = chosen.pop("bootstrap") if sources["bootstrap"] else None
    chosen.pop("bootstrap", None)
    group, protocol = (
        # The file's value goes before a default, a flag or a variable before the file's.
        file.values.get(f"consumer.{name}", file.values.get(name, chosen[option]))
        if not sources[option]
        else chosen[option]
        for option, name in (("group", "group.id"), ("group_protocol", "group.protocol"))
    )
    clients = ClientConfig(
        choose_bootstrap(asked, f"{sources['bootstrap']} names", file, path), group, protocol.lower(), file,
        path,
    )  # fmt: skip
    refuse_transactions(file, path)
    if chosen["request_topic"] == chosen["reply_topic"]:
        raise ConfigRefused("--request-topic and --reply-topic are the same topic: the waiter would answer itself")
    late_share, late_s = chosen.pop("late")
    faults = {name: chosen.pop(name) for name in ("wait", "drop", "duplicate", "error", "seed")}
    times = {f"{name}_s": chosen.pop(name) / 1000 for name in ("report_every", "shutdown_timeout")}
    for name in ("group", "group_protocol"):
        del chosen[name]
    notes = (*file.notes, *config_notes(clients))
    behaviour = Behaviour(late=late_share, late_s=late_s, **faults)
    return Settings(clients, behaviour=behaviour, notes=notes, warnings=tuple(warnings), **times, **chosen)


def _read_config(path: str, source: str, environ: Mapping[str, str]) -> Properties:
    if not path:
        return Properties({}, {}, ())
    try:
        return read_properties(Path(path).read_bytes(), environ, path)
    except (OSError, ValueError) as error:
        if isinstance(error, PropertiesError):
            raise ConfigRefused(str(error)) from None
        why = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise ConfigRefused(f"{source}: {path!r} cannot be read: {why}") from None
