"""Laws of the memory of ended requests, against a plain list, and faults planted on purpose."""

from __future__ import annotations

import inspect
import random
import types

import pytest

from locust_kafka.core import memory
from locust_kafka.core.books import Outcome
from locust_kafka.core.correlation import Exchange

REMEMBER_NS = 50
MOST = 12

FAULTS = [
    ("a row is another's after tidying up", "self._first = self._oldest", "self._first = self._oldest + 1"),
    ("one that came again is forgotten with its former self", "if self.rows.get(correlation_id) != row:", "if False:"),
    ("the wrong row is answered", "self._marks[self.rows[correlation_id] - self._first] |=", "self._marks[0] |="),
    ("columns are tidied, names are not", "self._marks, self._names):", "self._marks):"),
    ("forgotten too late", "< horizon:", "< horizon - 1:"),
    ("forgotten too early", "< horizon:", "<= horizon:"),
    ("too many are kept", "> self._remember_count:", "> self._remember_count + 1:"),
    ("evictions are not counted", "self.evicted += self._drop_oldest()", "self._drop_oldest()"),
]


def lives(module: types.ModuleType, seed: int) -> bool:
    """Whether one random life of a memory that tidies up at once agrees with a plain list of what it was given."""
    rng = random.Random(seed)
    remembered = module.Memory(REMEMBER_NS, MOST)
    plain: list[list[object]] = []  # [id, ended, outcome, answered, intended, sent, name], oldest first
    now = evicted = 0
    for _ in range(rng.randrange(60)):
        now += rng.randrange(20)
        batch = [_exchange(rng, now) for _ in range(rng.choice((0, 1, 3)))]
        batch = list({x.correlation_id: x for x in batch}.values())
        for x in batch:
            plain = [row for row in plain if row[0] != x.correlation_id]
        remembered.add(batch)
        plain += [
            [x.correlation_id, now, x.outcome, x.outcome is Outcome.MATCHED, x.intended_ns, x.sent_ns, x.name]
            for x in batch
        ]
        evicted += max(0, len(plain) - MOST)
        plain = plain[-MOST:]
        if plain and rng.random() < 0.3:
            row = rng.choice(plain)
            remembered.answer(row[0])
            row[3] = True
        if rng.random() < 0.5:
            remembered.forget(now)
            plain = [row for row in plain if row[1] >= now - REMEMBER_NS]  # type: ignore[operator]
        known = {row[0]: tuple(row[1:]) for row in plain}
        for number in range(30):
            found = remembered.find(b"%d" % number)
            if (None if found is None else tuple(found)) != known.get(b"%d" % number):
                return False
            if (b"%d" % number in remembered.rows) != (b"%d" % number in known):
                return False
    return bool(remembered.evicted == evicted)


def _exchange(rng: random.Random, now: int) -> Exchange:
    exchange = Exchange(b"%d" % rng.randrange(30), rng.choice("ab"), now - 9, now - rng.randrange(9), now + 100)
    exchange.outcome, exchange.ended_ns = rng.choice(list(Outcome)), now
    return exchange


def _tidier(line: str = "", broken: str = "") -> types.ModuleType:
    source = inspect.getsource(memory)
    assert line in source, "the planted fault no longer fits the code"
    assert "TIDY_AFTER = 10_000" in source
    module = types.ModuleType("tidier_memory")
    source = (
        source.replace("TIDY_AFTER = 10_000", "TIDY_AFTER = 0").replace(line, broken)
        if line
        else source.replace("TIDY_AFTER = 10_000", "TIDY_AFTER = 0")
    )
    exec(compile(source, "tidier", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("module", [memory, _tidier()], ids=["as it is", "tidying up at once"])
def test_the_memory_agrees_with_a_plain_list(module: types.ModuleType) -> None:
    """Whatever ends, is answered, forgotten, evicted or comes again under the same id, what is found is what was put."""
    assert all(lives(module, seed) for seed in range(300))


@pytest.mark.parametrize(("what", "line", "broken"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_planted_faults_are_caught(what: str, line: str, broken: str) -> None:
    """Each planted fault makes some random life disagree."""
    module = _tidier(line, broken)

    def noticed(seed: int) -> bool:
        try:
            return not lives(module, seed)
        except (IndexError, KeyError):
            return True

    assert any(noticed(seed) for seed in range(300)), f"nobody noticed: {what}"
