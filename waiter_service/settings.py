"""Every option of the waiter, as a flag and as a WAITER_* variable."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from waiter_service.core.behaviour import Behaviour, Wait

EPILOG = """\
Examples:
  waiter-service                                      50 requests at once wait 25 s in half a second
  waiter-service --wait uniform:100ms-900ms --consumers 2 --partitions 8
  waiter-service --drop 2% --duplicate 2% --late 2%:3s --error 1%     calibrate a load tester
  WAITER_BOOTSTRAP=broker:9092 waiter-service --config client.properties

The config file has one librdkafka setting a line (name=value); the prefixes consumer. and producer. direct a
setting to one kind of client. Ctrl-C or SIGTERM: read no more, answer what was read, commit, exit.
"""

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Settings:
    """The service's settings; durations in seconds, shares from 0 to 1."""

    bootstrap: str
    config: dict[str, str]
    request_topic: str
    reply_topic: str
    group: str
    group_protocol: str
    consumers: int
    waiters: int
    producers: int
    request_queue: int
    reply_queue: int
    behaviour: Behaviour
    partitions: int
    replication_factor: int
    report_every_s: float
    shutdown_timeout_s: float
    metrics_port: int | None

    def client_config(self, kind: str) -> dict[str, Any]:
        """Librdkafka settings for a `consumer`, a `producer` or an `admin` client: the file's over the defaults."""
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        for name, value in self.config.items():
            prefix, _, rest = name.partition(".")
            if prefix not in ("consumer", "producer"):
                config[name] = value
            elif prefix == kind:
                config[rest] = value
        return config


