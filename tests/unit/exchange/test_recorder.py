"""The recorder: its results are its own, whoever is told of them and whatever they do."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.examples import Example
from locust_kafka.core.legs import MS
from locust_kafka.exchange.examples import example_of_exchange
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import LaterReply
from locust_kafka.exchange.recorder import AGGREGATE_AT, AGGREGATE_BYTES, Recorder
from tests.unit.records import CountedRows, Record, Watcher
from tests.unit.runs import PLANS, Planned, acknowledge, end, exchange_of, played, reply_later

CALLS = ("ended", "complete", "later_reply", "flush", "reset", "close")
PLAN = Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)


class Raising(Watcher):
    """An observer whose methods of these names raise."""

    def __init__(self, *names: str, error: type[Exception] = ZeroDivisionError) -> None:
        super().__init__(each=True)
        for name in names:
            setattr(self, name, self._raise)
        self._error = error

    def _raise(self, *_told: Any) -> None:
        raise self._error("no")


def recorder_with(*observers: Watcher, **how: Any) -> Recorder:
    recorder = Recorder(CountedRows(**how), "traceparent")
    for observer in observers:
        recorder.observe(observer)
    return recorder


def wire_of(recorder: Recorder) -> dict[str, Any]:
    """The results as they travel, without what may say that an observer failed."""
    wire = recorder.results.to_wire()
    assert all(what.startswith("errors of Raising") for what in wire.pop("notes"))
    return wire


@given(PLANS, st.lists(st.booleans(), max_size=3), st.sets(st.sampled_from(CALLS)), st.booleans())
def test_results_do_not_depend_on_who_is_told(
    plans: list[Planned], watchers: list[bool], raised: set[str], listened: bool
) -> None:
    """Nobody, some who watch each end or only batches, one that raises: the same figures, rows and examples."""
    alone = recorder_with()
    others = [Watcher(each=each) for each in watchers]
    watched = recorder_with(Raising(*raised), *others, listened=listened)
    played(alone, plans)
    played(watched, plans)
    assert wire_of(watched) == wire_of(alone)
    rows, expected = watched.rows, alone.rows
    assert isinstance(rows, CountedRows)
    assert isinstance(expected, CountedRows)
    assert Counter(rows.rows) == Counter(expected.rows)
    assert rows.notes == expected.notes


@given(PLANS, st.sampled_from(CALLS), st.integers(0, 2))
def test_one_that_raises_keeps_nothing_from_the_others(plans: list[Planned], raised: str, place: int) -> None:
    """Before it or after it in the list, each observer is told of each end, each later reply and the close."""
    others = [Watcher(each=True), Watcher(each=True)]
    recorder = recorder_with(*others[:place], Raising(raised), *others[place:])
    played(recorder, plans)
    recorder.reset("never")
    for other in others:
        assert len(other.ends) == len(other.completes) == len(plans)
        assert [verdict for _id, verdict in other.later] == [v.name for plan in plans for v in plan.later]
        assert other.closed == 1


def test_an_error_is_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the first one with its traceback, the report has how many there were."""
    recorder = recorder_with(Raising("ended"))
    with caplog.at_level(logging.ERROR, "locust_kafka"):
        played(recorder, [PLAN] * 7)
    (record,) = caplog.records
    assert "Raising failed" in record.getMessage()
    assert record.exc_info is not None
    assert recorder.results.notes == {"errors of Raising: what it tells is incomplete": 7}


def test_a_full_disk_is_no_small_matter() -> None:
    """An OSError at a flush is passed on, for the run must end; at the close it is a sentence."""
    recorder = recorder_with(Raising("flush", error=OSError))
    with pytest.raises(OSError, match="no"):
        recorder.flush()
    assert recorder_with(Raising("close", error=OSError)).close(0) == ["the exchange log could not be written: no"]


def test_what_is_complete_is_told_once_and_whole() -> None:
    """An exchange is told when it has ended and its ack has come, or when it has failed; at the close in any case."""
    watcher = Watcher(each=False)
    recorder = recorder_with(watcher)
    acked, waiting, failed = (
        exchange_of(number, PLAN._replace(ack_ns=ack_ns, outcome=outcome))
        for number, (ack_ns, outcome) in enumerate(
            [(MS, Outcome.MATCHED), (0, Outcome.MATCHED), (0, Outcome.UNDELIVERED)]
        )
    )
    for x in (acked, waiting, failed):
        end(recorder, x)
    recorder.flush()
    assert {name for name, _outcome in watcher.completes} == {acked.correlation_id, failed.correlation_id}
    acknowledge(waiting, 3 * MS)
    recorder.flush()
    recorder.flush()
    assert [name for name, _outcome in watcher.completes].count(waiting.correlation_id) == 1
    recorder.close(0)
    assert len(watcher.completes) == 3
    assert watcher.ends == []
    assert recorder.results.whole().send.max_ns == 3 * MS


def test_ends_are_counted_many_at_a_time() -> None:
    """Nothing is counted for each end; a full batch, or a megabyte of payloads, is counted by itself."""
    recorder = recorder_with()
    for number in range(AGGREGATE_AT - 1):
        end(recorder, exchange_of(number, PLAN))
        assert not recorder.after_batch()
    assert recorder.results.names == {}
    end(recorder, exchange_of(AGGREGATE_AT, PLAN))
    recorder.after_batch()
    assert recorder.results.name("n").books.outcomes[Outcome.MATCHED] == AGGREGATE_AT
    recorder.took([b"x" * (AGGREGATE_BYTES + 1)])
    assert recorder.after_batch()
    assert not recorder.after_batch()


