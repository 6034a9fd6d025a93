"""Puts the doctor together: settings, the cluster, this machine; then what was found is printed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from locust_kafka.cli.doctor.arguments import environment, read_settings, read_versions
from locust_kafka.cli.doctor.ask_cluster import ask_cluster
from locust_kafka.cli.doctor.ask_group import ask_group
from locust_kafka.cli.doctor.ask_machine import ask_endpoints, ask_machine, cpu_times, endpoint_secrets
from locust_kafka.cli.doctor.facts import ClusterFacts, Plan
from locust_kafka.cli.doctor.findings import Finding, Level, exit_code
from locust_kafka.cli.doctor.judge_cluster import (
    SETTINGS,
    judge_cluster,
    judge_permissions,
    judge_settings,
    judge_versions,
)
from locust_kafka.cli.doctor.judge_group import AREA as SERVICE
from locust_kafka.cli.doctor.judge_group import judge_group
from locust_kafka.cli.doctor.judge_machine import MACHINE, TELEMETRY, judge_machine, judge_telemetry
from locust_kafka.cli.doctor.judge_topics import judge_topics
from locust_kafka.cli.doctor.report import to_json, to_text, write
from locust_kafka.errors import KafkaPluginError, SettingsError
from locust_kafka.kafka.properties import mask
from locust_kafka.settings import Settings

WATCH_S = 1.0
"""The cores are watched at least so long: a tick is 10 ms."""


def run_doctor(chosen: argparse.Namespace) -> int:
    """Look, print, and return the exit code: 0, 1 (`--strict` and warnings), or 3.

    Args:
        chosen: the parsed command line.
    """
    secrets = endpoint_secrets(environment())
    findings = _guarded("versions", lambda: judge_versions(read_versions()))
    try:
        settings, plan = read_settings(chosen, environment())
    except SettingsError as refused:
        findings.append(_refused(refused))
    else:
        secrets |= dict(settings.config)
        findings += _examine(settings, plan)
    shown = [_masked(finding, secrets) for finding in findings]
    code = exit_code(shown, strict=chosen.strict)
    write(to_json(shown, ok=code == 0) if chosen.json else to_text(shown))
    return code


def _examine(settings: Settings, plan: Plan) -> Iterator[Finding]:
    """All there is to look at, once the settings are known."""
    before, began = cpu_times(), time.monotonic()
    yield from judge_settings(plan)
    cluster = ClusterFacts()
    if plan.request_topic != plan.reply_topic:
        try:
            cluster = ask_cluster(settings, plan)
        except KafkaPluginError as refused:
            yield _refused(refused)
        except Exception as unexpected:
            yield replace(_unforeseen("cluster", unexpected), level=Level.PROBLEM)
        else:
            yield from judge_cluster(plan, cluster)
            yield from judge_topics(plan, cluster)
            yield from judge_permissions(plan, cluster)
            if (topic := cluster.topics.get(plan.request_topic)) is not None and topic.usable:
                yield from _guarded(SERVICE, lambda: judge_group(plan, ask_group(settings)))
    time.sleep(max(0.0, began + WATCH_S - time.monotonic()))
    watched_s = time.monotonic() - began
    yield from _guarded(MACHINE, lambda: judge_machine(plan, cluster, ask_machine(before, watched_s)))
    yield from _guarded(TELEMETRY, lambda: judge_telemetry(ask_endpoints(environment())))


def _guarded(area: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a look finds; one that fails in a way that nobody foresaw costs its own findings alone."""
    try:
        return list(look())
    except Exception as unexpected:
        return [_unforeseen(area, unexpected)]


def _refused(refused: KafkaPluginError) -> Finding:
    remedy = "correct it, and look again: a run would be refused in the same way"
    return Finding(SETTINGS, Level.PROBLEM, "settings", str(refused), remedy)


def _unforeseen(area: str, unexpected: Exception) -> Finding:
    words = f"could not be looked at, for an unforeseen reason: {type(unexpected).__name__}: {unexpected}"
    return Finding(area, Level.WARNING, area, words, "report it as a fault")


def _masked(finding: Finding, secrets: Mapping[str, str]) -> Finding:
    subject, words, remedy = (mask(text, secrets) for text in (finding.subject, finding.words, finding.remedy))
    return replace(finding, subject=subject, words=words, remedy=remedy)
