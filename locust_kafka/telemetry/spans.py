"""From the stamps of a kept exchange to its spans.

| span | from → to | parent |
|---|---|---|
| request <name> | intended start → match, timeout, failure | none; its id travels in the request |
| send <topic> | produce() → delivery report | request |
| process <topic> | reply polled → judged | request, with a link to the service's send |

Stamps are monotonic; a span's instants are on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import Legs
from locust_kafka.core.sampling import Reason
from locust_kafka.core.traceparent import Entropy, parse_server_timing, parse_traceparent, root_span_id
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import last_header
from locust_kafka.exchange.measure import single_legs_ms
from locust_kafka.kafka.record import record_headers, record_metadata
from locust_kafka.telemetry import conventions as c

Attribute = tuple[str, str | int | float]
Event = tuple[str, int, tuple[Attribute, ...]]

CLIENT, PRODUCER, CONSUMER = 3, 4, 5  # SpanKind of OTLP's trace.proto

_new_id = Entropy().take  # span ids need to differ within their trace only: a fork may share what is left of a block
# Looked up by number: an enum member's `name` is a property in Python, and asked for at every exchange.
_OUTCOME_NAMES = [outcome.name for outcome in Outcome]
_ERROR_TYPES = {Outcome.TIMED_OUT: "timeout", Outcome.UNDELIVERED: "undelivered", Outcome.UNFINISHED: "cancelled"}


@dataclass(frozen=True, slots=True, eq=False)
class SpanTemplate:
    """What spans of one kind share; compared by identity, which is cheaper to look up than a tuple of tuples.

    Attributes:
        name: `{operation} {destination}`.
        kind: as in OTLP.
        attributes: the same for all of them.
    """

    name: str
    kind: int
    attributes: tuple[Attribute, ...]


class Span(NamedTuple):
    """One finished span, ready to be encoded.

    Attributes:
        template: what it shares with others.
        trace_id: 16 bytes.
        span_id: 8 bytes.
        parent_id: 8 bytes; empty for the root.
        start_ns: wall clock.
        end_ns: wall clock.
        attributes: its own.
        events: name, wall clock, attributes.
        link: trace id and span id; None for no link.
        error: why it failed; empty when it did not.
    """

    template: SpanTemplate
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    start_ns: int
    end_ns: int
    attributes: tuple[Attribute, ...]
    events: tuple[Event, ...]
    link: tuple[bytes, bytes] | None = None
    error: str = ""


def spans_of_exchange(exchange: Exchange, legs: Legs, reason: Reason, judged_ns: int, wall_ns: int) -> list[Span]:
    """All spans of an ended exchange.

    Args:
        exchange: ended; acknowledged or failed, or its report never came.
        legs: where its time went.
        reason: why it is kept.
        judged_ns: when its end was decided.
        wall_ns: what to add to a monotonic stamp.
    """
    trace_id = bytes.fromhex(exchange.trace_id.decode())
    root_id = bytes.fromhex((exchange.root_span_id or root_span_id(exchange.trace_id)).decode())
    spans = [_root(exchange, legs, reason, judged_ns, wall_ns, trace_id, root_id)]
    if exchange.acked_ns or exchange.failure:
        spans.append(_send(exchange, wall_ns, trace_id, root_id))
    if exchange.reply is not None and exchange.verdict is not None:
        spans.append(
            span_of_reply(trace_id, root_id, exchange.reply, exchange.verdict, exchange.received_ns, judged_ns, wall_ns)
        )
    return spans


def span_of_ended(trace_id: bytes, past: EndedRequest, reason: Reason, wall_ns: int) -> Span:
    """The root of an exchange that is only remembered: a later reply to it needs a parent span."""
    root_id = bytes.fromhex(root_span_id(trace_id.hex().encode()).decode())
    answered = past.outcome is Outcome.MATCHED
    events: tuple[Event, ...] = ((c.SEND_START, past.sent_ns + wall_ns, ()),)
    if answered:
        events += ((c.FIRST_REPLY, past.ended_ns + wall_ns, ()),)
    return Span(
        _request_template(past.name, past.outcome, reason), trace_id, root_id, b"", past.intended_ns + wall_ns,
        past.ended_ns + wall_ns, (), events, None, "" if answered else past.outcome.name,
    )  # fmt: skip


def span_of_reply(
    trace_id: bytes, root_id: bytes, message: Any, verdict: Verdict, received_ns: int, judged_ns: int, wall_ns: int
) -> Span:
    """The span of one reply: polled → judged."""
    headers = record_headers(message) or ()
    context = parse_traceparent(last_header(headers, "traceparent"))
    start_ns = received_ns + wall_ns
    stamp_kind, stamp_ms = message.timestamp()
    events: tuple[Event, ...] = ()
    if stamp_kind == TIMESTAMP_LOG_APPEND_TIME:
        # The broker's clock, in whole milliseconds: it may lie before its span.
        events = ((c.LOG_APPEND, stamp_ms * 1_000_000, ()),)
    link = None
    if context is not None and context.flags & 1:
        link = (bytes.fromhex(context.trace_id.decode()), bytes.fromhex(context.span_id.decode()))
    else:  # the service's half is not in the trace: what it says of itself stands in for it
        timing = parse_server_timing(last_header(headers, "server-timing"))
        events += tuple((f"service: {what}", start_ns, ((c.SERVER_TIMING_MS, ms),)) for what, ms in timing)
    return Span(
        _process_template(message.topic(), message.partition(), verdict), trace_id, _new_id(8), root_id, start_ns,
        judged_ns + wall_ns, ((c.OFFSET, message.offset()),), events, link,
    )  # fmt: skip


def _root(
    exchange: Exchange, legs: Legs, reason: Reason, judged_ns: int, wall_ns: int, trace_id: bytes, root_id: bytes
) -> Span:
    outcome = exchange.outcome
    assert outcome is not None
    matched = outcome is Outcome.MATCHED
    ended_ns = exchange.ended_ns + wall_ns
    attributes: tuple[Attribute, ...] = (
        (c.LATENCY_MS, exchange.latency_ns / 1e6),
        *((c.LEG_MS[leg], ms) for leg, ms in single_legs_ms(legs).items()),
    )
    if exchange.correlation_id != exchange.trace_id:
        attributes += ((c.CONVERSATION, exchange.correlation_id.decode("utf-8", "backslashreplace")),)
    return Span(
        _request_template(exchange.name, outcome, reason), trace_id, root_id,
        bytes.fromhex(exchange.parent_span_id.decode()), exchange.intended_ns + wall_ns,
        judged_ns + wall_ns if matched else ended_ns, attributes, ((_OUTCOME_NAMES[outcome], ended_ns, ()),), None,
        "" if matched else exchange.failure or _OUTCOME_NAMES[outcome],
    )  # fmt: skip


def _send(exchange: Exchange, wall_ns: int, trace_id: bytes, root_id: bytes) -> Span:
    start_ns = exchange.sent_ns + wall_ns
    events: tuple[Event, ...] = ((c.SEND_START, start_ns, ()),)
    if exchange.produced_ns:
        events += ((c.PRODUCE_RETURNED, exchange.produced_ns + wall_ns, ()),)
    attributes: tuple[Attribute, ...] = ()
    partition = None
    if exchange.acked_ns:
        end_ns = exchange.acked_ns + wall_ns
        events += ((c.BROKER_ACK, end_ns, ()),)
    else:
        end_ns = max(exchange.ended_ns, exchange.produced_ns) + wall_ns
        attributes = ((c.ERROR_TYPE, _ERROR_TYPES[Outcome.UNDELIVERED]),)
    if exchange.delivery is not None:
        partition, offset, append_ms = record_metadata(exchange.delivery)
        attributes += ((c.OFFSET, offset),)
        if append_ms:
            events += ((c.LOG_APPEND, append_ms * 1_000_000, ()),)
    if exchange.key:
        key = exchange.key if isinstance(exchange.key, str) else exchange.key.decode("utf-8", "backslashreplace")
        attributes += ((c.KEY, key),)
    return Span(
        _send_template(exchange.topic, partition), trace_id, _new_id(8), root_id, start_ns, end_ns, attributes,
        events, None, exchange.failure,
    )  # fmt: skip


def _messaging(operation: str, topic: str) -> tuple[Attribute, ...]:
    common = ((c.SYSTEM, "kafka"), (c.DESTINATION, topic))
    return (*common, (c.OPERATION_NAME, operation), (c.OPERATION_TYPE, operation))


@lru_cache(1000)
def _send_template(topic: str, partition: int | None) -> SpanTemplate:
    attributes = _messaging("send", topic)
    if partition is not None:
        attributes += ((c.PARTITION, str(partition)),)
    return SpanTemplate(f"send {topic}", PRODUCER, attributes)


@lru_cache(1000)
def _process_template(topic: str, partition: int, verdict: Verdict) -> SpanTemplate:
    attributes = (*_messaging("process", topic), (c.PARTITION, str(partition)), (c.VERDICT, verdict.name))
    return SpanTemplate(f"process {topic}", CONSUMER, attributes)


@lru_cache(1000)
def _request_template(name: str, outcome: Outcome, reason: Reason) -> SpanTemplate:
    attributes: tuple[Attribute, ...] = ((c.OUTCOME, outcome.name), (c.KEPT, reason.name))
    if outcome is not Outcome.MATCHED:
        attributes += ((c.ERROR_TYPE, _ERROR_TYPES[outcome]),)
    return SpanTemplate(f"request {name}", CLIENT, attributes)
