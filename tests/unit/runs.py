"""Whole runs made by hand: planned exchanges go through a real recorder, without an engine and without Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import MS
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Counts
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.recorder import Recorder
from tests.unit.records import CountedRows

CLOCK_AHEAD_MS = 5_000_000
"""How far the broker's clock is ahead of ours."""
TIMEOUT_NS = 4_000 * MS


class Planned(NamedTuple):
    """One exchange: when it was to start, and what came how long after the step before it."""

    name: str
    outcome: Outcome
    start_ns: int
    wait_ns: int
    ack_ns: int
    """From produce() to the ack; 0 when there is none yet."""
    took_ns: int
    """From produce() to the reply."""
    later: tuple[Verdict, ...] = ()


def message(topic: str, appended_ns: int, offset: int = 0, **more: Any) -> Message:
    """A record that was appended at this instant of our clock; the stamp is the broker's, in whole milliseconds."""
    stamp = (TIMESTAMP_LOG_APPEND_TIME, appended_ns // MS + CLOCK_AHEAD_MS)
    return Message(**{"topic": topic, "partition": 1, "offset": offset, "timestamp": stamp, "value": b"v", **more})


def trace_id_of(number: int) -> bytes:
    return b"abcd1234%024x" % (number + 1)


def exchange_of(number: int, plan: Planned) -> Exchange:
    """The exchange when it has ended; its ack is there if one was planned."""
    sent_ns = plan.start_ns + plan.wait_ns
    trace_id = trace_id_of(number)
    x = Exchange(trace_id, plan.name, plan.start_ns, sent_ns, plan.start_ns + TIMEOUT_NS, trace_id, "requests")
    x.outcome = plan.outcome
    x.ended_ns = sent_ns + plan.took_ns if plan.outcome is Outcome.MATCHED else x.deadline_ns
    if plan.outcome is Outcome.MATCHED:
        x.reply = message("replies", x.ended_ns - plan.took_ns // 4, number)
    if plan.outcome is Outcome.UNDELIVERED:
        x.failure = f"the broker refused number {number}"
    elif plan.ack_ns:
        acknowledge(x, plan.ack_ns)
    return x


def acknowledge(x: Exchange, ack_ns: int) -> None:
    x.delivery, x.acked_ns = message("requests", x.sent_ns + ack_ns // 2, 7), x.sent_ns + ack_ns


def end(recorder: Recorder, x: Exchange) -> None:
    """Register it and end it, in both entries of the books."""
    assert x.outcome is not None
    total = recorder.results.total
    total.registered += 1
    recorder.registered.append(x)
    total.outcomes[x.outcome] += 1
    if x.verdict is not None:
        recorder.took([x.reply])
        total.verdicts[x.verdict] += 1
    recorder.ended(x)


def reply_later(recorder: Recorder, x: Exchange, verdict: Verdict, received_ns: int) -> None:
    """A reply to an exchange that has ended."""
    assert x.outcome is not None
    past = EndedRequest(
        x.ended_ns, x.outcome, x.outcome is Outcome.MATCHED, x.intended_ns, x.sent_ns, x.name
    )  # fmt: skip
    reply = message("replies", received_ns - MS)
    recorder.took([reply])
    recorder.results.total.verdicts[verdict] += 1
    recorder.later_reply(x.correlation_id, past, verdict, reply, received_ns)


def played(recorder: Recorder, plans: Sequence[Planned], *, open_model: bool = False, load_s: float = 10) -> RunResults:
    """All of them, with their later replies; then the recorder is closed.  Both clocks stand still meanwhile."""
    with (
        patch("locust_kafka.exchange.measure.perf_counter_ns", lambda: 1),
        patch("locust_kafka.exchange.measure.time", SimpleNamespace(time_ns=lambda: 1)),
    ):
        return _play(recorder, plans, open_model=open_model, load_s=load_s)


def _play(recorder: Recorder, plans: Sequence[Planned], *, open_model: bool, load_s: float) -> RunResults:
    results = recorder.results
    results.open_model = open_model
    results.load_s, results.duration_s = load_s, load_s + 3
    for number, plan in enumerate(plans):
        x = exchange_of(number, plan)
        end(recorder, x)
        for times, verdict in enumerate(plan.later):
            reply_later(recorder, x, verdict, x.ended_ns + (times + 1) * 20 * MS)
    if open_model:
        results.arrivals = Counts(len(plans) + 3, len(plans), 2, 1)
        results.offered = (len(plans) + 3) / load_s
    recorder.close(0)
    return results


def results_of(plans: Sequence[Planned], *, open_model: bool = False, load_s: float = 10) -> RunResults:
    """The results of a run without observers."""
    return played(Recorder(CountedRows(), "traceparent"), plans, open_model=open_model, load_s=load_s)


def _plan(name: str, outcome: Outcome, start: int, wait: int, ack: int, took: int, extra: int) -> Planned:
    later: tuple[Verdict, ...] = ()
    if outcome is Outcome.TIMED_OUT:
        later = (Verdict.LATE, Verdict.DUPLICATE)[:extra]
    elif outcome is Outcome.MATCHED:
        later = (Verdict.DUPLICATE, Verdict.DUPLICATE)[:extra]
    elif outcome is Outcome.UNDELIVERED:
        later = (Verdict.UNEXPECTED, Verdict.DUPLICATE)[:extra]
    return Planned(name, outcome, start, wait, ack, took, later)


PLANS = st.lists(
    st.builds(
        _plan,
        st.sampled_from(["pay", "ask,twice", 'say "so"', "näme"]),
        st.sampled_from([Outcome.MATCHED, Outcome.MATCHED, Outcome.TIMED_OUT, Outcome.UNDELIVERED, Outcome.UNFINISHED]),
        st.integers(MS, 10_000 * MS), st.integers(0, 3 * MS), st.just(0) | st.integers(MS // 10, 9 * MS),
        st.integers(10 * MS, 3_000 * MS), st.integers(0, 2),
    ),
    max_size=30,
)  # fmt: skip
