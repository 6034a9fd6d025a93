"""From a request to its replies, purely: nothing here touches Kafka, a clock or a thread.

Poisoned input is data too: each oddity has a name that is counted, and the request is answered all the same where
an answer is possible.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from waiter_service.core import headers as wire
from waiter_service.core.behaviour import Behaviour, Plan

MAX_TOPIC_LENGTH = 249  # Apache Kafka's own limit
_TOPIC_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
SHORT_BYTES = 200
"""What is left of a reply's text when the broker finds it too large."""


class Reply(NamedTuple):
    """One record to be produced; partition None lets the key decide."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class Understood(NamedTuple):
    """A request as the waiter understood it.

    Attributes:
        plan: what will be done with it.
        context: its trace context; None when it had none that could be used.
        reply_to: the topic its replies go to.
        reply_partition: the partition it asked for, or None.
        name: for whom the waiter waits.
        oddities: what was wrong with it, in the words used for counting; empty for a good request.
    """

    plan: Plan
    context: wire.TraceContext | None
    reply_to: str
    reply_partition: int | None
    name: bytes
    oddities: tuple[str, ...]


def understand(
    key: bytes | None, value: bytes | None, headers: wire.Headers, behaviour: Behaviour, default_topic: str
) -> Understood:
    """Read a request's parts and decide what to do with it."""
    oddities: list[str] = []
    context = _context(headers, oddities)
    reply_to = _reply_to(headers, default_topic, oddities)
    partition = _reply_partition(headers, oddities)
    name = _name(value, oddities)
    if not key:
        oddities.append("empty key")
    identity = context.trace_id if context is not None else key or b""
    return Understood(behaviour.plan(identity), context, reply_to, partition, name, tuple(oddities))


def answer(request: Understood, key: bytes | None, span_id: bytes, timing: bytes) -> Reply:
    """The reply to a request.  A duplicated one is sent twice as it is.

    Args:
        request: what `understand` made of it.
        key: the request's key, kept.
        span_id: the sending span's id, 16 hex digits.
        timing: the `server-timing` header's value.
    """
    headers: list[tuple[str, str | bytes | None]] = [(wire.SERVER_TIMING, timing)]
    if request.context is not None:
        headers.insert(0, (wire.TRACEPARENT, request.context.unrecorded(span_id)))
    if request.plan.error:
        headers.append((wire.ERROR, b"injected"))
    value = b"I have been waiting %.0f ms for %s" % (request.plan.wait_ms, request.name)
    return Reply(request.reply_to, request.reply_partition, key, value, headers)


def recorded(reply: Reply, traceparent: bytes) -> Reply:
    """The same reply under the span that sends it."""
    headers = [header for header in reply.headers if header[0] != wire.TRACEPARENT]
    return reply._replace(headers=[(wire.TRACEPARENT, traceparent), *headers])


def shortened(reply: Reply) -> Reply:
    """The same reply in few bytes, for when the broker finds it too large: its text is cut, an error header says so."""
    headers = [*reply.headers, (wire.ERROR, b"reply too large")]
    return Reply(reply.topic, reply.partition, reply.key, reply.value[:SHORT_BYTES], headers)


def by_key(reply: Reply) -> Reply:
    """The same reply without the partition it asked for, for when that one does not exist."""
    return Reply(reply.topic, None, reply.key, reply.value, reply.headers)


def _context(headers: wire.Headers, oddities: list[str]) -> wire.TraceContext | None:
    value = wire.last(headers, wire.TRACEPARENT)
    if value is None:
        oddities.append("no traceparent")
        return None
    context = wire.parse_traceparent(value)
    if context is None:
        oddities.append("bad traceparent")
    return context


def _reply_to(headers: wire.Headers, default_topic: str, oddities: list[str]) -> str:
    value = wire.last(headers, wire.REPLY_TO)
    if value is None:
        return default_topic
    topic = _topic(value)
    if topic is None:
        oddities.append("bad reply-to")
        return default_topic
    return topic


@lru_cache(1024)  # a run has few reply topics
def _topic(value: bytes) -> str | None:
    topic = value.decode("ascii", "replace")
    return topic if 0 < len(topic) <= MAX_TOPIC_LENGTH and _TOPIC_CHARACTERS.issuperset(topic) else None


def _reply_partition(headers: wire.Headers, oddities: list[str]) -> int | None:
    value = wire.last(headers, wire.REPLY_PARTITION)
    if value is None:
        return None
    if value.isdigit() and len(value) < 10:  # ASCII digits only: bytes.isdigit() knows no others
        return int(value)
    oddities.append("bad reply-partition")
    return None


def _name(value: bytes | None, oddities: list[str]) -> bytes:
    if value is None:
        oddities.append("null body")
        return b"nobody"
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        oddities.append("body is not UTF-8")
        return value.decode("utf-8", "replace").encode()
    return value
