"""From stamps to figures: legs add up, belong to the right clock, and say why they are not known."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import MS
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.measure import CREATE_TIME, TOO_FEW, Measure, by_name
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.kafka.record import record_metadata
from tests.unit.records import CountedRows, Watcher
from tests.unit.runs import CLOCK_AHEAD_MS, PLANS, Planned, exchange_of, message, played, results_of

PLAN = Planned("n", Outcome.MATCHED, MS, 2 * MS, 2 * MS, 20 * MS)


def many(count: int = 40) -> list[Planned]:
    """Exchanges that beat in no step with the broker's milliseconds."""
    return [PLAN._replace(start_ns=MS + number * 50_370_000) for number in range(count)]


@given(st.lists(st.tuples(st.integers(0, 9 * MS), st.integers(10 * MS, 99 * MS)), min_size=1, max_size=30))
def test_the_legs_of_an_exchange_are_its_latency(steps: list[tuple[int, int]]) -> None:
    """Schedule, request, service and reply add up to the latency, whatever is known of the clocks."""
    measure = Measure(RunResults())
    batch = [
        exchange_of(number, Planned("n", Outcome.MATCHED, number * 100 * MS, wait_ns, MS, took_ns))
        for number, (wait_ns, took_ns) in enumerate(steps)
    ]
    measure.record(batch)
    for x in batch:
        legs = measure.legs_of(x)
        assert legs.schedule_ns == x.sent_ns - x.intended_ns
        assert legs.ack_ns == x.acked_ns - x.sent_ns
        if legs.request_ns is not None:
            assert None not in legs
            assert sum(ns for ns in legs[:4] if ns is not None) == x.latency_ns


def test_the_legs_are_where_the_time_went() -> None:
    """With many exchanges the means find the truth: half of the ack, three quarters of the way, a quarter back."""
    results = results_of(many(), open_model=True)
    whole = results.whole()
    assert whole.schedule.summary()["mean"] == 2
    assert whole.request.sum_ns / whole.request.count == pytest.approx(1 * MS, abs=0.2 * MS)
    assert whole.service.sum_ns / whole.service.count == pytest.approx(14 * MS, abs=0.2 * MS)
    assert whole.reply.sum_ns / whole.reply.count == pytest.approx(5 * MS, abs=0.2 * MS)
    assert whole.from_send.summary()["max"] == 20
    ahead, uncertainty = results.clocks[""]
    assert 0 < uncertainty < 10
    assert results.leg_count == whole.service.count == len(many())
    assert results.legs_unavailable == ""
    assert ahead == pytest.approx(CLOCK_AHEAD_MS, abs=uncertainty / 2)


@given(PLANS, st.booleans())
def test_a_series_has_what_it_is_of(plans: list[Planned], open_model: bool) -> None:
    """Acks of all who got one, replies of the matched, starts and sends in the open model alone."""
    whole = results_of(plans, open_model=open_model).whole()
    matched = [plan for plan in plans if plan.outcome is Outcome.MATCHED]
    acked = [plan for plan in plans if plan.ack_ns and plan.outcome is not Outcome.UNDELIVERED]
    assert whole.send.sum_ns == sum(plan.ack_ns for plan in acked)
    assert whole.e2e_matched.sum_ns == sum(plan.wait_ns + plan.took_ns for plan in matched)
    assert whole.schedule.count == whole.from_send.count == (len(matched) if open_model else 0)
    assert whole.request.count == whole.service.count == whole.reply.count <= sum(plan.ack_ns > 0 for plan in matched)


def test_without_the_brokers_stamps_it_says_so() -> None:
    """With CreateTime on either side no leg over two clocks is told, and the reason is."""
    for of_request in (True, False):
        results = RunResults()
        measure = Measure(results)
        x = exchange_of(0, PLAN)
        plain = Message(topic="requests", partition=1, offset=0, timestamp=(TIMESTAMP_CREATE_TIME, 5))
        if of_request:
            x.delivery = plain
        else:
            x.reply = plain
        measure.record([x])
        assert results.legs_unavailable == CREATE_TIME
        assert results.whole().service.count == results.leg_count == 0
        assert measure.legs_of(x).service_ns is None


