"""From a request's bytes to its replies: pure, without Kafka, clocks or threads.

A request that breaks the wire contract is an anomaly: it is named, counted, and answered wherever that is possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from waiter_service.core import headers as wire
from waiter_service.core.behaviour import Behaviour, Plan

MAX_TOPIC_LENGTH = 249  # Apache Kafka's own limit
_TOPIC_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
TRUNCATED_BYTES = 200
"""How many bytes of a reply's text are kept when the broker finds the reply too large."""


@dataclass(slots=True)
class Request:
    """A record as it was read.

    Attributes:
        topic: the topic it was read from.
        partition: the partition it was read from.
        offset: its offset there.
        key: its key.
        value: its value.
        headers: its headers; None when they could not be read.
        append_ms: when the broker appended it, ms since 1970; None when the topic keeps the sender's time.
        received_ns: when the consumer got it (time.perf_counter_ns).
        queued_ns: when the request queue had room for it (time.perf_counter_ns).
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: wire.Headers | None
    append_ms: int | None
    received_ns: int
    queued_ns: int = 0

    def position(self) -> str:
        """Return topic[partition]@offset, for messages to people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Reply(NamedTuple):
    """One record to be produced; partition None lets the key decide."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class ParsedRequest(NamedTuple):
    """What a request asks for, and what will be done with it.

    Attributes:
        plan: what will be done with it.
        context: its trace context; None when it has none that can be used.
        reply_to: the topic of its replies.
        reply_partition: the partition it asks for, or None.
        name: for whom the waiter waits; valid UTF-8.
        anomalies: where it breaks the wire contract, in the words used for counting; empty for a good request.
    """

    plan: Plan
    context: wire.TraceContext | None
    reply_to: str
    reply_partition: int | None
    name: bytes
    anomalies: tuple[str, ...]


def parse_request(
    key: bytes | None, value: bytes | None, headers: wire.Headers | None, behaviour: Behaviour, default_topic: str
) -> ParsedRequest:
    """Read a request's parts and decide what to do with it.  No content of a record makes this raise.

    Args:
        key: the record's key.
        value: the record's value: for whom the waiter waits.
        headers: the record's headers; None when they could not be read.
        behaviour: decides by the trace id, or by the key of a request without one.
        default_topic: where replies go to that ask for no topic.
    """
    anomalies: list[str] = []
    if headers is None:
        anomalies.append("unreadable headers")
        context, reply_to, partition = None, default_topic, None
    else:
        context = _context(headers, anomalies)
        reply_to = _reply_to(headers, default_topic, anomalies)
        partition = _reply_partition(headers, anomalies)
    name = _name(value, anomalies)
    if not key:
        anomalies.append("empty key")
    identity = context.trace_id if context is not None else key or b""
    return ParsedRequest(behaviour.plan(identity), context, reply_to, partition, name, tuple(anomalies))


def build_reply(request: ParsedRequest, key: bytes | None, span_id: bytes, timing: bytes) -> Reply:
    """Build the reply to a request.  A duplicated reply is this one, sent twice.

    Args:
        request: what `parse_request` returned.
        key: the request's key; the reply has the same.
        span_id: the sending span's id, 16 hex digits.
        timing: the `server-timing` header's value.
    """
    headers: list[tuple[str, str | bytes | None]] = [(wire.SERVER_TIMING, timing)]
    if request.context is not None:
        headers.insert(0, (wire.TRACEPARENT, request.context.unsampled_child(span_id)))
    if request.plan.error:
        headers.append((wire.ERROR, wire.INJECTED))
    value = b"I have been waiting %.0f ms for %s" % (request.plan.wait_ms, request.name)
    return Reply(request.reply_to, request.reply_partition, key, value, headers)


def with_traceparent(reply: Reply, traceparent: bytes) -> Reply:
    """Return the reply with the traceparent of the span that sends it."""
    headers = [header for header in reply.headers if header[0] != wire.TRACEPARENT]
    return reply._replace(headers=[(wire.TRACEPARENT, traceparent), *headers])


def truncate(reply: Reply) -> Reply:
    """Return the reply with its text cut to TRUNCATED_BYTES (still UTF-8) and an error header that says so."""
    text = reply.value[:TRUNCATED_BYTES].decode("utf-8", "ignore").encode()
    return reply._replace(value=text, headers=[*reply.headers, (wire.ERROR, b"reply too large")])


def without_partition(reply: Reply) -> Reply:
    """Return the reply without the partition it asked for, so that its key decides."""
    return reply._replace(partition=None)


def topic_name(value: bytes) -> str | None:
    """Return the topic that bytes name; None when Kafka allows no topic of that name."""
    # The length first: the cache must not keep a megabyte for each bad header.
    return _topic_name(value) if 0 < len(value) <= MAX_TOPIC_LENGTH else None


@lru_cache(1024)  # a run has few reply topics
def _topic_name(value: bytes) -> str | None:
    topic = value.decode("ascii", "replace")
    return topic if _TOPIC_CHARACTERS.issuperset(topic) and topic not in (".", "..") else None


def _context(headers: wire.Headers, anomalies: list[str]) -> wire.TraceContext | None:
    value = wire.last_header(headers, wire.TRACEPARENT)
    if value is None:
        anomalies.append("no traceparent")
        return None
    context = wire.parse_traceparent(value)
    if context is None:
        anomalies.append("bad traceparent")
    return context


def _reply_to(headers: wire.Headers, default_topic: str, anomalies: list[str]) -> str:
    value = wire.last_header(headers, wire.REPLY_TO)
    if value is None:
        return default_topic
    topic = topic_name(value)
    if topic is None:
        anomalies.append("bad reply-to")
        return default_topic
    return topic


def _reply_partition(headers: wire.Headers, anomalies: list[str]) -> int | None:
    value = wire.last_header(headers, wire.REPLY_PARTITION)
    if value is None:
        return None
    if len(value) < 10 and value.isdigit():  # bytes.isdigit() accepts ASCII digits only
        return int(value)
    anomalies.append("bad reply-partition")
    return None


def _name(value: bytes | None, anomalies: list[str]) -> bytes:
    if value is None:
        anomalies.append("null body")
        return b"nobody"
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        anomalies.append("body is not UTF-8")
        return value.decode("utf-8", "replace").encode()
    return value
