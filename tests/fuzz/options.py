"""Parsers of what a person or an environment says: rates, checks, shares, options, variables."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import threading
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

from locust_kafka.cli.doctor.ask_machine import endpoint_secrets, parse_cpu_times
from locust_kafka.cli.doctor.facts import CpuTimes
from locust_kafka.cli.given import given_settings
from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import Check, judge, parse_check
from locust_kafka.core.schedule import MAX_RATE, Plan, Stage, parse_rate
from locust_kafka.errors import SettingsError
from locust_kafka.gates import read_checks, read_share
from locust_kafka.options import OPTIONS
from locust_kafka.plugin.options import LocustOptions, Unset
from locust_kafka.settings import Settings
from locust_kafka.telemetry import environment
from tests.fuzz import mutate
from tests.fuzz.target import Target
from tests.unit.plugin.runners import results_of
from waiter_service import settings as waiter

FOLDER = Path(mkdtemp(prefix="fuzz-"))
RATES = ("200", "0", "200/30s", "100:2000/60s", "100/30s,100:2000/60s", "1.5:0/1.5m,20/2h,7", "0/5", "5:5/1,0")
CHECKS = (
    "e2e.p99 < 250ms", "timeout_ratio < 0.1%", "duplicates == 0", "e2e[Guest order].p99.9 <= 1.5s abort", "lag.max < 10",
    "rate >= 100/s", "task_errors == 0", "service.mean != 3us", "ack.max > 5µs", "offered_rate > 1 /s", "rejected_ratio<=1",
)  # fmt: skip
SHARES = ("10%", "0.1", " 5 % ", "0", "9999.999999%")
RESULTS = results_of([("a", Outcome.MATCHED), ("a", Outcome.TIMED_OUT), ("b", None)])
GIVEN: Mapping[str, tuple[str, ...]] = {
    "bootstrap": ("localhost:9092", "a:1,b:2,[::1]:9092"),
    "rate": RATES, "check": (*CHECKS, "; ".join(CHECKS), f"@{FOLDER}"), "regression": SHARES,
    "request-topic": ("Waiter-Requests", "a.b_c-1"), "group": ("auto", "off", "my group"),
    "match": ("traceparent", "key", "header:id"), "reply-to-header": ("reply-to", "kafka_replyTopic"),
    "trace-url": ("http://localhost:16686/trace/{trace_id}",), "metrics-port": ("9646", ""),
    "report": (str(FOLDER / "report"), str(FOLDER), "/proc/x"), "summary": (str(FOLDER / "x.json"), "/dev/null/x"),
    "baseline": (str(FOLDER / "none"),), "config": (str(FOLDER / "none.properties"),),
}  # fmt: skip
"""Values of options; of the others a number."""
_SAFE = ("rate", "request-topic", "group", "match", "reply-to-header", "metrics-port")
CPU = ("cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1", "cpu 0 0 0 0 0 0 0 0")


def _rate(_text: str, stages: tuple[Stage, ...]) -> None:
    """A rate has bounds, its plan is a number at every count, and written again it is the same."""
    for stage in stages:
        assert 0 <= stage.low <= MAX_RATE
        assert 0 <= stage.high <= MAX_RATE
        assert 0 <= stage.seconds < math.inf
    written = [":".join(f"{Decimal(end):f}" for end in stage[:2]) + f"/{Decimal(stage.seconds):f}" for stage in stages]
    if not stages[-1].seconds:
        written[-1] = f"{Decimal(stages[-1].low):f}"
    assert parse_rate(",".join(written)) == stages
    plan, before = Plan(stages, 0, 0.5), 0.0
    for count in (0.0, 0.5, 1.0, 1e3, 1e9):
        at = plan.instant_of(count)
        assert at >= before, (at, before)
        before = at


def _check(_text: str, check: Check) -> None:
    """A check has a finite limit, can be judged, and written again it is the same."""
    assert 0 <= check.limit < math.inf
    assert parse_check(check.text) == check
    (judged,) = judge([check], RESULTS)
    assert judged.words
    name = "" if check.name is None else f"[{check.name}]"
    statistic = f".{check.statistic}" if check.statistic else ""
    again = parse_check(f"{check.metric}{name}{statistic} {check.operator} {_limit(check)}")
    assert again._replace(text="", abort=False) == check._replace(text="", abort=False)


def _limit(check: Any) -> str:
    # The digits as they were written: a limit that was scaled may not come back to the last bit.
    return str(check.text.rpartition(check.operator)[2].removesuffix("abort")).strip()


def _make_checks(rng: Random) -> tuple[str, bytes]:
    lines = [mutate.text(rng, CHECKS) if rng.random() < 0.3 else rng.choice(CHECKS) for _ in range(rng.randrange(4))]
    file = mutate.data(rng, ["\n".join(lines).encode("utf-8", "surrogatepass"), b"# why\ne2e.p99 < 1s # so\n"])
    return mutate.text(rng, (f"@{FOLDER}/checks.txt", "; ".join(lines))), file


def _read_checks(value: tuple[str, bytes]) -> tuple[Check, ...]:
    (FOLDER / "checks.txt").write_bytes(value[1])
    return read_checks(value[0], "--kafka-check")


def _checks(value: tuple[str, bytes], found: tuple[Check, ...]) -> None:
    """Checks of an option and of its file: each is one that can be parsed again, and none is lost."""
    given, file = value
    assert all(parse_check(one.text) == one for one in found)
    if given == f"@{FOLDER}/checks.txt":
        lines = [line.partition("#")[0].strip() for line in file.decode().splitlines()]
        assert [one.text for one in found] == [line for line in lines if line]


def _share(_text: str, share: float) -> None:
    """A share is a number, finite, not negative."""
    assert 0 <= share < 1e4


def _make_given(rng: Random) -> dict[str, str]:
    """One or two options that are changed, for one refusal hides the others, and some as they are."""
    given = {name: rng.choice(corpus) for name, corpus in GIVEN.items() if name in _SAFE and rng.random() < 0.2}
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(GIVEN)) if rng.random() < 0.7 else rng.choice(OPTIONS).name
        given[name] = mutate.text(rng, GIVEN.get(name, ("5", "0", "1.5", "on", "off", "constant", "fail")))
    return given


def _by_flags(given: dict[str, str]) -> Settings:
    flags = {f"kafka_{name.replace('-', '_')}": [text] if name == "check" else text for name, text in given.items()}
    return given_settings(argparse.Namespace(**flags), {})[0]


def _settings(given: dict[str, str], settings: Settings) -> None:
    """Options as flags and as variables: the same settings, each within its bounds, each text encodable."""
    _hold(settings)
    kubernetes = any("://" in text for text in given.values())
    if not kubernetes:
        variables = {f"LOCUST_KAFKA_{name.upper().replace('-', '_')}": text for name, text in given.items()}
        again, _notes = given_settings(argparse.Namespace(), variables)
        assert again.request_topic == settings.request_topic
        assert again.checks == settings.checks


def _by_form(given: dict[str, str]) -> Settings:
    options = {option.dest: Unset.default(option.default) for option in OPTIONS}
    stub: Any = SimpleNamespace(parsed_options=argparse.Namespace(**options))
    locusts = LocustOptions(stub, is_master=False, is_worker=False)
    form = {option.dest: given[option.name] for option in OPTIONS if option.name in given}
    return locusts.validate_form(form)


def _form(given: dict[str, str], settings: Settings) -> None:
    """The web UI's form: settings as those of the command line, or one refusal; nothing frozen is set."""
    _hold(settings)
    for option in OPTIONS:
        assert not option.frozen or given.get(option.name, "") in ("", option.default), (
            "a frozen option was passed over"
        )
    assert (settings.report, settings.summary, settings.exchange_log, settings.checks) == ("", "", "", ())


