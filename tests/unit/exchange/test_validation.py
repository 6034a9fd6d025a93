"""The user's word about a reply: it decides the row and nothing else, and always comes to an end."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.legs import MS
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.validation import Validators, failure_of
from tests.unit.records import CountedRows
from tests.unit.runs import Planned, end, exchange_of, message

MATCHED = Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)


class Rows:
    """Takes rows."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def report(self, exchange: Exchange, failure: Failure) -> None:
        self.failures.append(failure)


def matched(validator: Any = None, headers: list[tuple[str, bytes | None]] | None = None) -> Exchange:
    x = exchange_of(0, MATCHED)
    x.validator = validator
    x.reply = message("replies", x.ended_ns, headers=headers or [])
    return x


def judged(x: Exchange, error_header: str = "") -> Failure:
    """The failure of its row; it must come at once, and once."""
    rows = Rows()
    validators = Validators(rows, error_header)
    validators.report(x)
    validators.wait(60)
    (failure,) = rows.failures
    assert validators.running == 0
    validators.close()
    assert len(rows.failures) == 1
    return failure


class NoTruth:
    """What `==` of two arrays gives: neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")


def raising(error: BaseException) -> Any:
    def validator(_exchange: Exchange) -> None:
        raise error

    return validator


@pytest.mark.parametrize("falsy", [None, False, 0, "", [], 0.0])
def test_what_is_not_true_is_no_complaint(falsy: object) -> None:
    """`on_reply` that returns nothing, or anything that is not true, leaves a good row."""
    assert judged(matched(lambda _x: falsy)) is None


@pytest.mark.parametrize("returned", ["wrong price", 7, ["a"], ValueError("no")])
def test_what_is_returned_is_the_failure(returned: object) -> None:
    """Anything true fails the row, by its text; an exception stays one."""
    failure = judged(matched(lambda _x: returned))
    assert failure is returned if isinstance(returned, Exception) else failure == str(returned)


@pytest.mark.parametrize("error", [AssertionError("no"), KeyError("id"), RuntimeError()])
def test_what_is_raised_is_the_failure(error: Exception) -> None:
    """The exception itself is the row's, as Locust shows those of its own users."""
    assert judged(matched(raising(error))) is error


def test_what_python_does_not_call_an_exception_fails_the_row_too() -> None:
    """A gevent.Timeout, a kill, an answer that is neither true nor false: the row comes, and says so."""
    assert judged(matched(raising(gevent.Timeout(2)))) == "on_reply raised Timeout: 2 seconds"
    assert judged(matched(raising(SystemExit(0)))) == "on_reply raised SystemExit: 0"
    assert judged(matched(raising(gevent.GreenletExit()))) == "on_reply was ended: the run is over"
    assert "ambiguous" in str(judged(matched(lambda _x: NoTruth())))


def test_a_callback_is_asked_about_matched_replies_alone() -> None:
    """What timed out or was not delivered is failed by that; nobody can validate a reply that did not come."""
    for outcome, words in ((Outcome.TIMED_OUT, "no reply within 4 s"), (Outcome.UNDELIVERED, "undelivered: ")):
        x = exchange_of(0, MATCHED._replace(outcome=outcome))
        x.validator = raising(AssertionError("asked"))
        assert str(judged(x)).startswith(words)


def test_a_timeout_without_a_broker_says_so() -> None:
    """Who reads the row need not look for a slow service when the tester was cut off."""
    x = exchange_of(0, MATCHED._replace(outcome=Outcome.TIMED_OUT))
    assert failure_of(x) == "no reply within 4 s"
    x.consumer_disconnected = True
    assert failure_of(x) == "no reply within 4 s (the reply consumer had no broker)"
    assert failure_of(exchange_of(0, MATCHED)) is None
    assert failure_of(exchange_of(0, MATCHED._replace(outcome=Outcome.UNFINISHED))) is None


NAMES = st.sampled_from(["error", "a"])


@given(st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=300)), max_size=4), st.sampled_from(["", "error"]))
def test_the_error_header_fails_a_row_by_its_last_value(headers: Any, error_header: str) -> None:
    """With --kafka-error-header a reply that carries it is a failed row with its value, bytes of any kind; else not."""
    failure = judged(matched(headers=headers), error_header)
    values = [value for name, value in headers if name == error_header]
    if not values:
        assert failure is None
    else:
        assert isinstance(failure, str)
        assert failure.startswith("the reply says error: ")
        assert failure[22:] == (values[-1] or b"").decode("utf-8", "backslashreplace")[:200]


def test_the_callback_goes_before_the_error_header() -> None:
    """What `on_reply` says is the failure; when it says nothing, the header is asked."""
    headers: list[tuple[str, bytes | None]] = [("error", b"none left")]
    assert judged(matched(lambda _x: "mine", headers), "error") == "mine"
    assert judged(matched(lambda _x: None, headers), "error") == "the reply says error: none left"


def test_a_rejected_reply_is_matched_in_the_books() -> None:
    """The error header and `on_reply` count as rejected and fail the row; the books stay at MATCHED and MATCH."""
    rows = CountedRows()
    recorder = Recorder(rows, "traceparent", "error")
    assert recorder.batch_matched is None  # each reply has to be looked at
    good = matched(headers=[("a", b"b")])
    bad = matched(headers=[("error", b"none left")])
    checked = matched(lambda _x: "wrong")
    for x in (good, bad, checked):
        end(recorder, x)
    recorder.validators.wait(60)
    recorder.close(0)
    results = recorder.results
    assert sorted(failed for _id, failed in rows.rows) == [False, True, True]
    assert results.whole().rejected == 2
    assert results.total.outcomes[Outcome.MATCHED] == results.whole().e2e_matched.count == 3
    assert results.balanced(closed=True)
    assert Recorder(rows, "traceparent").batch_matched is not None


def test_callbacks_run_side_by_side_and_end_with_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """One that never returns keeps neither the others nor the end; its row says that it did not return, once."""
    rows = Rows()
    validators = Validators(rows, "")
    validators.report(matched(lambda _x: gevent.sleep(1000)))
    validators.report(matched(lambda _x: "quick"))
    validators.report(matched(None))
    validators.wait(0.01)
    assert sorted(map(str, rows.failures)) == ["None", "quick"]
    assert validators.running == 1
    validators.close()
    gevent.sleep(0)
    gevent.sleep(0)
    assert rows.failures[2:] == ["on_reply did not return by the end of the run"]
    assert validators.running == 0
    assert "1 on_reply callbacks have not returned" in caplog.text
