"""Every option of the waiter: a flag, a WAITER_* variable and a default."""

from __future__ import annotations

import argparse
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from waiter_service.core.behaviour import Behaviour
from waiter_service.kafka.config import (
    ClientConfig,
    ConfigRefused,
    choose_bootstrap,
    config_notes,
    refuse_transactions,
)
from waiter_service.kafka.properties import Properties, PropertiesError, mask, read_properties
from waiter_service.kafka.tokens import TokenError, TokenSource, load_function, mechanism_refusal
from waiter_service.values import (
    parse_duration_ms,
    parse_late,
    parse_port,
    parse_protocol,
    parse_reference,
    parse_share,
    parse_text,
    parse_topic,
    parse_wait,
    whole_number,
)

_MAX_FILE_BYTES: Final = 2_000_000
"""Of client settings, with certificates; a device that never ends is no such file."""
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
    (_KAFKA, "--oauth-callback", "MODULE:FUNCTION", "none", parse_reference,
     "gives tokens for SASL OAUTHBEARER, as confluent-kafka's oauth_cb does"),
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
        choose_bootstrap(asked, f"{sources['bootstrap']} names", file, path), group, protocol.lower(), file, path,
        _token_source(chosen.pop("oauth_callback"), sources["oauth_callback"], file),
    )  # fmt: skip
    _refuse_mechanism(clients, sources["oauth_callback"])
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


def _token_source(reference: str, source: str, file: Properties) -> TokenSource | None:
    if not source:
        return None
    try:
        function = load_function(reference, source)
    except TokenError as refused:
        raise ConfigRefused(mask(str(refused), file.values)) from None
    config = file.values.get("sasl.oauthbearer.config", "")
    return TokenSource(function, f"{source} {reference}", config, _in_thread, time.sleep)


def _in_thread(body: Callable[[], None]) -> None:
    threading.Thread(target=body, name="token", daemon=True).start()


def _refuse_mechanism(clients: ClientConfig, source: str) -> None:
    for config in (clients.consumer(), clients.producer(), clients.admin()):
        if refusal := mechanism_refusal(config, source, "--oauth-callback"):
            raise ConfigRefused(refusal)


def _read_config(path: str, source: str, environ: Mapping[str, str]) -> Properties:
    if not path:
        return Properties({}, {}, ())
    try:
        with Path(path).open("rb") as opened:
            data = opened.read(_MAX_FILE_BYTES + 1)
        if len(data) > _MAX_FILE_BYTES:
            raise PropertiesError(
                f"{source}: {path!r} is no file of client settings: it has more than {_MAX_FILE_BYTES} bytes"
            )
        return read_properties(data, environ, path)
    except (OSError, ValueError) as error:
        if isinstance(error, PropertiesError):
            raise ConfigRefused(str(error)) from None
        why = error.strerror if isinstance(error, OSError) else "it is not a path"
        raise ConfigRefused(f"{source}: {path!r} cannot be read: {why}") from None
