"""Four of the faults; `make faults` plays them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.play import play
from tests.faults.rig import SESSIONS
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.fixture(scope="module")
def single() -> Iterator[EmbeddedKafka]:
    """One broker for those who need one: a start for each would take as long as the fault."""
    with EmbeddedKafka(config=SESSIONS) as kafka:
        yield kafka


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.in_ci and one.brokers == 1], ids=lambda one: one.name
)
def test_a_fault_loses_nothing_and_invents_nothing(single: EmbeddedKafka, scenario: Scenario, tmp_path: Path) -> None:
    """The books balance, both topics agree with the log, the service loses no request, the report names the window."""
    played = play(scenario, single, tmp_path)
    assert not played.findings, f"{played.findings}\n{played.output}"


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.in_ci and one.brokers == 3], ids=lambda one: one.name
)
def test_so_does_a_fault_of_a_cluster(scenario: Scenario, tmp_path: Path) -> None:
    """The same on three brokers."""
    with EmbeddedKafka(3, config=SESSIONS) as kafka:
        played = play(scenario, kafka, tmp_path)
    assert not played.findings, f"{played.findings}\n{played.output}"
