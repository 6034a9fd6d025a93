"""The runner finds what it is there for: planted faults of each kind."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.fuzz import runner
from tests.fuzz.runner import attempt, made, run
from tests.fuzz.target import Target

HELD: list[bytes] = []


def number(rng: Random) -> int:
    return rng.randrange(100)


def planted(parse: Any, law: Any = lambda value, found: None, refuses: Any = ()) -> Target:
    return Target("planted", number, parse, law, refuses)


def undocumented(value: int) -> int:
    if value == 77:
        raise OverflowError("too much")
    if value % 2:
        raise ValueError("odd")
    return value


def endless(value: int) -> None:
    while value == 77:
        pass


def breaks_at_77(value: int, found: Any) -> None:
    assert value != 77


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (planted(undocumented, refuses=(ValueError,)), "OverflowError: too much"),
        (planted(lambda value: value, breaks_at_77), "the law is broken"),
        (
            planted(lambda value: value, lambda value, found: int("x" * (value == 77) or 1)),
            "ValueError: invalid literal",
        ),
        (planted(endless), "it was not over after"),
        (planted(lambda value: bytes(20 << 20) if value == 77 else b""), "it took 20 MB"),
    ],
)
def test_a_planted_fault_is_found_and_can_be_made_again(
    target: Target, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undocumented error, a broken law, a law that raises, an endless loop, much memory: each with its input."""
    monkeypatch.setattr(runner, "HANGS_S", 0.3)
    monkeypatch.setattr(runner, "TRACED_EVERY", 1)
    found = run(target, 2_000, 5)
    assert found is not None
    assert words in found.words
    assert found.value == 77 == made(target, 5, found.number)
    assert f"--seed 5 --only {found.number}" in str(found)
    assert "value = 77\n" in str(found)


def test_what_took_long_once_is_tried_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls is no finding; a parser that is slow twice is one."""
    monkeypatch.setattr(runner, "MAX_CPU_S", -1.0)
    tried = []
    found = attempt(planted(tried.append), 1, 0, traced=False)
    assert found is not None
    assert "of CPU, twice" in found.words
    assert len(tried) == 2


def test_what_is_kept_of_each_input_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache without a bound is seen over many inputs, though each takes little."""
    monkeypatch.setattr(runner, "MAX_GROWTH", 8 << 20)
    monkeypatch.setattr(runner, "WARM", 10)
    try:
        found = run(planted(lambda value: HELD.append(b"x" * 500_000)), 200, 1)
    finally:
        HELD.clear()
    assert found is not None
    assert "the process grew by" in found.words
