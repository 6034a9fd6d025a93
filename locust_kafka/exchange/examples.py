"""An exchange as an example: what is kept of it, when the exchange itself is gone."""

from __future__ import annotations

from typing import Any

from locust_kafka.core.examples import Example
from locust_kafka.core.legs import Legs
from locust_kafka.core.traceparent import parse_server_timing
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import last_header
from locust_kafka.exchange.observer import LaterReply
from locust_kafka.kafka.record import record_headers


def example_of_exchange(kind: str, x: Exchange, legs: Legs, reason: object = None) -> Example:
    """Of one that has ended.

    Args:
        kind: why it is worth a look.
        x: the exchange.
        legs: its own.
        reason: why it failed; None when it did not.
    """
    return Example(
        kind, x.name, x.latency_ns, x.trace_id.decode(), legs, str(reason or ""), _said_by(x.reply),
        _place(x.topic, x.delivery), "" if x.reply is None else _place(x.reply.topic(), x.reply),
    )  # fmt: skip


def example_of_later_reply(kind: str, later: LaterReply, trace_id: str) -> Example:
    """Of a reply to an exchange that had ended before.

    Args:
        kind: why it is worth a look.
        later: the reply.
        trace_id: of its exchange.
    """
    message, ended = later.message, later.ended
    return Example(
        kind, ended.name, later.received_ns - ended.intended_ns, trace_id, later.legs, "", _said_by(message),
        reply_at=_place(message.topic(), message),
    )  # fmt: skip


def _said_by(reply: Any) -> tuple[tuple[str, float], ...]:
    if reply is None:
        return ()
    return tuple(parse_server_timing(last_header(record_headers(reply) or (), "server-timing")))


def _place(topic: str, message: Any) -> str:
    return "" if message is None else f"{topic} [{message.partition()}] at {message.offset()}"
