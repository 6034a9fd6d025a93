"""Laws of the memory of ended requests, against a plain list, and faults planted on purpose."""

from __future__ import annotations

import inspect
import random
import types
from typing import Any

import pytest

from locust_kafka.core import ended as memory
from locust_kafka.core.books import Outcome
from locust_kafka.core.correlator import Pending
from tests.unit.core.planted import planted

REMEMBER_NS = 50
MOST = 12
IDS = 20

FAULTS = [
    ("a row is found on an older page first", "self._pages.appendleft(page)", "self._pages.append(page)"),
    ("the wrong row is answered", "page.marks[page.rows[correlation_id]] |= _ANSWERED", "page.marks[0] |= _ANSWERED"),
    ("a page's rows begin at one", "range(row, row + len(ended))", "range(row + 1, row + 1 + len(ended))"),
    ("a page is dropped while some of it is to stay", "self._pages[-1].last_ns < now_ns", "self._pages[-1].first_ns < now_ns"),
    ("forgotten too early", "last_ns < now_ns - self.remember_ns:", "last_ns < now_ns - self.remember_ns // 2:"),
    ("never forgotten", "self._pages[-1].last_ns < now_ns", "self._pages[-1].last_ns < 0 * now_ns"),
    ("a page lasts for ever", "newest.first_ns <= self.remember_ns // PAGES", "newest.first_ns <= 1 << 60"),
    ("too many are kept", "self._count > self._remember_count:", "self._count > 2 * self._remember_count:"),
    ("evictions are not counted", "self.evicted += self._drop_oldest()", "self._drop_oldest()"),
    ("ids are dropped from the wrong end", "self.rows.pop()", "self.rows.popleft()"),
]  # fmt: skip


def lives(module: types.ModuleType, seed: int) -> bool:
    """Whether one random life of a memory agrees with a plain list of what it was given."""
    rng = random.Random(seed)
    remembered = module.EndedRequests(REMEMBER_NS, MOST)
    span, forgets = REMEMBER_NS // module.PAGES, rng.random() < 0.7
    plain: list[tuple[bytes, Any]] = []  # oldest first
    now = forgot = added = 0
    for _ in range(rng.randrange(60)):
        now += rng.randrange(20)
        batch = list(
            {x.correlation_id: x for x in (_exchange(rng, now) for _ in range(rng.choice((0, 1, 3))))}.values()
        )
        remembered.add(batch)
        added += len(batch)
        plain += [(x.correlation_id, _past(module, x)) for x in batch]
        if forgets and rng.random() < 0.5:
            remembered.drop_expired(now)
            forgot = now
        answered = b"%d" % rng.randrange(IDS)
        if rng.random() < 0.3 and remembered.get(answered) is not None:
            remembered.mark_answered(answered)
            at = max(at for at, (name, _) in enumerate(plain) if name == answered)
            plain[at] = answered, plain[at][1]._replace(answered=True)
        for number in range(IDS):
            name = b"%d" % number
            found, known = remembered.get(name), [(at, past) for at, (one, past) in enumerate(plain) if one == name]
            if (found is not None) != any(name in rows for rows in remembered.rows):
                return False
            if found is None:
                # It may be gone when its time has passed, or when it is not among the newest.
                if (
                    known
                    and known[-1][1].ended_ns >= forgot - REMEMBER_NS
                    and known[-1][0] >= len(plain) - MOST + MOST // 4
                ):
                    return False
            elif not known or found != known[-1][1] or found.ended_ns < forgot - REMEMBER_NS - span:
                return False
    kept = sum(len(rows) for rows in remembered.rows)
    return kept <= MOST and (forgets or remembered.evicted >= added - MOST) and remembered.evicted <= added - kept


def _past(module: types.ModuleType, x: Pending) -> Any:
    outcome = x.outcome
    return module.EndedRequest(x.ended_ns, outcome, outcome is Outcome.MATCHED, x.intended_ns, x.sent_ns, x.name)


def _exchange(rng: random.Random, now: int) -> Pending:
    exchange = Pending(b"%d" % rng.randrange(IDS), rng.choice("ab"), now - 9, now - rng.randrange(9), now + 100)
    exchange.outcome, exchange.ended_ns = rng.choice(list(Outcome)), now
    return exchange


def test_the_memory_agrees_with_a_plain_list() -> None:
    """Whatever ends, is answered, forgotten, evicted or comes again under the same id, what is found is what was put."""
    assert all(lives(memory, seed) for seed in range(300))


@pytest.mark.parametrize(("what", "line", "broken"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_planted_faults_are_caught(what: str, line: str, broken: str) -> None:
    """Each planted fault makes some random life disagree."""
    module = planted(inspect.getsource(memory), (line, broken))

    def noticed(seed: int) -> bool:
        try:
            return not lives(module, seed)
        except (IndexError, KeyError):
            return True

    assert any(noticed(seed) for seed in range(300)), f"nobody noticed: {what}"
