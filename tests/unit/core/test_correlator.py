"""Laws of the correlator, an oracle, and faults planted on purpose that both must catch."""

from __future__ import annotations

import functools
import inspect
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core import correlator as correlation
from locust_kafka.core import ended as memory
from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import CorrelationIdInUse, Correlator, Pending
from tests.unit.core.correlation_oracle import expected, observed, random_events
from tests.unit.core.planted import planted

SEEDS = st.integers(0, 2**32)

# (what is broken, the line as it is, the line broken): each must be noticed.
FAULTS = [
    ("a reply at the deadline is late", "received_ns > exchange.deadline_ns:", "received_ns >= exchange.deadline_ns:"),
    ("a late reply matches", "or received_ns > exchange.deadline_ns:", "or False:"),
    ("a second reply matches again", "or exchange.outcome is not None or received_ns >", "or received_ns >"),
    ("expiry at the deadline itself", "head.deadline_ns < watermark_ns:", "head.deadline_ns <= watermark_ns:"),
    ("late replies match", "past.outcome == Outcome.UNDELIVERED else Verdict.LATE", "past.outcome == Outcome.UNDELIVERED else Verdict.MATCH"),
    ("time of the end is that of the look", "outcome, at_ns = Outcome.TIMED_OUT, exchange.deadline_ns", "outcome = Outcome.TIMED_OUT"),
    ("failures after the deadline count", "if at_ns > exchange.deadline_ns:", "if False:"),
    ("failures after the end count", "if exchange.outcome is not None:\n            self.failed", "if False:\n            self.failed"),
    ("a match is forgotten to have come", "_MATCHED | _ANSWERED if x.outcome is _MATCHED else", ""),
    ("second late replies are late again", "self._remembered.mark_answered(correlation_id)", "pass"),
    ("duplicates are late", "return Verdict.DUPLICATE, past", "return Verdict.LATE, past"),
    ("unexpected replies are late", "if past.outcome == Outcome.UNDELIVERED", "if False"),
    ("nothing is forgotten by time", "past.ended_ns + self._remembered.remember_ns < received_ns", "False"),
    ("forgotten an instant early", "self._remembered.remember_ns < received_ns", "self._remembered.remember_ns <= received_ns"),
    ("orphans are foreign", "(Verdict.ORPHAN if ours else", "(Verdict.FOREIGN if ours else"),
    ("strangers are ours", "correlation_id.startswith(self._generation)", "True"),
    ("the heap is never expired", "if heap and (not queue or heap[0][0] < queue[0].deadline_ns):", "if False:"),
    ("out-of-order deadlines are queued", "if not queue or queue[-1].deadline_ns <= exchange.deadline_ns:", "if True:"),
    ("close forgets to end", "for exchange in unfinished:", "for exchange in unfinished[1:]:"),
    ("registrations are not counted", "books.registered += 1", "pass"),
    ("outcomes are not counted", "self.books.outcomes[outcome] += 1", "pass"),
    ("matches are not counted", "books.outcomes[_MATCHED_AT] += 1", "pass"),
    ("ours are taken for strangers", "if self._only_ours and not correlation_id", "if self._only_ours and correlation_id"),
    ("what ended lately is not remembered", "        self.compact()\n        past = self._remembered", "        past = self._remembered"),
    ("memory is cut short", "last_ns < now_ns - self.remember_ns:", "last_ns < now_ns - self.remember_ns // 2:"),
    ("those that wait are dropped with those that ended", "for exchange in self._queue if exchange.outcome is None)", "for exchange in self._queue if False)"),
    ("those that wait out of order are dropped", "for entry in self._heap if entry[2].outcome is None]", "for entry in self._heap if False]"),
]  # fmt: skip


@given(SEEDS, SEEDS)
def test_the_correlator_agrees_with_the_oracle(events_seed: int, expire_seed: int) -> None:
    """Whatever happens, and however often we expire, outcomes and verdicts are those of the plain oracle."""
    events = random_events(events_seed)
    outcomes, verdicts, laws = observed(correlation, events, expire_seed)
    assert (outcomes, verdicts) == expected(events)
    assert all(laws)
    assert observed(_tidier(), events, expire_seed) == (outcomes, verdicts, laws)


@given(SEEDS)
def test_how_often_we_expire_never_shows(seed: int) -> None:
    """Two correlators fed alike and expired at different instants decide alike."""
    events = random_events(seed)
    assert observed(correlation, events, 1)[:2] == observed(correlation, events, 2)[:2]