def duration_ms(text: str) -> float:
    """Parse `500ms`, `2s`, `250us` or `1m` into milliseconds; the unit may not be left out."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s|m)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write a number and a unit, such as 500ms or 3s")
    return float(match[1]) * _UNITS_MS[match[2]]


def share(text: str) -> float:
    """Parse `5%` or `0.05` into 0.05."""
    stripped = text.strip()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0% to 100%, or 0 to 1")
    return value


def late(text: str) -> tuple[float, float]:
    """Parse `5%:3s` into (0.05, 3.0): which share, and by how many seconds."""
    part, colon, delay = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} says no delay: write a share and a duration, such as 5%:3s")
    return share(part), duration_ms(delay) / 1000


def wait(text: str) -> Wait:
    """Parse `500ms`, `uniform:100ms-900ms` or `lognormal:50ms:0.5` (median and sigma)."""
    kind, _, rest = text.partition(":")
    if kind == "uniform":
        low, dash, high = rest.partition("-")
        if not dash:
            raise argparse.ArgumentTypeError(f"{text!r} names no range: write uniform:100ms-900ms")
        a, b = duration_ms(low), duration_ms(high)
        if a > b:
            raise argparse.ArgumentTypeError(f"{text!r}: the lower end is above the upper one")
        return Wait("uniform", a, b)
    if kind == "lognormal":
        median, _, sigma = rest.partition(":")
        if re.fullmatch(r"\d+(\.\d+)?", sigma) is None or float(sigma) > 5:
            raise argparse.ArgumentTypeError(f"{text!r}: sigma is a number from 0 to 5, as in lognormal:50ms:0.5")
        return Wait("lognormal", duration_ms(median), float(sigma))
    return Wait("fixed", duration_ms(text))


def between(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        if re.fullmatch(r"-?\d+", text.strip()) is None or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def port(text: str) -> int | None:
    """Parse a TCP port, or `off`."""
    return None if text.strip().lower() == "off" else between(1, 65535)(text)


def properties(text: str) -> dict[str, str]:
    """Read a properties file: name=value lines; blank lines and lines that start with # or ! are passed over."""
    try:
        lines = Path(text).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read: {error}") from error
    settings = {}
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if stripped and stripped[0] not in "#!":
            name, equals, value = stripped.partition("=")
            if not equals:
                # The line itself may be a secret: it is not repeated.
                raise argparse.ArgumentTypeError(f"{text!r}, line {number}: no '=' in it; write name=value")
            settings[name.strip()] = value.strip()
    return settings


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Parse the command line (and the environment); exits with 2 and a sentence when a value is refused."""
    chosen = vars(_parser().parse_args(arguments))
    late_share, late_s = chosen.pop("late")
    behaviour = Behaviour(late=late_share, late_s=late_s, **{
        name: chosen.pop(name) for name in ("wait", "drop", "duplicate", "error", "seed")
    })  # fmt: skip
    for name in ("report_every", "shutdown_timeout"):
        chosen[f"{name}_s"] = chosen.pop(name) / 1000
    return Settings(behaviour=behaviour, **chosen)


def _option(group: Any, flag: str, default: str, kind: Callable[[str], Any], text: str, **more: Any) -> None:
    variable = "WAITER_" + flag[2:].upper().replace("-", "_")
    described = f"{text} [{default}] ({variable})".replace("%", "%%")
    group.add_argument(flag, type=kind, default=os.environ.get(variable, default), help=described, **more)


def _kafka_options(parser: argparse.ArgumentParser) -> None:
    kafka = parser.add_argument_group("Kafka")
    _option(kafka, "--bootstrap", "localhost:9092", str, "brokers, host:port,...", metavar="SERVERS")
    _option(kafka, "--config", os.devnull, properties, "librdkafka settings, name=value lines", metavar="FILE")
    _option(kafka, "--request-topic", "Waiter-Requests", str, "topic to read", metavar="TOPIC")
    _option(
        kafka,
        "--reply-topic",
        "Waiter-Responses",
        str,
        "topic for requests without reply-to",
        metavar="TOPIC",
    )
    _option(kafka, "--group", "waiter-service", str, "consumer group", metavar="NAME")
    _option(
        kafka,
        "--group-protocol",
        "classic",
        str,
        "rebalance protocol of the group",
        choices=["classic", "consumer"],
    )
    count = between(1, 10_000)
    _option(kafka, "--partitions", "4", count, "partitions of topics it creates", metavar="N")
    _option(
        kafka,
        "--replication-factor",
        "-1",
        between(-1, 100),
        "of topics it creates; -1: the broker's",
        metavar="N",
    )


def _behaviour_options(parser: argparse.ArgumentParser) -> None:
    behaviour = parser.add_argument_group("Behaviour: a pure function of the trace id and the seed")
    _option(
        behaviour,
        "--wait",
        "500ms",
        wait,
        "500ms, uniform:100ms-900ms, or lognormal:MEDIAN:SIGMA",
        metavar="HOW",
    )
    _option(behaviour, "--drop", "0%", share, "share of requests never answered", metavar="SHARE")
    _option(behaviour, "--duplicate", "0%", share, "share answered twice", metavar="SHARE")
    _option(
        behaviour,
        "--late",
        "0%:0s",
        late,
        "share answered late, and by how much more: 5%:3s",
        metavar="SHARE:TIME",
    )
    _option(behaviour, "--error", "0%", share, "share answered with an error header", metavar="SHARE")
    _option(behaviour, "--seed", "0", between(-(2**63), 2**63 - 1), "another seed, other victims", metavar="N")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="waiter-service",
        description="Read requests from one Kafka topic, wait, and answer on another: a service to load-test.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    _kafka_options(parser)
    count = between(1, 10_000)
    stages = parser.add_argument_group("Stages: consumers > [request queue] > waiters > [reply queue] > producers")
    _option(stages, "--consumers", "1", between(1, 1000), "consumer threads", metavar="N")
    _option(stages, "--waiters", "50", count, "waiter threads: so many requests wait at once", metavar="N")
    _option(stages, "--producers", "1", between(1, 1000), "producer threads", metavar="N")
    capacity = between(1, 10_000_000)
    _option(
        stages,
        "--request-queue",
        "1000",
        capacity,
        "capacity; a full queue holds the consumers back",
        metavar="N",
    )
    _option(
        stages,
        "--reply-queue",
        "1000",
        capacity,
        "capacity; a full queue holds the waiters back",
        metavar="N",
    )

    _behaviour_options(parser)
    running = parser.add_argument_group("Running")
    _option(
        running,
        "--report-every",
        "10s",
        duration_ms,
        "how often depths and counts are logged",
        metavar="TIME",
    )
    _option(running, "--metrics-port", "off", port, "/metrics (Prometheus) and /healthz here", metavar="PORT|off")
    _option(running, "--shutdown-timeout", "30s", duration_ms, "how long a stop may take", metavar="TIME")
    return parser
