"""Every option of the plugin, validated in one place; class attributes and arguments go through the same functions.

One order for everything: class attribute, flag, environment variable, configuration file, default.  `None` means that
nothing was given; 0 and "" are values.  Values arrive as text from the command line, from LOCUST_KAFKA_* variables and
from Locust's web UI, which can set any option: paths, brokers and credentials are frozen at the start (`plugin.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from locust_kafka.core.checks import Check
from locust_kafka.core.history import Row
from locust_kafka.core.schedule import CONSTANT, POISSON, Stage
from locust_kafka.errors import SettingsError
from locust_kafka.gates import read_baseline, read_checks, read_share
from locust_kafka.options import (
    AUTO,
    DEFAULT_BOOTSTRAP,
    FAIL,
    JAVA,
    LIBRDKAFKA,
    OFF,
    ON,
    OPTIONS,
    PARTITION,
    SHARED,
    SHOW,
    SYNCHRONOUS,
    TOPIC,
)
from locust_kafka.paths import refuse_same_file, writable_file, writable_folder
from locust_kafka.values import Given, header_name, number, one_of, printable, rate, refuse_servers, text, topic

MAX_TIMEOUT_S = 3600.0
MAX_GROUP = 249


@dataclass(frozen=True)
class Settings:
    """What a run goes by; durations in seconds."""

    bootstrap: str
    bootstrap_source: str
    """Who named the brokers, in words."""
    config: Mapping[str, str] = field(repr=False)
    """librdkafka's settings of the configuration file; secrets among them."""
    config_lines: Mapping[str, int]
    """The line of each of them."""
    oauth_callback: str
    """MODULE:FUNCTION that gives tokens for SASL OAUTHBEARER; "" for none."""
    request_topic: str
    reply_topic: str
    reply_timeout_s: float
    ready_timeout_s: float
    settle_s: float
    warmup_s: float
    rate: tuple[Stage, ...] | None
    arrivals: str
    self_check: str
    tuning: bool
    allow_lost: bool
    group: str
    """Whose lag is watched: a name, AUTO or OFF."""
    producer_like: str
    match: str
    reply_to_header: str
    reply_routing: str
    """Which replies a worker reads: SHARED, PARTITION, TOPIC or AUTO."""
    error_header: str
    trace_rate: float
    trace_keep: float
    trace_slow_ms: float | None
    trace_url: str
    metrics_port: int | None
    checks: tuple[Check, ...]
    baseline: tuple[Row, ...] | None
    """The seconds of an earlier run; None for no comparison."""
    regression: float
    """How much slower this one may be: 0.1 for 10 %."""
    report: str
    summary: str
    exchange_log: str
    request_topics: frozenset[str] = field(default_factory=frozenset)
    """Those of all user classes."""
    reply_topics: frozenset[str] = field(default_factory=frozenset)
    longest_timeout_s: float = 0.0
    """The longest reply timeout of all user classes."""

    def client_config(self, kind: str) -> dict[str, Any]:
        """Librdkafka's settings for a `producer` or a `consumer`: those of the file, and the brokers."""
        config: dict[str, Any] = {}
        for name, value in self.config.items():
            prefix, _, rest = name.partition(".")
            if prefix not in ("consumer", "producer"):
                config.setdefault(name, value)
            elif prefix == kind:
                config[rest] = value
        return {**config, "bootstrap.servers": self.bootstrap}


