"""Replies come and none matches: said once, with both sides, and never while our own requests may still be answered."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.legs import MS
from locust_kafka.exchange import diagnosis as diagnosis_module
from locust_kafka.exchange.diagnosis import AFTER_NS, AFTER_REPLIES, Diagnosis
from locust_kafka.exchange.recorder import Recorder
from tests.unit.records import CountedRows, Record
from tests.unit.runs import Planned, end, exchange_of

FOREIGN = Record(key=b"order-7", headers=[("correlation-id", b"x"), ("b3", b"y")])
TIMED_OUT = Planned("n", Outcome.TIMED_OUT, MS, 0, MS, 10 * MS)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Clock:
    caplog.set_level(logging.WARNING, "locust_kafka")
    found = Clock()
    monkeypatch.setattr(diagnosis_module, "perf_counter_ns", found)
    return found


def recorder_with(*plans: Planned) -> Recorder:
    recorder = Recorder(CountedRows(), "traceparent")
    for number, plan in enumerate(plans):
        end(recorder, exchange_of(number, plan))
    return recorder


def unmatched(recorder: Recorder, clock: Clock, times: int = 20) -> None:
    """Replies that match nothing, one a second."""
    for _ in range(times):
        clock.now_ns += AFTER_NS // 3
        recorder.unmatched(FOREIGN, b"e" * 32)


def test_a_foreign_reply_before_ours_is_no_alarm(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """On a shared topic strangers' replies may come first, for as long as they like: our own have had no time yet."""
    recorder = recorder_with()
    recorder.registered.append(exchange_of(0, TIMED_OUT))
    unmatched(recorder, clock)
    assert caplog.records == []


def test_who_has_matched_once_matches(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """After one match the rule is right: timeouts beside strangers' replies are timeouts."""
    unmatched(recorder_with(TIMED_OUT, TIMED_OUT._replace(outcome=Outcome.MATCHED)), clock)
    assert caplog.records == []


def test_it_is_said_once_with_both_sides(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """When our own have timed out and only others come: what was looked for, what was seen, and the two flags."""
    recorder = recorder_with(TIMED_OUT)
    unmatched(recorder, clock)
    (record,) = caplog.records
    said = record.getMessage()
    for part in (
        "none matches", "--kafka-match traceparent", exchange_of(0, TIMED_OUT).correlation_id.decode(), "e" * 32,
        "order-7", "correlation-id, b3", "--kafka-match key", "--kafka-match header:NAME",
    ):  # fmt: skip
        assert part in said
    assert "x'" not in said.partition("headers:")[2]  # names of headers, never their values


@given(st.lists(st.integers(0, AFTER_NS), max_size=12))
def test_it_takes_some_replies_and_some_time(pauses: list[int]) -> None:
    """It is said at the first reply that is the fifth or later and comes more than three seconds after the first."""
    heard: list[str] = []
    now_ns = 1
    watch = Diagnosis("key")
    watch.looks_for(b"\xff1")
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("locust_kafka")
    logger.addHandler(handler)
    original = diagnosis_module.perf_counter_ns
    try:
        seen: list[int] = []
        for pause in pauses:
            now_ns += pause
            diagnosis_module.perf_counter_ns = lambda at=now_ns: at  # type: ignore[misc]
            watch.unmatched(FOREIGN, None, in_time=False)
            seen.append(now_ns)
            due = [at for nth, at in enumerate(seen, 1) if nth >= AFTER_REPLIES and at - seen[0] > AFTER_NS]
            assert len(heard) == bool(due)
    finally:
        diagnosis_module.perf_counter_ns = original
        logger.removeHandler(handler)
    assert all("\\xff1" in said and "no id that could be read" in said for said in heard)


def test_it_needs_something_to_look_for(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Without a request of ours there is nothing to compare; a reply with poisoned headers does no harm."""
    watch = Diagnosis("key")
    for _ in range(20):
        clock.now_ns += AFTER_NS
        watch.unmatched(Record(poisoned=True), None, in_time=False)
    assert caplog.records == []
    watch.looks_for(b"id")
    watch.unmatched(Record(poisoned=True), b"", in_time=False)
    assert "headers: none" in caplog.text


@pytest.mark.parametrize(("outcome", "times", "said"), [
    (Outcome.TIMED_OUT, 5, True), (Outcome.TIMED_OUT, 4, False), (Outcome.UNDELIVERED, 5, False), (Outcome.MATCHED, 5, False),
])  # fmt: skip
def test_a_short_run_says_it_at_its_end(
    clock: Clock, caplog: pytest.LogCaptureFixture, outcome: Outcome, times: int, *, said: bool
) -> None:
    """All replies came before the first timeout: said when the run ends, if all that ended so had time for a reply."""
    recorder = recorder_with()
    recorder.registered.append(exchange_of(0, TIMED_OUT))
    unmatched(recorder, clock, times)
    assert caplog.records == []
    end(recorder, exchange_of(0, TIMED_OUT._replace(outcome=outcome)))
    recorder.aggregate()
    recorder.close(0)
    assert ("none matches" in caplog.text) == said