def _hold(settings: Settings) -> None:
    for text in (
        settings.bootstrap, settings.request_topic, settings.reply_topic, settings.group, settings.match,
        settings.reply_to_header, settings.error_header, settings.trace_url,
    ):  # fmt: skip
        assert text.isprintable(), "librdkafka and consoles take no zero and no lone surrogate"
    for number in (
        settings.reply_timeout_s, settings.ready_timeout_s, settings.settle_s, settings.warmup_s, settings.trace_rate,
        settings.trace_keep, settings.trace_slow_ms or 0.0, settings.regression,
    ):  # fmt: skip
        assert 0 <= number <= 1e7
    assert settings.metrics_port is None or 0 < settings.metrics_port < 65536


_WAITERS = {
    "--wait": ("500ms", "uniform:100ms-900ms", "lognormal:50ms:0.5", "lognormal:50ms:4.9", "lognormal:9m:5", "250us"),
    "--late": ("5%:3s", "0%:0s", "1:250us"),
    "--group": ("waiter-service",), "--bootstrap": ("localhost:9092",), "--request-topic": ("a",), "--metrics-port": ("off", "9"),
    "--group-protocol": ("classic", "consumer"), "--config": (str(FOLDER / "none"),),
    "--report-every": ("10s",), "--shutdown-timeout": ("30s", "0s"), "--seed": ("0", "-1"),
    **dict.fromkeys(("--drop", "--duplicate", "--error"), ("0%", "100%", "0.5")),
    **dict.fromkeys(("--consumers", "--waiters", "--partitions", "--request-queue"), ("1", "50")),
}  # fmt: skip


