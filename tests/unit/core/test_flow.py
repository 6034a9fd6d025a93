"""Laws of watching two topics: whatever the order in which they are read, each record is counted once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core import flow as flow_module
from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.flow import PATIENCE_S, Flow, RecordPosition
from locust_kafka.core.results import RunResults

TIMEOUT_S = 2.0
LATENCIES = st.integers(-3, 4000)
EXCHANGES = st.lists(st.lists(LATENCIES, max_size=3), max_size=20)
"""For each request the latencies (ms) of its replies."""


def place(topic: str, append_ms: int) -> RecordPosition:
    return RecordPosition(topic, 0, append_ms, append_ms)


def identity(number: int) -> bytes:
    return b"%032x" % number


def played(exchanges: list[list[int]], orders: list[int]) -> Flow:
    """All records are read at once, in an order of its own: the topics are read side by side."""
    flow = Flow(TIMEOUT_S)
    records = [(identity(number), place("requests", 0), True) for number in range(len(exchanges))]
    records += [
        (identity(number), place("replies", latency), False)
        for number, replies in enumerate(exchanges)
        for latency in replies
    ]
    for _order, index in sorted((orders[index % len(orders)], index) for index in range(len(records))):
        correlation_id, where, is_request = records[index]
        (flow.request if is_request else flow.reply)(correlation_id, where, 100.0)
    return flow


@given(EXCHANGES, st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_the_order_of_reading_changes_no_count(exchanges: list[list[int]], orders: list[int]) -> None:
    """Outcome by the reply that is read first; as many verdicts as replies; the books balance when the watch ends."""
    flow = played(exchanges, orders)
    flow.pass_time(100.0 + TIMEOUT_S + PATIENCE_S)
    flow.sample(101, 1.0)
    flow.finish()
    total = flow.results.total
    assert flow.results.balanced(closed=True)
    assert total.registered == len(exchanges)
    answered = [replies for replies in exchanges if replies]
    assert total.outcomes[Outcome.UNFINISHED] == 0
    assert total.verdicts[Verdict.MATCH] + total.verdicts[Verdict.LATE] == len(answered)
    assert total.verdicts[Verdict.DUPLICATE] == sum(len(replies) - 1 for replies in answered)
    single = [replies[0] for replies in exchanges if len(replies) == 1]
    assert total.outcomes[Outcome.MATCHED] >= sum(latency <= TIMEOUT_S * 1000 for latency in single)
    assert total.outcomes[Outcome.TIMED_OUT] >= sum(latency > TIMEOUT_S * 1000 for latency in single)
    (second,) = flow.history.rows()
    assert (second.matched, second.timed_out) == (total.outcomes[Outcome.MATCHED], total.outcomes[Outcome.TIMED_OUT])


@given(st.lists(LATENCIES, min_size=1, max_size=30), st.lists(st.integers(0, 99), min_size=1, max_size=40))
def test_a_latency_runs_from_append_to_append(latencies: list[int], orders: list[int]) -> None:
    """One reply each: its latency is the difference of the stamps, 0 when the brokers' clocks disagree, never below."""
    flow = played([[latency] for latency in latencies], orders)
    flow.finish()
    entry = flow.results.whole()
    expected = [max(0, latency) for latency in latencies]
    in_time = [latency for latency in expected if latency <= TIMEOUT_S * 1000]
    assert entry.e2e_matched.count == len(in_time)
    assert entry.e2e_matched.sum_ns == sum(in_time) * 1_000_000
    assert entry.late.sum_ns == (sum(expected) - sum(in_time)) * 1_000_000
    backwards = sum(latency < 0 for latency in latencies)
    assert sum(count for what, count in flow.results.notes.items() if "earlier stamp" in what) == backwards
    slowest = [example.latency_ns for example in flow.results.examples.all() if example.kind == "slowest"]
    assert max(slowest, default=0) == max(in_time, default=0) * 1_000_000


STEPS = st.lists(
    st.tuples(st.sampled_from(["request", "reply", "time"]), st.integers(0, 4), st.floats(0, 4)), max_size=40
)


@given(STEPS)
def test_nothing_is_lost_however_time_passes(steps: list[tuple[str, int, float]]) -> None:
    """Requests that repeat, replies to nothing, time in any steps: all are counted, and the memory does not grow."""
    flow, now_s, seen = Flow(TIMEOUT_S), 0.0, Counter[str]()
    for what, number, step in steps:
        seen[what] += 1
        if what == "time":
            now_s += step
            flow.pass_time(now_s)
        else:
            getattr(flow, what)(identity(number), place(what, int(now_s * 1000)), now_s)
        assert flow.results.total.pending >= 0
    flow.finish()
    repeated = flow.results.notes.get("requests whose id had been seen before", 0)
    assert flow.results.total.registered + repeated == seen["request"]
    assert flow.results.total.read == flow.results.replies_read == seen["reply"]
    assert flow.results.balanced(closed=True)


def test_who_never_answers_times_out_and_who_answers_later_is_late() -> None:
    """A reply that is read after its time is LATE by its stamps; one to a request before the watch is FOREIGN."""
    flow = Flow(TIMEOUT_S)
    flow.request(b"a", place("requests", 1000), 0.0)
    flow.reply(b"b", place("replies", 1000), 0.0)
    flow.reply(None, place("replies", 1000), 0.0)
    flow.request(None, place("requests", 1000), 0.0)
    flow.pass_time(TIMEOUT_S + PATIENCE_S - 0.01)
    assert flow.results.total.pending == 1
    flow.pass_time(TIMEOUT_S + PATIENCE_S)
    flow.reply(b"a", place("replies", 9000), 9.0)
    flow.reply(b"a", place("replies", 9001), 9.0)
    flow.request(b"c", place("requests", 9000), 9.0)
    flow.finish()
    total = flow.results.total
    assert [total.outcomes[one] for one in (Outcome.TIMED_OUT, Outcome.UNFINISHED)] == [1, 1]
    wanted = (Verdict.LATE, Verdict.DUPLICATE, Verdict.FOREIGN, Verdict.MALFORMED, Verdict.MATCH)
    assert [total.verdicts[one] for one in wanted] == [1, 1, 1, 1, 0]
    assert flow.results.notes == {"requests without a correlation id": 1}
    assert isinstance(flow.results, RunResults)
    late = next(example for example in flow.results.examples.all() if example.kind == "late reply")
    assert (late.latency_ns, late.request_at, late.reply_at) == (
        8_000_000_000, "requests [0] at 1000", "replies [0] at 9000",
    )  # fmt: skip


def test_the_memory_is_bounded() -> None:
    """Ended requests are forgotten, the oldest first; a reply to a forgotten one is FOREIGN and nothing breaks."""
    flow = Flow(TIMEOUT_S)
    before, flow_module.REMEMBERED = flow_module.REMEMBERED, 10
    try:
        for number in range(30):
            flow.request(identity(number), place("requests", 0), 0.0)
            flow.reply(identity(number), place("replies", 1), 0.0)
        assert len(flow._ended) == 10
        flow.reply(identity(0), place("replies", 2), 0.0)
        flow.reply(identity(29), place("replies", 2), 0.0)
        flow.finish()
    finally:
        flow_module.REMEMBERED = before
    verdicts = flow.results.total.verdicts
    assert (verdicts[Verdict.FOREIGN], verdicts[Verdict.DUPLICATE], verdicts[Verdict.MATCH]) == (1, 1, 30)
