"""Plays a scenario from its set-up to its proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.oracle import Proof
from tests.faults.rig import Rig
from tests.faults.scenarios import Scenario

NAMED_S = 6
"""How far from the fault a disturbance may begin and end and still be its own: a member that died is missed so late."""


@dataclass
class Played:
    """What came of a scenario.

    Attributes:
        findings: what falls short, in sentences.
        named: the disturbances that the report names, in words.
    """

    scenario: Scenario
    code: int
    output: str
    summary: dict[str, Any]
    fault_s: float
    proof: Proof | None = None
    findings: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def play(scenario: Scenario, kafka: EmbeddedKafka, folder: Path) -> Played:
    """Set up, load, fault, end, proof."""
    with Rig(kafka, folder, brokers=scenario.brokers) as rig:
        rig.create_topics(**scenario.topic_config)
        if scenario.transactional:
            rig.start_transactional()
        else:
            rig.start_waiter()
        rig.start_load(scenario.options, scenario.client_config, **scenario.environment)
        scenario.inject(rig)
        code = rig.end_load()
        (folder / "output.txt").write_text(rig.output)
        played = Played(scenario, code, rig.output, rig.summary(), (rig.mended_ms - rig.fault_ms) / 1e3)
        if scenario.provable:
            played.proof = rig.prove(played.summary)
            played.findings += played.proof.findings
        _judge(played, rig)
    return played


def _judge(played: Played, rig: Rig) -> None:
    scenario, summary, found = played.scenario, played.summary, played.findings
    if played.code not in scenario.codes:
        found.append(f"exit code {played.code} instead of {sorted(scenario.codes)}")
    if not summary["balanced"]:
        found.append("the books do not balance")
    found += [f"it does not say: {words}" for words in scenario.says if words not in played.output]
    if "Traceback" in played.output:
        found.append("a traceback reached the user")
    if summary["requests"]["undelivered"] and not scenario.undelivered:
        found.append(f"{summary['requests']['undelivered']} requests were reported undelivered")
    if scenario.invalid != bool(summary["invalid"]):
        found.append(f"the run is called {'valid' if scenario.invalid else 'invalid'}: {summary['invalid']}")
    proof = played.proof
    if proof is not None and proof.unanswered:
        found.append(f"{proof.unanswered} requests on the topic have no reply")
    if rig.foreign and rig.foreign > summary["replies"]["foreign"] + summary["replies"]["malformed"]:
        found.append(f"{rig.foreign} foreign replies were written, and fewer counted")
    limit = scenario.max_latency_ms
    if limit is not None and summary["latency_ms"]["e2e"]["max"] > limit:
        found.append(f"e2e at most {summary['latency_ms']['e2e']['max']:.0f} ms instead of {limit:.0f}")
    played.named = [one["words"] for one in summary["disturbances"] if _is_near(one, rig)]
    if scenario.named and not played.named:
        found.append(f"the report does not name the fault's window: {summary['disturbances']}")


def _is_near(disturbance: dict[str, Any], rig: Rig) -> bool:
    """Whether a disturbance lies where the fault was."""
    begin_s, end_s = rig.fault_ms / 1e3, rig.mended_ms / 1e3
    return bool(disturbance["from_s"] <= end_s + NAMED_S and disturbance["to_s"] >= begin_s - 1)
