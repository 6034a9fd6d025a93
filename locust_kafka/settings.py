"""Every option of the plugin, validated in one place.

Values arrive as text: from the command line, from LOCUST_KAFKA_* variables, and from Locust's web UI, which can set
any option.  Paths, brokers and credentials are therefore frozen at the start (see `plugin.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locust_kafka.core.schedule import CONSTANT, POISSON, Stage, parse_rate
from locust_kafka.errors import SettingsError

FAIL, SHOW = "fail", "show"


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option.

    Attributes:
        name: without the `--kafka-` in front, with dashes.
        default: as text; "" for none.
        metavar: what stands for its value in the help.
        help: one phrase.
        frozen: whether only the command line decides (paths, brokers, credentials), never the web UI.
    """

    name: str
    default: str
    metavar: str
    help: str
    frozen: bool = False

    @property
    def flag(self) -> str:
        """As typed on the command line."""
        return f"--kafka-{self.name}"

    @property
    def dest(self) -> str:
        """As an attribute of Locust's parsed options."""
        return f"kafka_{self.name.replace('-', '_')}"

    @property
    def env(self) -> str:
        """As an environment variable."""
        return f"LOCUST_{self.dest.upper()}"


OPTIONS = (
    Option("bootstrap", "localhost:9092", "SERVERS", "brokers, host:port,...", frozen=True),
    Option(
        "config",
        "",
        "FILE",
        "librdkafka settings, name=value lines; prefixes producer. and consumer.",
        frozen=True,
    ),
    Option("request-topic", "Waiter-Requests", "TOPIC", "topic the requests go to"),
    Option("reply-topic", "Waiter-Responses", "TOPIC", "topic the replies are read from"),
    Option("reply-timeout", "10", "SECONDS", "how long a reply may take; a request can have its own"),
    Option("settle", "2", "SECONDS", "how long to listen on for late and duplicate replies at the end"),
    Option("warmup", "0", "SECONDS", "leave requests of the first seconds out of the latency figures"),
    Option("rate", "", "RATE", "open model: arrivals per second in total, 100:2000/60s for a ramp"),
    Option("arrivals", CONSTANT, "PROCESS", "how they come: constant or poisson"),
    Option("self-check", FAIL, "MODE", "a run whose generator was the bottleneck: fail it, or only show it"),
    Option("match", "traceparent", "RULE", "how a reply names its request: traceparent, key or header:NAME"),
    Option("trace-rate", "10", "PER_SECOND", "the most exchanges a second that are traced from their start"),
    Option("trace-keep", "10", "PER_SECOND", "the most slow, failed, late or duplicate ones a second kept besides"),
    Option("trace-slow", "", "MS", "from when on an exchange is slow; default: its name's running p99"),
    Option("trace-url", "", "URL", "link to a trace, with {trace_id} in it, for the summary", frozen=True),
    Option("metrics-port", "", "PORT", "serve /metrics for Prometheus (of all workers, at the master)", frozen=True),
    Option("summary", "", "FILE", "write the summary as JSON", frozen=True),
    Option("exchange-log", "", "FILE.csv[.gz]", "write a row per exchange and per later reply", frozen=True),
)

DEFAULTS = {option.dest: option.default for option in OPTIONS}

# Names of the Java client, and what librdkafka calls the same.
_JAVA_ONLY = {
    "sasl.jaas.config": "use sasl.username and sasl.password",
    "ssl.truststore.location": "use ssl.ca.location with a PEM file",
    "ssl.truststore.password": "use ssl.ca.location with a PEM file",
    "ssl.keystore.type": "use ssl.keystore.location with a PKCS#12 file",
    "sasl.login.callback.handler.class": "use sasl.oauthbearer.method and its companions",
    "key.serializer": "leave it out: keys and values are bytes here",
    "value.serializer": "leave it out: keys and values are bytes here",
    "key.deserializer": "leave it out: keys and values are bytes here",
    "value.deserializer": "leave it out: keys and values are bytes here",
    "buffer.memory": "use queue.buffering.max.kbytes",
    "max.block.ms": "leave it out: a full queue makes the sending user wait",
    "delivery.timeout.ms": "use message.timeout.ms",
}
_SECRET = re.compile(r"password|secret|token|\.key\.pem|sasl\.username|oauthbearer\.config", re.IGNORECASE)


def add_options(parser: Any, **_kwargs: Any) -> None:
    """Locust's `init_command_line_parser`: put the options into its parser."""
    group = parser.add_argument_group("Kafka request-reply")
    for option in OPTIONS:
        action = group.add_argument(
            option.flag, default=option.default, env_var=option.env, metavar=option.metavar,
            help=f"{option.help} [{option.default or 'none'}]".replace("%", "%%"),
        )  # fmt: skip
        action.include_in_web_ui = not option.frozen
        action.is_secret = action.is_required = action.is_multiple = False


