"""How a request and its reply find each other: by trace id, by key, by a header, or as the locustfile says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import Headers, Match, Rule, last_header, rule, rule_of
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.kafka.consumer import ReplyBatch
from tests.unit.records import CountedRows, Record

TRACE = b"0123456789abcdef0123456789abcdef"
IDS = st.binary(min_size=1, max_size=20)
SPRING = "kafka_correlationId"


def reply(**more: Any) -> Message:
    return Message(topic="replies", partition=0, offset=0, **more)


def traceparent(trace_id: bytes) -> tuple[str, bytes]:
    return "traceparent", b"00-" + trace_id + b"-00000000000000ff-01"


@given(IDS, IDS)
def test_the_last_header_of_a_name_counts(first: bytes, last: bytes) -> None:
    """Kafka allows several headers of one name: the last writer wins, for requests and replies, in every rule."""
    pairs = [(SPRING, first), ("other", b"x"), (SPRING, last)]
    by_header = rule(f"header:{SPRING}")
    assert by_header.of_request(None, None, pairs) == by_header.of_reply(reply(headers=pairs)) == last
    traces = [traceparent(b"f" * 32), traceparent(TRACE)]
    by_trace = rule("traceparent")
    assert by_trace.of_request(None, None, traces) == by_trace.of_reply(reply(headers=traces)) == TRACE


@given(IDS)
def test_a_request_and_its_reply_have_one_id(correlation_id: bytes) -> None:
    """With each rule, a reply that carries what the request carried is found by it; text is its UTF-8."""
    assert rule("key").of_request(correlation_id, None, []) == rule("key").of_reply(reply(key=correlation_id))
    by_header = rule("header:id")
    assert by_header.of_request(None, None, [("id", correlation_id)]) == by_header.of_reply(
        reply(headers=[("id", correlation_id)])
    )
    assert by_header.of_request(None, None, [("id", "nä")]) == "nä".encode()
    assert rule("traceparent").of_request(None, None, [traceparent(TRACE)]) == TRACE


@pytest.mark.parametrize("text", ["key", "header:id", "traceparent"])
def test_no_id_is_none(text: str) -> None:
    """A record without a key or without the header has no id; an empty one is none either, for it would name nobody."""
    found = rule(text)
    for key, headers in ((None, []), (b"", [("id", b"")]), (None, [("id", None), ("traceparent", None)])):
        assert found.of_request(key, b"v", headers) is None
        assert not found.of_reply(reply(key=key, headers=headers))


def test_a_header_that_the_user_does_not_set_can_be_filled_in() -> None:
    """Only a rule by header names one; only ids made here are known by their prefix."""
    assert (rule(f"header:{SPRING}").header, rule(f"header:{SPRING}").ours) == (SPRING, False)
    assert (rule("key").header, rule("key").ours) == ("", False)
    assert (rule("traceparent").header, rule("traceparent").ours) == ("", True)


def test_two_extractors_are_a_rule() -> None:
    """`Match(request=..., reply=...)` is asked with key, value and headers of either; None takes the trace id."""
    asked: list[tuple[Any, ...]] = []

    def extractor(key: bytes | None, value: bytes | None, headers: Headers) -> bytes | None:
        asked.append((key, value, list(headers)))
        return (value or b"")[:2] or None

    found = rule_of(Match(request=extractor, reply=extractor))
    assert found.of_request(b"k", b"id, hello", [("a", b"b")]) == b"id"
    assert found.of_reply(reply(key=b"k", value=b"id, bye", headers=[("a", b"b")])) == b"id"
    assert asked == [(b"k", b"id, hello", [("a", b"b")]), (b"k", b"id, bye", [("a", b"b")])]
    assert found.of_request(None, b"", []) is None
    assert found.of_reply(reply()) is None
    assert (found.header, found.ours) == ("", False)


@pytest.mark.parametrize("wrong", ["text", 7, bytearray(b"id")])
def test_an_extractor_of_the_wrong_type_is_a_type_error(wrong: Any) -> None:
    """For a request it is raised where the locustfile calls, before anything is registered; for a reply it is no id."""
    found = rule_of(Match(request=lambda *_: wrong, reply=lambda *_: wrong))
    with pytest.raises(TypeError, match=f"match.request must return bytes or None, not {type(wrong).__name__}"):
        found.of_request(b"k", b"v", [])
    assert found.of_reply(reply()) is None


def judged(found: Rule, ids: list[bytes], *replies: Any) -> tuple[ExchangeEngine, Recorder]:
    """An engine with these requests pending, after it has judged these replies."""
    fatal: list[RunInvalid] = []
    recorder = Recorder(CountedRows(), found.text)
    engine = ExchangeEngine(found, ReplyRouting(b"abcd1234", b"abcd"), recorder, fatal.append)
    recorder.results.total = engine.correlator.books
    for name in ids:
        engine.register(Exchange(name, "n", 1, 1, 100, b"abcd1234" + b"0" * 24, "requests"))
    engine.reply_batches.put(ReplyBatch(2, list(replies), 2))
    engine._process()
    assert not fatal
    return engine, recorder


def raising(*_record: Any) -> bytes | None:
    raise KeyError("order_id")


def test_an_extractor_that_raises_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """Each such reply is MALFORMED; one sentence names the error and the remedy; other replies are judged as before."""

    def half(key: bytes | None, _value: bytes | None, _headers: Headers) -> bytes | None:
        return raising() if key == b"bad" else key

    found = rule_of(Match(request=lambda key, *_: key, reply=half))
    with caplog.at_level(logging.WARNING, "locust_kafka"):
        bad = [reply(key=b"bad", value=b"v") for _ in range(4)]
        engine, recorder = judged(found, [b"good"], *bad[:2], reply(key=b"good", value=b"v"), *bad[2:])
    total = recorder.results.total
    assert (total.verdicts[Verdict.MALFORMED], total.verdicts[Verdict.MATCH]) == (4, 1)
    assert total.outcomes[Outcome.MATCHED] == 1
    assert recorder.results.replies_read == 5
    (said,) = [record.getMessage() for record in caplog.records]
    assert "KeyError('order_id')" in said
    assert "return None" in said
    engine.close(lambda: None)


@pytest.mark.parametrize(
    ("text", "make"),
    [
        ("key", lambda name: Record(key=name)),
        (f"header:{SPRING}", lambda name: Record(headers=[(SPRING, name)])),
        ("traceparent", lambda name: Record(headers=[traceparent(name)])),
    ],
    ids=["key", "header", "traceparent"],
)
def test_the_engine_matches_by_the_rule(text: str, make: Callable[[bytes], Record]) -> None:
    """A reply with the id is the MATCH, with another id FOREIGN, without one or with poisoned headers MALFORMED."""
    poisoned = Record(key=None, poisoned=True)
    engine, recorder = judged(rule(text), [TRACE], make(TRACE), make(b"e" * 32), Record(key=None), poisoned)
    verdicts = recorder.results.total.verdicts
    assert [verdicts[v] for v in (Verdict.MATCH, Verdict.FOREIGN, Verdict.MALFORMED)] == [1, 1, 2]
    engine.close(lambda: None)


def test_a_header_of_no_headers() -> None:
    """None, an empty list and a value of None have no last header."""
    assert last_header(None, "a") is last_header([], "a") is last_header([("a", None)], "a") is None
    assert last_header([("a", b"1"), ("a", None)], "a") is None