def _make_waiter(rng: Random) -> dict[str, str]:
    flag = rng.choice(("--wait", "--wait", "--late", "--drop", *_WAITERS))
    given = {other: _WAITERS[other][0] for other in rng.sample(("--group", "--bootstrap", "--seed"), rng.randrange(3))}
    return {**given, flag: mutate.text(rng, _WAITERS[flag])}


def _by_variables(given: dict[str, str]) -> waiter.Settings:
    variables = {"WAITER_" + flag[2:].upper().replace("-", "_"): text for flag, text in given.items()}
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            return waiter.parse([], variables)
        except SystemExit as refused:
            assert refused.code == 2  # noqa: PT017 - it is raised on, as the refusal that it is
            assert "error: " in said.getvalue()
            raise


def _waiter(_given: dict[str, str], found: waiter.Settings) -> None:
    """The waiter's variables: each wait is one that threads can wait, each share from 0 to 1, each count in bounds."""
    behaviour = found.behaviour
    for draw in (0.5 / 2**64, 0.5, math.nextafter(1.0, 0.0)):
        assert 0 <= behaviour.wait.milliseconds(draw) / 1000 <= threading.TIMEOUT_MAX
    for seconds in (behaviour.late_s, found.report_every_s, found.shutdown_timeout_s):
        assert 0 <= seconds <= threading.TIMEOUT_MAX
    for share in (behaviour.drop, behaviour.duplicate, behaviour.late, behaviour.error):
        assert 0 <= share <= 1
    behaviour.plan(b"0" * 32)
    for text in (found.clients.bootstrap, found.clients.group):
        text.encode()


_OTEL = {
    "OTEL_TRACES_SAMPLER": ("traceidratio", "parentbased_always_on", "always_off"),
    "OTEL_TRACES_SAMPLER_ARG": ("0.5", "1"),
    "OTEL_TRACES_EXPORTER": ("otlp", "none,otlp"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("http://localhost:4318", "https://u:hunter2secret@h:1/x?y#z"),
    "OTEL_EXPORTER_OTLP_HEADERS": ("authorization=Bearer%20hunter2secret,x=1",),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("http/protobuf", "grpc"),
    "OTEL_SDK_DISABLED": ("true", "false"),
}


def _make_otel(rng: Random) -> dict[str, str]:
    return {name: mutate.text(rng, corpus) for name, corpus in _OTEL.items() if rng.random() < 0.6}


def _otel(environ: dict[str, str], found: environment.TraceEnvironment) -> None:
    """OpenTelemetry's variables never stop a run: a ratio from 0 to 1, and warnings in words."""
    assert 0 <= found.ratio <= 1
    assert all(warning.strip() for warning in found.warnings)
    assert all(isinstance(secret, str) for secret in endpoint_secrets(environ).values())


def _cpu_times(_text: str, found: CpuTimes | None) -> None:
    """/proc/stat tells of busy and stolen time, which are parts of the whole, or nothing."""
    assert found is None or 0 <= found.stolen <= found.total
    assert found is None or 0 <= found.busy <= found.total


TARGETS = (
    Target("rate", lambda rng: mutate.text(rng, RATES), parse_rate, _rate, (ValueError,)),
    Target("check", lambda rng: mutate.text(rng, CHECKS), parse_check, _check, (ValueError,)),
    Target("checks and @file", _make_checks, _read_checks, _checks, (SettingsError,)),
    Target("share", lambda rng: mutate.text(rng, SHARES), partial(read_share, what="x"), _share, (SettingsError,)),
    Target("options and variables", _make_given, _by_flags, _settings, (SettingsError,)),
    Target("web form", _make_given, _by_form, _form, (SettingsError,)),
    Target("waiter's options", _make_waiter, _by_variables, _waiter, (SystemExit,)),
    Target("OpenTelemetry's variables", _make_otel, environment.read, _otel),
    Target("/proc/stat", lambda rng: mutate.text(rng, CPU), parse_cpu_times, _cpu_times),
)
