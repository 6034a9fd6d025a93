"""Parsers of what Kafka brings: traceparent, server-timing, replies and requests with any key, value and headers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from locust_kafka.core.traceparent import (
    TraceContext,
    parse_server_timing,
    parse_traceparent,
    request_traceparent,
    trace_id_of,
)
from locust_kafka.exchange.examples import _said_by
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.validation import Validators
from locust_kafka.kafka.causes import BrokerError, PartitionState, connection_failure, delivery_failure, read_failure
from tests.fuzz import mutate
from tests.fuzz.target import Target
from tests.unit.exchange.test_engine import GENERATION, Life
from tests.unit.records import Record
from waiter_service.core import headers as waiters
from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.request import (
    TRUNCATED_BYTES,
    Request,
    build_reply,
    parse_request,
    truncate,
    with_traceparent,
)
from waiter_service.kafka.record import request_of

TRACE_ID, SPAN_ID = b"abcd1234000000000000000000000001", b"00f067aa0ba902b7"
TRACEPARENTS = (
    b"00-" + TRACE_ID + b"-" + SPAN_ID + b"-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + SPAN_ID + b"-00",
    b"cc-4bf92f3577b34da6a3ce929d0e0e4736-" + SPAN_ID + b"-03-what-the-future-holds",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + SPAN_ID + b"-03-no-future",
    b"ff-4bf92f3577b34da6a3ce929d0e0e4736-" + SPAN_ID + b"-01",
    b"00-" + b"0" * 32 + b"-" + SPAN_ID + b"-01",
    b"00-" + TRACE_ID + b"-" + b"0" * 16 + b"-01",
)
TIMINGS = (
    b"queue;dur=0.31, wait;dur=500.2, forward;dur=0.02", b'db;desc="a, b; c";dur="53.5"', b"miss, cache;dur=1;dur=2",
    b"a;dur=1," * 30, b'x;desc="\\"";DUR=7',
)  # fmt: skip
NAMES = ("traceparent", "reply-to", "reply-partition", "server-timing", "error", "id", "", "é")


def _traceparent(value: bytes, found: TraceContext | None) -> None:
    """Both programs and both readers agree; what is accepted is well formed, and written again it is the same."""
    theirs = waiters.parse_traceparent(value)
    assert trace_id_of(value) == (None if found is None else found.trace_id)
    assert (None if theirs is None else tuple(theirs)) == (None if found is None else tuple(found))
    if found is not None:
        assert re.fullmatch(rb"[0-9a-f]{32}", found.trace_id)
        assert re.fullmatch(rb"[0-9a-f]{16}", found.span_id)
        assert any(found.trace_id.strip(b"0"))
        assert any(found.span_id.strip(b"0"))
        assert parse_traceparent(b"00-%b-%b-%02x" % found) == found
        assert trace_id_of(request_traceparent(found.trace_id, sampled=True)) in (found.trace_id, None)


def _server_timing(value: bytes, found: list[tuple[str, float]]) -> None:
    """At most twenty metrics, with short names and finite durations; written again they are the same."""
    assert len(found) <= 20
    assert found == parse_server_timing(value[:1024]), "a header is read beyond its bound"
    for name, ms in found:
        assert 0 < len(name) <= 64
        assert 0 <= ms < 1e12
    plain = [(name, ms) for name, ms in found if re.fullmatch(r"[\w-]+", name, re.ASCII)]
    written = ", ".join(f"{name};dur={ms:.12f}" for name, ms in plain)
    if len(written) <= 1024:
        assert [name for name, _ms in parse_server_timing(written.encode())] == [name for name, _ms in plain]


class Said(NamedTuple):
    """A record's content."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None
    poisoned: bool

    def record(self) -> Record:
        headers = None if self.headers is None else list(self.headers)
        return Record(key=self.key, value=self.value, headers=headers, poisoned=self.poisoned)


def _make_said(rng: Random) -> Said:
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(rng.randrange(6)):
        name = rng.choice(NAMES)
        corpus: tuple[bytes, ...] = {
            "traceparent": TRACEPARENTS, "server-timing": TIMINGS, "reply-partition": (b"0", b"3"),
        }.get(name, (b"Waiter-Responses", b"a.b", b".."))  # fmt: skip
        headers.append((name, rng.choice((None, b"")) if rng.random() < 0.1 else mutate.data(rng, corpus)))
    key = rng.choice((None, b"", mutate.data(rng, (TRACE_ID,))))
    value = rng.choice((None, b"", mutate.data(rng, (b"Ada", "Žofie".encode()))))
    return Said(key, value, rng.choice((headers, headers, headers, None)), rng.random() < 0.1)


def _judged(said: list[Said]) -> Life:
    life = Life()
    life.send(0, 0)
    life.batch(10, *(one.record() for one in said))
    life.process()
    return life


def _replies(said: list[Said], life: Life) -> None:
    """The engine judges any replies: each gets one verdict, the books balance, and nothing ends the run."""
    assert not life.fatal
    life.close()
    results = life.recorder.results
    assert results.replies_read == results.total.read == len(said)
    assert results.balanced(closed=True)
    ours = [one for one in said if not one.poisoned and _trace_of(one) == GENERATION + b"%024x" % 1]
    assert bool(results.total.outcomes[0]) == bool(ours)
    for one in said:
        for text in ("key", "header:id"):
            if not one.poisoned:
                found = rule(text).of_reply(one.record())
                assert found is None or isinstance(found, bytes)
        _said_by(one.record())
        _error_header(one)


