"""From a request's bytes to its reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core import headers as wire
from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.request import (
    _topic_name,
    build_reply,
    parse_request,
    topic_name,
    truncate,
    with_traceparent,
    without_partition,
)

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


def test_unreadable_headers_are_an_anomaly_and_the_key_decides() -> None:
    """Without headers there is no trace context: the plan is the key's, the reply goes to the default topic."""
    behaviour = Behaviour(Wait("uniform", 1, 900), drop=0.5, seed=3)
    for number in range(50):
        key = b"k%d" % number
        request = parse_request(key, b"Ada", None, behaviour, "default")
        assert request.anomalies == ("unreadable headers",)
        assert request.plan == behaviour.plan(key)
        reply = build_reply(request, key, b"1234567890abcdef", b"t")
        assert (reply.topic, reply.partition, [name for name, _ in reply.headers]) == (
            "default",
            None,
            ["server-timing"],
        )


def test_huge_and_empty_headers_are_read_like_others() -> None:
    """Ten thousand headers, empty names, a megabyte of server-timing or traceparent: the good ones are found."""
    many: list[tuple[str, bytes | None]] = [("", b""), ("x", None), ("server-timing", b"a" * 1_000_000)] * 3334
    good: list[tuple[str, bytes | None]] = [("traceparent", TRACEPARENT), ("reply-to", b"elsewhere")]
    request = parse_request(b"k", b"Ada", [*many, *good, *many], PLAIN, "default")
    assert (request.anomalies, request.reply_to) == ((), "elsewhere")
    bad: list[tuple[str, bytes | None]] = [
        (name, b"0" * 1_000_000) for name in ("traceparent", "reply-to", "reply-partition")
    ]
    request = parse_request(b"k", b"Ada", bad, PLAIN, "default")
    assert request.anomalies == ("bad traceparent", "bad reply-to", "bad reply-partition")


def test_names_that_kafka_does_not_allow_are_no_topics() -> None:
    """Empty, too long, `.` and `..`, other characters: the reply goes to the default topic; nothing huge is remembered."""
    for value in (b"", b"x" * 250, b".", b"..", b"a b", "ä".encode(), b"a/b", b"a\x00"):
        assert topic_name(value) is None
    assert topic_name(b"x" * 249) == "x" * 249
    before = _topic_name.cache_info().currsize
    assert topic_name(b"y" * 1_000_000) is None
    assert _topic_name.cache_info().currsize == before


@given(st.text(max_size=300), st.none() | st.binary(max_size=9))
def test_a_truncated_reply_is_still_text(name: str, key: bytes | None) -> None:
    """Cut at any byte, the text stays valid UTF-8 and begins as before; the rest of the reply is kept."""
    value = name.encode("utf-8", "replace")
    reply = build_reply(parse_request(key, value, [("traceparent", TRACEPARENT)], PLAIN, "t"), key, b"1" * 16, b"x")
    cut = truncate(reply)
    assert reply.value.decode().startswith(cut.value.decode())
    assert 200 - 3 <= len(cut.value) <= 200 or cut.value == reply.value
    assert (cut.topic, cut.partition, cut.key) == (reply.topic, reply.partition, reply.key)
    assert cut.headers == [*reply.headers, ("error", b"reply too large")]


def test_with_traceparent_replaces_it() -> None:
    """The sending span's traceparent stands for the old one; other headers stay."""
    reply = build_reply(parse_request(b"k", b"v", [("traceparent", TRACEPARENT)], PLAIN, "t"), b"k", b"1" * 16, b"x")
    assert with_traceparent(reply, b"new").headers == [("traceparent", b"new"), ("server-timing", b"x")]