def test_too_few_exchanges_are_said_to_be_too_few() -> None:
    """A clock that was never known to 10 ms tells no leg; without any match there is nothing to tell."""
    slow = PLAN._replace(ack_ns=400 * MS, took_ns=2_000 * MS)
    results = results_of([slow])
    assert results.legs_unavailable == TOO_FEW
    assert results.whole().service.count == 0
    assert results_of([PLAN._replace(outcome=Outcome.TIMED_OUT)]).legs_unavailable == ""


def test_the_clocks_are_learnt_in_the_warm_up() -> None:
    """Exchanges of the warm-up are in no figure, and still tell what the brokers' clocks say."""
    results = RunResults()
    measure = Measure(results)
    measure.measure_from_ns = 10**15
    measure.record([exchange_of(number, plan) for number, plan in enumerate(many())])
    assert results.whole().service.count == results.whole().e2e_matched.count == results.leg_count == 0
    offset = measure.clocks.of(-1).usable_offset
    assert offset is not None
    assert abs(offset.ns - CLOCK_AHEAD_MS * MS) <= offset.width_ns / 2 + 1


def test_each_broker_has_a_clock() -> None:
    """Requests and replies led by two brokers are told by two clocks; the service leg is corrected by both."""
    results = RunResults()
    measure = Measure(results)
    measure.clocks.lead({("requests", 1): 1, ("replies", 1): 2})
    batch = [exchange_of(number, plan) for number, plan in enumerate(many(200))]
    for x in batch:  # the other broker's clock is a second behind, and its replies come at once
        x.ended_ns = x.sent_ns + 4 * MS
        x.reply = message("replies", x.sent_ns + 3 * MS - 1000 * MS)
    measure.record(batch)
    first, second = measure.clocks.of(1).usable_offset, measure.clocks.of(2).usable_offset
    assert first is not None
    assert second is not None
    assert first.ns - second.ns == pytest.approx(1000 * MS, abs=(first.width_ns + second.width_ns) / 2)
    for x in batch:  # 1 ms to the append, 3 ms to the reply's, 4 ms to its receipt
        legs = measure.legs_of(x)
        assert legs.service_ns == pytest.approx(2 * MS, abs=MS + (first.width_ns + second.width_ns) / 2)
    service = results.whole().service
    assert service.count == len(batch)
    assert service.sum_ns / service.count == pytest.approx(2 * MS, abs=(first.width_ns + second.width_ns) / 2)


def test_a_late_reply_has_legs_while_its_request_is_remembered() -> None:
    """The place of a timed-out request in the log is remembered for its first late reply, and for that one alone."""

    class Later(Watcher):
        legs: list[object]

        def later_reply(self, later: object) -> str | None:
            self.legs.append(later.legs)  # type: ignore[attr-defined]
            return None

    watcher = Later(each=False)
    watcher.legs = []
    recorder = Recorder(CountedRows(), "traceparent")
    recorder.observe(watcher)
    late = PLAN._replace(outcome=Outcome.TIMED_OUT, later=(Verdict.LATE, Verdict.DUPLICATE), start_ns=10**10)
    played(recorder, [*many(), late])
    first, second = watcher.legs
    assert second is None
    assert first is not None
    x = exchange_of(0, late)
    ended = EndedRequest(x.ended_ns, Outcome.TIMED_OUT, False, x.intended_ns, x.sent_ns, "n")
    received_ns = x.ended_ns + 20 * MS
    reply = message("replies", received_ns - MS)
    assert first == recorder.measure.legs_of_late(
        "requests", record_metadata(x.delivery), ended, x.acked_ns, reply, received_ns
    )
    assert sum(first[:4]) == received_ns - x.intended_ns  # type: ignore[index]


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_groups_keep_their_order(names: list[str]) -> None:
    """By name, each exchange once, in the order they came."""
    exchanges = [exchange_of(number, PLAN._replace(name=name)) for number, name in enumerate(names)]
    groups = by_name(exchanges)
    assert {name: list(group) for name, group in groups.items()} == {
        name: [x for x in exchanges if x.name == name] for name in names
    }
