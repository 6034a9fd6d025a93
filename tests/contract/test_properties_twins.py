"""Modules that the load tester and the waiter both have, since the two packages share no code."""

from __future__ import annotations

import pytest

from tests.support import ROOT

TWINS = ("properties.py", "java_settings.py", "causes.py", "cause_texts.py", "tokens.py", "certificates.py")


@pytest.mark.parametrize("name", TWINS)
def test_the_copies_are_equal(name: str) -> None:
    """The two copies differ in the first line, which says whose copy it is, and nowhere else."""
    ours = (ROOT / "locust_kafka" / "kafka" / name).read_text().partition("\n")
    waiters = (ROOT / "waiter_service" / "kafka" / name).read_text().partition("\n")
    assert ours[0].replace("the load tester's", "the waiter's") == waiters[0]
    assert ours[2] == waiters[2]