@given(PLANS, PLANS)
def test_a_reset_takes_latencies_and_no_books(before: list[Planned], after: list[Planned]) -> None:
    """After a reset the latencies are those of what ended since then; the books are those of the whole run."""
    recorder = recorder_with()
    for number, plan in enumerate(before):
        x = exchange_of(number, plan)
        if not x.is_complete:
            acknowledge(x, MS)
        end(recorder, x)
    recorder.reset("since noon")
    books = recorder.results.total
    counts = (books.registered, list(books.outcomes), list(books.verdicts))
    assert (books.registered, recorder.results.whole().books.registered) == (len(before), len(before))
    assert recorder.results.whole().e2e.count == 0
    assert all(example.kind != "slowest" for example in recorder.results.examples.all())
    fresh = recorder_with()
    played(fresh, after)
    for number, plan in enumerate(after):
        x = exchange_of(1000 + number, plan)
        end(recorder, x)
        for times, verdict in enumerate(plan.later):
            reply_later(recorder, x, verdict, x.ended_ns + (times + 1) * 20 * MS)
    recorder.close(0)
    whole, expected = recorder.results.whole(), fresh.results.whole()
    for name in ("e2e", "send", "late", "duplicate"):
        assert getattr(whole, name).summary() == getattr(expected, name).summary()
    assert recorder.results.total.registered == counts[0] + len(after)
    assert recorder.results.since == "since noon"
    assert recorder.results.balanced(closed=True)


@pytest.mark.parametrize(
    ("outcome", "later", "series"),
    [
        (Outcome.MATCHED, (), ("e2e_matched", "send")),
        (Outcome.TIMED_OUT, (Verdict.LATE,), ("timed_out", "late", "send")),
        (Outcome.MATCHED, (Verdict.DUPLICATE,), ("e2e_matched", "duplicate", "send")),
    ],
)
def test_the_warm_up_decides_by_the_intended_start(
    outcome: Outcome, later: tuple[Verdict, ...], series: tuple[str, ...]
) -> None:
    """What was to start a nanosecond before the boundary is in no latency series; at it, in all."""
    for start_ns, counted in ((1000 * MS - 1, 0), (1000 * MS, 1)):
        recorder = recorder_with()
        recorder.measure.measure_from_ns = 1000 * MS
        results = played(recorder, [Planned("n", outcome, start_ns, 5 * MS, MS, 10 * MS, later)])
        assert {name: getattr(results.whole(), name).count for name in series} == dict.fromkeys(series, counted)
        assert results.total.outcomes[outcome] == 1
        assert sum(example.kind == "slowest" for example in results.examples.all()) == (
            counted if outcome is Outcome.MATCHED else 0
        )
        assert results.balanced(closed=True)


def test_only_what_can_be_looked_at_is_an_example() -> None:
    """With spans on, an exchange without any is no example; later replies take the trace id that an observer gives."""

    class Tracing(Watcher):
        def ended(self, exchange: Exchange) -> None:
            exchange.kept = 1 if exchange.correlation_id.endswith(b"1") else None  # type: ignore[assignment]

        def later_reply(self, later: LaterReply) -> str | None:
            return "" if later.verdict is Verdict.DUPLICATE else "f" * 32

    recorder = recorder_with(Tracing(each=True))
    recorder.only_kept_examples = True
    plans = [PLAN, PLAN, PLAN._replace(outcome=Outcome.TIMED_OUT, later=(Verdict.LATE, Verdict.DUPLICATE))]
    results = played(recorder, plans)
    assert [(e.kind, e.trace_id[-1]) for e in results.examples.all()] == [("slowest", "1"), ("late reply", "f")]


def test_a_row_is_nobodys_when_the_run_was_cut_short() -> None:
    """UNFINISHED is neither a success nor a failure: it is in the books and in no row."""
    recorder = recorder_with()
    results = played(recorder, [PLAN._replace(outcome=Outcome.UNFINISHED)])
    assert isinstance(recorder.rows, CountedRows)
    assert recorder.rows.rows == []
    assert results.total.outcomes[Outcome.UNFINISHED] == 1
    assert results.balanced(closed=True)


def test_an_example_keeps_what_its_timeline_needs() -> None:
    """Where request and reply lie, and what the reply says of the service's time, outlive the exchange."""
    recorder = recorder_with()
    exchange = exchange_of(1, PLAN)
    reply = Record(headers=[("server-timing", b"queue;dur=1.5, wait;dur=7"), ("x", None)])
    exchange.delivery, exchange.reply = Record("requests"), reply
    example = example_of_exchange("slowest", exchange, recorder.measure.legs_of(exchange))
    assert example.service_ms == (("queue", 1.5), ("wait", 7.0))
    assert (example.request_at, example.reply_at) == ("requests [0] at 0", "replies [0] at 0")
    assert Example.from_wire(json.loads(json.dumps(example))) == example
    lost = exchange_of(2, PLAN._replace(outcome=Outcome.TIMED_OUT, ack_ns=0))
    silent = example_of_exchange("timed out", lost, recorder.measure.legs_of(lost), "no reply")
    assert (silent.service_ms, silent.request_at, silent.reply_at, silent.reason) == ((), "", "", "no reply")
