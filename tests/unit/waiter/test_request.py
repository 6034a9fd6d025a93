"""From a request's bytes to its reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core import headers as wire
from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.request import build_reply, parse_request, truncate, without_partition

PLAIN = Behaviour(Wait("fixed", 500.0))
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"


def test_a_good_request_gets_the_contracts_reply() -> None:
    """Key kept, the sentence, the same trace id under a new span, reply-to and partition honoured, server-timing."""
    headers = [("traceparent", TRACEPARENT), ("reply-to", b"elsewhere"), ("reply-partition", b"3")]
    request = parse_request(b"key", b"Ada", headers, PLAIN, "default")
    reply = build_reply(request, b"key", b"1234567890abcdef", wire.server_timing(0.31, 500.2, 0.02))
    assert request.anomalies == ()
    assert (reply.topic, reply.partition, reply.key) == ("elsewhere", 3, b"key")
    assert reply.value == b"I have been waiting 500 ms for Ada"
    assert dict(reply.headers) == {
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-1234567890abcdef-02",
        "server-timing": b"queue;dur=0.310, wait;dur=500.200, forward;dur=0.020",
    }


@pytest.mark.parametrize(
    ("key", "value", "headers", "anomaly", "text"),
    [
        (b"k", b"Ada", [], "no traceparent", b"Ada"),
        (b"k", b"Ada", [("traceparent", b"nonsense")], "bad traceparent", b"Ada"),
        (b"k", b"Ada", [("traceparent", None)], "no traceparent", b"Ada"),
        (b"k", None, [("traceparent", TRACEPARENT)], "null body", b"nobody"),
        (b"k", b"\xff\xfe", [("traceparent", TRACEPARENT)], "body is not UTF-8", "\ufffd\ufffd".encode()),
        (None, b"Ada", [("traceparent", TRACEPARENT)], "empty key", b"Ada"),
        (b"k", b"Ada", [("traceparent", TRACEPARENT), ("reply-to", b"a b\xff")], "bad reply-to", b"Ada"),
        (b"k", b"Ada", [("traceparent", TRACEPARENT), ("reply-partition", b"-1")], "bad reply-partition", b"Ada"),
        (
            b"k",
            b"Ada",
            [("traceparent", TRACEPARENT), ("reply-partition", "٣".encode())],
            "bad reply-partition",
            b"Ada",
        ),
    ],
)
def test_poisoned_requests_are_named_and_answered(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], anomaly: str, text: bytes
) -> None:
    """Each anomaly has its name, and an answer on the default topic all the same."""
    request = parse_request(key, value, headers, PLAIN, "default")
    reply = build_reply(request, key, b"1234567890abcdef", b"")
    assert request.anomalies == (anomaly,)
    assert (reply.topic, reply.partition, reply.key) == ("default", None, key)
    assert reply.value.endswith(b" for " + text)


@given(st.binary(max_size=40), st.binary(max_size=300), st.lists(st.tuples(st.sampled_from(
    ["traceparent", "reply-to", "reply-partition", "x"]), st.none() | st.binary(max_size=60)), max_size=5))  # fmt: skip
def test_no_bytes_at_all_break_the_parser(key: bytes, value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    """Whatever arrives is parsed somehow and answered with valid UTF-8."""
    request = parse_request(key, value, headers, PLAIN, "default")
    reply = build_reply(request, key, b"1234567890abcdef", b"t")
    reply.value.decode("utf-8")
    assert reply.topic
    assert len(truncate(reply).value) <= 200
    assert without_partition(reply).partition is None