def parse(
    given: Mapping[str, Given],
    config: Mapping[str, str] | None = None,
    config_lines: Mapping[str, int] | None = None,
) -> Settings:
    """Validate what was given, by the options' `dest` names; what is missing takes its default.

    Args:
        given: values with their sources; a value may be text or a number.
        config: the configuration file's settings.
        config_lines: the line of each.

    Raises:
        SettingsError: names the option or variable, the value and what is accepted.
    """
    values = {option.dest: given.get(option.dest) or Given(option.default, option.flag) for option in OPTIONS}
    bootstrap, source = _bootstrap(given.get("kafka_bootstrap"), config or {}, config_lines or {})
    get = values.__getitem__
    refuse_same_file(*(given.get(f"kafka_{one}") for one in ("config", "summary", "exchange_log")))
    request_topic, reply_topic = topic(*get("kafka_request_topic")), topic(*get("kafka_reply_topic"))
    timeout_s = number(*get("kafka_reply_timeout"), 0.001, MAX_TIMEOUT_S)
    return Settings(
        bootstrap=bootstrap,
        bootstrap_source=source,
        config=config or {},
        config_lines=config_lines or {},
        oauth_callback=_callback(get("kafka_oauth_callback")),
        request_topic=request_topic,
        reply_topic=reply_topic,
        reply_timeout_s=timeout_s,
        ready_timeout_s=number(*get("kafka_ready_timeout"), 0.1, 3600),
        settle_s=number(*get("kafka_settle"), 0, 3600),
        warmup_s=number(*get("kafka_warmup"), 0, 86400),
        rate=rate(*get("kafka_rate")) if text(get("kafka_rate")) else None,
        arrivals=one_of(*get("kafka_arrivals"), CONSTANT, POISSON),
        self_check=one_of(*get("kafka_self_check"), FAIL, SHOW),
        tuning=one_of(*get("kafka_tuning"), ON, OFF) == ON,
        allow_lost=one_of(*get("kafka_allow_lost"), ON, OFF) == ON,
        group=_group(get("kafka_group")),
        producer_like=one_of(*get("kafka_producer_like"), SYNCHRONOUS, JAVA, LIBRDKAFKA),
        match=_match(get("kafka_match")),
        reply_to_header=header_name(*get("kafka_reply_to_header")),
        reply_routing=one_of(*get("kafka_reply_routing"), AUTO, SHARED, PARTITION, TOPIC),
        error_header=text(get("kafka_error_header")) and header_name(*get("kafka_error_header")),
        trace_rate=number(*get("kafka_trace_rate"), 0, 1e6),
        trace_keep=number(*get("kafka_trace_keep"), 0, 1e6),
        trace_slow_ms=number(*get("kafka_trace_slow"), 0.001, 1e7) if text(get("kafka_trace_slow")) else None,
        trace_url=_trace_url(get("kafka_trace_url")),
        metrics_port=_port(get("kafka_metrics_port")),
        checks=_checks(given.get("kafka_check"), get("kafka_check")),
        baseline=read_baseline(text(baseline), baseline.source) if text(baseline := get("kafka_baseline")) else None,
        regression=read_share(*get("kafka_regression")),
        report=writable_folder(text(get("kafka_report")), get("kafka_report").source),
        summary=writable_file(text(get("kafka_summary")), get("kafka_summary").source),
        exchange_log=writable_file(text(get("kafka_exchange_log")), get("kafka_exchange_log").source),
        request_topics=frozenset({request_topic}),
        reply_topics=frozenset({reply_topic}),
        longest_timeout_s=timeout_s,
    )


def same_cluster(one: str, other: str) -> bool:
    """Whether two lists of brokers are the same, in whatever order."""
    return _brokers(one) == _brokers(other)


def _brokers(servers: str) -> set[str]:
    return {server.strip().lower() for server in servers.split(",") if server.strip()}


def _bootstrap(given: Given | None, config: Mapping[str, str], lines: Mapping[str, int]) -> tuple[str, str]:
    """The brokers, and who named them."""
    servers = "" if given is None else printable(given)
    if given is not None and not _brokers(servers):
        raise SettingsError(f"{given.source} {given.value!r} names no broker: give host:port,...")
    if given is not None and (refusal := refuse_servers(servers)):
        shown = "" if "@" in servers else f" {given.value!r}"  # it may be a password
        raise SettingsError(f"{given.source}{shown} {refusal}")
    for name in ("bootstrap.servers", "producer.bootstrap.servers", "consumer.bootstrap.servers"):
        in_file = config.get(name, "")
        if not in_file:
            continue
        where = f"line {lines[name]} of the --kafka-config file" if name in lines else "the --kafka-config file"
        if refusal := refuse_servers(in_file):
            raise SettingsError(f"{where} {refusal}")
        if given is not None and not same_cluster(servers, in_file):
            raise SettingsError(
                f"two clusters are named: {servers} by {given.source} and {in_file} by {where}; remove one of them"
            )
        if not servers:
            servers, given = in_file, Given(in_file, where)
    return (servers, given.source) if given is not None else (DEFAULT_BOOTSTRAP, "the default")


def _checks(written: Given | None, given: Given) -> tuple[Check, ...]:
    # An unset variable of a CI job must not be a passed gate.
    if written is not None and not str(written.value).strip():
        raise SettingsError(f"{given.source} {given.value!r} is empty: give a check, or leave it out")
    return read_checks(*given)


def _group(given: Given) -> str:
    name = printable(given)
    if not 0 < len(name) <= MAX_GROUP:
        raise SettingsError(f"{given.source} {name!r} is no group: give 1 to {MAX_GROUP} characters, or auto or off")
    return name


def _match(given: Given) -> str:
    kind, colon, name = text(given).partition(":")
    if (kind, bool(colon)) not in (("traceparent", False), ("key", False), ("header", bool(name))):
        raise SettingsError(f"{given.source} {text(given)!r} is unknown: use traceparent, key or header:NAME")
    return f"{kind}:{header_name(name, given.source)}" if colon else kind


def _callback(given: Given) -> str:
    reference = text(given)
    if reference and not re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", reference):
        raise SettingsError(f"{given.source} {reference!r} is refused: give MODULE:FUNCTION, as in tokens:from_vault")
    return reference


def _port(given: Given) -> int | None:
    if (port := text(given)) and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise SettingsError(f"{given.source} {port!r} is refused: give a port from 1 to 65535")
    return int(port) if port else None


def _trace_url(given: Given) -> str:
    template = printable(given)
    if template and not (template.startswith(("http://", "https://")) and "{trace_id}" in template):
        example = "http://localhost:16686/trace/{trace_id}"
        raise SettingsError(f"{given.source} {template!r} is refused: give a URL with {{trace_id}} in it, as {example}")
    return template