def _trace_of(said: Said) -> bytes | None:
    return next((trace_id_of(value) for name, value in reversed(said.headers or ()) if name == "traceparent"), None)


def _error_header(said: Said) -> None:
    from locust_kafka.core.books import Outcome
    from locust_kafka.exchange.exchange import Exchange

    exchange = Exchange(TRACE_ID, "name", 0, 0, 1, TRACE_ID, "requests")
    exchange.outcome, exchange.reply = Outcome.MATCHED, said.record()
    words = Validators(Life().recorder, "error").error_of(exchange)
    assert words is None or (isinstance(words, str) and len(words) < 250)
    if words is not None:
        str(words).encode()


BEHAVIOURS = (Behaviour(Wait("fixed", 5.0)), Behaviour(Wait("lognormal", 50, 0.5), error=0.5, duplicate=0.5, seed=-7))
ANOMALIES = {
    "unreadable headers", "no traceparent", "bad traceparent", "bad reply-to", "bad reply-partition", "empty key",
    "null body", "body is not UTF-8",
}  # fmt: skip


def _read(said: Said) -> Request:
    return request_of(said.record(), "requests", 0, 0, 1)  # type: ignore[arg-type]


def _request(said: Said, request: Request) -> None:
    """Any request is answered: to a topic and a partition that may be, in UTF-8, within its trace."""
    for behaviour in BEHAVIOURS:
        parsed = parse_request(request.key, request.value, request.headers, behaviour, "Waiter-Responses")
        assert ANOMALIES.issuperset(parsed.anomalies)
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", parsed.reply_to)
        assert parsed.reply_to not in (".", "..")
        assert parsed.reply_partition is None or 0 <= parsed.reply_partition < 2**31
        reply = build_reply(parsed, request.key, SPAN_ID, waiters.server_timing(1, 2, 3))
        reply.value.decode()
        assert truncate(reply).value.decode() == reply.value[:TRUNCATED_BYTES].decode("utf-8", "ignore")
        sent = dict(reply.headers).get("traceparent")
        assert (sent is None) == (parsed.context is None)
        if parsed.context is not None:
            assert isinstance(sent, bytes)
            assert trace_id_of(sent) == parsed.context.trace_id == _trace_of(said)
            assert [name for name, _ in with_traceparent(reply, sent).headers].count("traceparent") == 1


CAUSES = (
    "sasl_ssl://broker:9093/bootstrap: SASL authentication error: Authentication failed (after 310ms in state AUTH_REQ)",
    "ssl://b:9093/1: SSL handshake failed: certificate verify failed: broker certificate could not be verified",
    "b:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
    "Failed to resolve 'b:9092': Name or service not known", "Broker: Unknown topic or partition", "1/1 brokers are down",
    "GroupCoordinator: b:9092: Disconnected (after 20ms in state UP)", "%3|1.2|FAIL|x#producer-1| [thrd:b:9092/1]: b:9092/1: down",
    "Broker: Message size too large", "Local: Message timed out", "Broker: Not enough in-sync replicas",
)  # fmt: skip
ERROR_NAMES = (
    "_ALL_BROKERS_DOWN", "_TRANSPORT", "_AUTHENTICATION", "_SSL", "_RESOLVE", "_MSG_TIMED_OUT", "FAIL", "x", "MSG_SIZE_TOO_LARGE",
    "TOPIC_AUTHORIZATION_FAILED", "NOT_ENOUGH_REPLICAS", "SSLCertVerificationError", "UNKNOWN_TOPIC_OR_PART",
)  # fmt: skip


def _make_cause(rng: Random) -> tuple[str, list[tuple[str, str]], int]:
    errors = [(rng.choice(ERROR_NAMES), mutate.text(rng, CAUSES)) for _ in range(rng.randrange(1, 4))]
    return rng.choice(("replies", "é", "")), errors, rng.randrange(4)


def _worded(value: tuple[str, list[tuple[str, str]], int]) -> list[str]:
    topic, said, replicas = value
    errors = [BrokerError(*one) for one in said]
    state = PartitionState(0, replicas - 1, 3, replicas)
    return [
        delivery_failure(topic, errors[0], state), delivery_failure(topic, errors[0]), read_failure(topic, errors[0]),
        connection_failure(
            "b:9092", errors, answered=replicas > 1, security_protocol=("", "SSL", "SASL_SSL", "odd")[replicas], waited_s=8.0,
            flag="--kafka-bootstrap",
        ),
    ]  # fmt: skip


def _cause(_value: Any, sentences: list[str]) -> None:
    """Whatever a broker says becomes a sentence of bounded length."""
    for sentence in sentences:
        assert sentence.strip()
        assert len(sentence) < 2_000


def _make_replies(rng: Random) -> list[Any]:
    return [_make_said(rng) for _ in range(rng.randrange(4))]


TARGETS = (
    Target("traceparent", lambda rng: mutate.data(rng, TRACEPARENTS), parse_traceparent, _traceparent),
    Target("server-timing", lambda rng: mutate.data(rng, TIMINGS), parse_server_timing, _server_timing),
    Target("replies", _make_replies, _judged, _replies),
    Target("waiter's requests", _make_said, _read, _request),
    Target("librdkafka's errors", _make_cause, _worded, _cause),
)