@pytest.mark.parametrize(("what", "line", "broken"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_planted_faults_are_caught(what: str, line: str, broken: str) -> None:
    """Each planted fault makes the oracle disagree, or a law fail, within a few hundred runs."""
    module = _tidier((line, broken))

    def noticed(seed: int) -> bool:
        events = random_events(seed)
        try:
            outcomes, verdicts, laws = observed(module, events, seed)
        except (AttributeError, KeyError, ValueError):
            return True
        return (outcomes, verdicts) != expected(events) or not all(laws)

    assert any(noticed(seed) for seed in range(400)), f"nobody noticed: {what}"


@functools.cache
def _tidier(*faults: tuple[str, str]) -> types.ModuleType:
    """The correlator that tidies up after every few exchanges, so that a short run sees it; with a fault or without."""
    # One module of both, so that a fault can be planted in either.
    source = inspect.getsource(memory) + inspect.getsource(correlation).replace(
        "from locust_kafka.core.ended import EndedRequest, EndedRequests\n", ""
    ).replace("from __future__ import annotations\n", "")
    tidier = (
        ("COMPACT_AT_ONCE = 500", "COMPACT_AT_ONCE = 2"),
        ("SLACK = 1_000", "SLACK = -3"),
        ("PAGES = 4", "PAGES = 2"),
    )
    return planted(source, *tidier, *faults)


def _registered(correlator: Correlator[Pending], name: bytes, at: int = 0, deadline: int = 100) -> Pending:
    exchange = Pending(name, "n", at, at, deadline)
    correlator.register(exchange)
    return exchange


def test_an_id_in_use_is_refused_and_counts_nothing() -> None:
    """A pending or remembered id cannot be registered again; a forgotten one can."""
    correlator: Correlator[Pending] = Correlator(b"", remember_ns=50)
    _registered(correlator, b"a")
    with pytest.raises(CorrelationIdInUse, match="every request needs its own"):
        _registered(correlator, b"a", at=1)
    correlator.reply(b"a", 10)
    with pytest.raises(CorrelationIdInUse):
        _registered(correlator, b"a", at=60)
    _registered(correlator, b"a", at=61, deadline=161)
    assert correlator.books.registered == 2
    assert correlator.reply(b"a", 70)[0] is Verdict.MATCH


def test_the_oldest_is_evicted_first_and_counted() -> None:
    """Beyond its number, memory drops the oldest ended request, says so, and a reply to it is an orphan."""
    correlator: Correlator[Pending] = Correlator(b"r", remember_count=2)
    for name in (b"r1", b"r2", b"r3"):
        _registered(correlator, name)
        correlator.reply(name, 5)
    assert correlator.evicted == 1
    assert [correlator.reply(name, 6)[0] for name in (b"r1", b"r2", b"r3")] == [
        Verdict.ORPHAN, Verdict.DUPLICATE, Verdict.DUPLICATE,
    ]  # fmt: skip


def test_without_a_generation_nothing_is_known_to_be_ours() -> None:
    """With foreign ids (match by key or header) an unknown reply is FOREIGN, never ORPHAN."""
    correlator: Correlator[Pending] = Correlator(None)
    assert correlator.reply(b"whatever", 1)[0] is Verdict.FOREIGN


def test_a_malformed_reply_has_a_verdict_too() -> None:
    """Replies without an id are read and judged like any other."""
    correlator: Correlator[Pending] = Correlator(None)
    correlator.malformed()
    assert correlator.books.verdicts[Verdict.MALFORMED] == correlator.books.read == 1


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
def test_expiry_comes_in_the_order_of_deadlines(deadlines: list[int]) -> None:
    """Mixed timeouts expire by their deadlines, and next_deadline is never after the first of them."""
    correlator: Correlator[Pending] = Correlator(b"")
    for index, deadline in enumerate(deadlines):
        _registered(correlator, b"%d" % index, deadline=deadline)
        assert correlator.next_deadline_ns() == min(deadlines[: index + 1])
    expired = [exchange.deadline_ns for exchange in correlator.expire(2000)]
    assert expired == sorted(deadlines)
    assert correlator.books.outcomes[Outcome.TIMED_OUT] == len(deadlines)
    assert correlator.next_deadline_ns() is None


REUSE_NS = 60


def test_a_reused_id_is_a_request_of_its_own() -> None:
    """An id used again after it was forgotten: its first owner's failure, replies and memory never touch the second."""
    correlator: Correlator[Pending] = Correlator(None, remember_ns=REUSE_NS)
    for start in range(0, 3000, 75):  # old pages are still there when the id comes again: 15 is a page's part of 60
        first = _registered(correlator, b"key", at=start, deadline=start + 10)
        others = [_registered(correlator, b"o%d" % (start + n), at=start + n, deadline=start + n + 5) for n in range(3)]
        correlator.expire(start + 40)
        assert first.outcome is Outcome.TIMED_OUT
        assert not correlator.undelivered(first, start + 41)
        assert all(other.outcome is Outcome.TIMED_OUT for other in others)
        correlator.compact()
    second = _registered(correlator, b"key", at=3100, deadline=3200)
    assert not correlator.undelivered(first, 3101)
    assert second.outcome is None
    assert correlator.reply(b"key", 3102) == (Verdict.MATCH, second, None)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("rmf"), st.integers(1, 40)), max_size=60))
def test_reused_ids_agree_with_a_plain_model(steps: list[tuple[int, str, int]]) -> None:
    """Few ids, used again and again: accepted exactly when the last owner is forgotten, and judged as its own."""
    correlator: Correlator[Pending] = Correlator(None, remember_ns=REUSE_NS)
    current: dict[bytes, Pending] = {}
    everyone: list[tuple[Pending, Outcome | None]] = []
    now = 1
    for number, what, step in steps:
        now += step
        correlator.expire(now)
        name = b"id%d" % number
        owner = current.get(name)
        if what == "r":
            free = owner is None or (owner.outcome is not None and now > owner.ended_ns + REUSE_NS)
            exchange = Pending(name, "n", now, now, now + 30)
            if free:
                correlator.register(exchange)
                current[name] = exchange
                everyone.append((exchange, None))
            else:
                with pytest.raises(CorrelationIdInUse):
                    correlator.register(exchange)
        elif what == "m":
            pending = owner is not None and owner.outcome is None
            assert (correlator.reply(name, now)[0] is Verdict.MATCH) == pending
        elif owner is not None:
            pending = owner.outcome is None
            assert correlator.undelivered(owner, now) == pending
    assert correlator.books.registered == len(everyone)
    assert correlator.books.pending == sum(exchange.outcome is None for exchange, _ in everyone)
