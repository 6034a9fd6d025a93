"""Four of the faults; `make faults` plays them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.play import play
from tests.faults.rig import SESSIONS
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.in_ci], ids=lambda one: one.name)
def test_a_fault_loses_nothing_and_invents_nothing(scenario: Scenario, tmp_path: Path) -> None:
    """The books balance, both topics agree with the log, the service loses no request, the report names the window."""
    with EmbeddedKafka(scenario.brokers, config=SESSIONS) as kafka:
        played = play(scenario, kafka, tmp_path)
    assert not played.findings, f"{played.findings}\n{played.output}"
