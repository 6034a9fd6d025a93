"""Plays a scenario from its set-up to its proof."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.oracle import Proof
from tests.faults.rig import Rig
from tests.faults.scenarios import Scenario


@dataclass
class Played:
    """What came of a scenario."""

    scenario: Scenario
    findings: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    proof: Proof | None = None
    code: int = -1
    output: str = ""
    fault_s: float = 0.0


def play(scenario: Scenario, kafka: EmbeddedKafka, folder: Path) -> Played:
    """Set up, load, fault, end, proof."""
    with Rig(kafka, folder, brokers=scenario.brokers) as rig:
        print(f"{time.time():.1f} topics");rig.create_topics(**scenario.topic_config)
        print(f"{time.time():.1f} waiter");rig.start_transactional() if scenario.transactional else rig.start_waiter(*scenario.waiter)
        print(f"{time.time():.1f} load");rig.start_load(scenario.options, scenario.client_config, **scenario.environment)
        print(f"{time.time():.1f} inject");scenario.inject(rig);print(f"{time.time():.1f} end")
        played = Played(scenario, code=rig.end_load(), output=rig.output, fault_s=(rig.mended_ms - rig.fault_ms) / 1e3)
        print(f"{time.time():.1f} summary");played.summary = rig.summary()
        if scenario.provable:
            played.proof = rig.prove(played.summary)
            played.findings += played.proof.findings
        print(f"{time.time():.1f} proven")
    return played