@dataclass(frozen=True)
class Settings:
    """What a run goes by; durations in seconds."""

    bootstrap: str
    config: Mapping[str, str]
    request_topic: str
    reply_topic: str
    reply_timeout_s: float
    settle_s: float
    warmup_s: float
    rate: tuple[Stage, ...] | None
    arrivals: str
    self_check: str
    match: str
    trace_rate: float
    trace_keep: float
    trace_slow_ms: float | None
    trace_url: str
    metrics_port: int | None
    summary: str
    exchange_log: str

    def client_config(self, kind: str) -> dict[str, Any]:
        """Librdkafka settings from the config file for a `producer` or a `consumer`, with the brokers."""
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap}
        for name, value in self.config.items():
            prefix, _, rest = name.partition(".")
            if prefix not in ("consumer", "producer"):
                config[name] = value
            elif prefix == kind:
                config[rest] = value
        return config

    def masked(self, text: str) -> str:
        """The text without any secret of the config file in it."""
        for name, value in self.config.items():
            if _SECRET.search(name) and value:
                text = text.replace(value, "***")
        return text


def parse(values: Mapping[str, Any]) -> Settings:
    """Validate options given by their `dest` names.

    Raises:
        SettingsError: names the option, the value and what is accepted.
    """
    text = {option.dest: str(values.get(option.dest) or "").strip() or option.default for option in OPTIONS}
    match = text["kafka_match"]
    if match not in ("traceparent", "key") and not re.fullmatch(r"header:.+", match):
        raise SettingsError(f"--kafka-match {match!r} is unknown: use traceparent, key or header:NAME")
    return Settings(
        bootstrap=text["kafka_bootstrap"],
        config=read_properties(text["kafka_config"]) if text["kafka_config"] else {},
        request_topic=_topic("--kafka-request-topic", text["kafka_request_topic"]),
        reply_topic=_topic("--kafka-reply-topic", text["kafka_reply_topic"]),
        reply_timeout_s=number("--kafka-reply-timeout", text["kafka_reply_timeout"], 0.001, 3600),
        settle_s=number("--kafka-settle", text["kafka_settle"], 0, 3600),
        warmup_s=number("--kafka-warmup", text["kafka_warmup"], 0, 86400),
        rate=rate("--kafka-rate", text["kafka_rate"]) if text["kafka_rate"] else None,
        arrivals=_one_of("--kafka-arrivals", text["kafka_arrivals"], CONSTANT, POISSON),
        self_check=_one_of("--kafka-self-check", text["kafka_self_check"], FAIL, SHOW),
        match=match,
        trace_rate=number("--kafka-trace-rate", text["kafka_trace_rate"], 0, 1e6),
        trace_keep=number("--kafka-trace-keep", text["kafka_trace_keep"], 0, 1e6),
        trace_slow_ms=_optional("--kafka-trace-slow", text["kafka_trace_slow"], 0.001, 1e7),
        trace_url=_trace_url(text["kafka_trace_url"]),
        metrics_port=_port("--kafka-metrics-port", text["kafka_metrics_port"]),
        summary=_writable("--kafka-summary", text["kafka_summary"]),
        exchange_log=_writable("--kafka-exchange-log", text["kafka_exchange_log"]),
    )


def number(what: str, text: str, low: float, high: float) -> float:
    """Parse a number within bounds.

    Raises:
        SettingsError: it is none, or out of bounds.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise SettingsError(f"{what} {text!r} is refused: give a number from {low:g} to {high:g}")
    return value


def rate(what: str, text: str) -> tuple[Stage, ...]:
    """Parse a rate with its stages.

    Raises:
        SettingsError: it is none.
    """
    try:
        return parse_rate(text)
    except ValueError as refused:
        raise SettingsError(f"{what} {text!r} is refused: {refused}") from refused


def _one_of(what: str, text: str, *words: str) -> str:
    if text not in words:
        raise SettingsError(f"{what} {text!r} is unknown: use {' or '.join(words)}")
    return text


def _optional(what: str, text: str, low: float, high: float) -> float | None:
    return number(what, text, low, high) if text else None


def _port(what: str, text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SettingsError(f"{what} {text!r} is refused: give a port from 1 to 65535")
    return int(text) if text else None


def _trace_url(template: str) -> str:
    if template and not (template.startswith(("http://", "https://")) and "{trace_id}" in template):
        raise SettingsError(
            f"--kafka-trace-url {template!r} is refused: give a URL with {{trace_id}} in it, "
            "as in http://localhost:16686/trace/{trace_id}"
        )
    return template


def read_properties(path: str) -> dict[str, str]:
    """Read name=value lines; blank ones and those that begin with # or ! are passed over.

    Raises:
        SettingsError: the file cannot be read, a line has no `=`, or a name belongs to the Java client alone.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--kafka-config {path!r} cannot be read: {error}") from error
    settings: dict[str, str] = {}
    for number_, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#!":
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals:
            # The line itself may be a secret: it is not repeated.
            raise SettingsError(f"--kafka-config {path!r}, line {number_}: no '=' in it; write name=value")
        plain = re.sub(r"^(producer|consumer)\.", "", name)
        if plain in _JAVA_ONLY:
            raise SettingsError(
                f"--kafka-config {path!r}, line {number_}: {plain} is a setting of the Java client; {_JAVA_ONLY[plain]}"
            )
        settings[name] = value
    return settings


def _topic(flag: str, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in (".", ".."):
        raise SettingsError(f"{flag} {name!r} is no topic name: use 1 to 249 of letters, digits, '.', '_' and '-'")
    return name


def _writable(flag: str, path: str) -> str:
    if path and not Path(path).resolve().parent.is_dir():
        raise SettingsError(f"{flag} {path!r}: its folder does not exist; create it first")
    return path
