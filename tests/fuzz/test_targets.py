"""Bad input in bulk, a little of it: `make fuzz` tries a million."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz import mutate
from tests.fuzz.runner import run
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

INPUTS = 20_000
SEED = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(2**32))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_breaks_a_parser(target: Target) -> None:
    """Each is parsed in bounded time and memory, refused by a documented error, or its result keeps its law."""
    found = run(target, -(-INPUTS // len(TARGETS)), SEED)
    assert found is None, str(found)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_inputs_are_neither_all_accepted_nor_all_refused(target: Target) -> None:
    """Inputs that never pass the first check would try nothing else."""
    accepted = 0
    for number in range(200):
        try:
            target.parse(target.make(random.Random(f"1/{number}")))
            accepted += 1
        except target.refuses:
            continue
    assert accepted > 20
    assert accepted < 200 or not target.refuses


def test_every_target_says_its_law() -> None:
    """`--list` and the documentation name each target once, with a sentence."""
    names = [target.name for target in TARGETS]
    assert len(set(names)) == len(names)
    text = (Path(__file__).parents[2] / "docs" / "fuzzing.md").read_text("utf-8")
    for target in TARGETS:
        assert (target.law.__doc__ or "").endswith(".")
        assert f"| {target.name} |" in text


def test_the_same_seed_makes_the_same_input() -> None:
    """A finding's number and seed are enough to see it again."""
    for target in TARGETS:
        assert repr(target.make(random.Random("1/x/5"))) == repr(target.make(random.Random("1/x/5")))


def test_a_changed_value_leaves_the_corpus_as_it_was() -> None:
    """Mutation works on copies, else each input would depend on those before it."""
    before, values = repr(mutate.VALUES), [{"a": [1, {"b": []}]}, [[]]]
    for number in range(2_000):
        mutate.plain(random.Random(number), random.Random(number).choice(values))
    assert repr(mutate.VALUES) == before
    assert values == [{"a": [1, {"b": []}]}, [[]]]
