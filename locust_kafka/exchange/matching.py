"""How a request and a reply are recognised as one exchange: the rule of `--kafka-match`, or two extractors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from locust_kafka.core.traceparent import trace_id_of
from locust_kafka.kafka.record import headers_of, record_headers, trace_of_reply

logger = logging.getLogger("locust_kafka")

Headers = Sequence[tuple[str, bytes | str | None]]
Extractor = Callable[[bytes | None, bytes | None, Headers], bytes | None]
"""(key, value, headers) → correlation id; None when there is none."""


class Match(NamedTuple):
    """Two extractors of a locustfile, for services that `--kafka-match` cannot describe.

    Attributes:
        request: (key, value, headers) of a request → its correlation id; None takes the trace id.
        reply: the same of a reply; None for a reply without one.
    """

    request: Extractor
    reply: Extractor


def last_header(headers: Headers | None, name: str) -> bytes | None:
    """The value of the last header of that name: Kafka allows several, and the last writer wins."""
    for header, value in reversed(headers or ()):
        if header == name:
            return value.encode() if isinstance(value, str) else value
    return None


@dataclass(frozen=True, slots=True)
class Rule:
    """What identifies an exchange.

    Attributes:
        text: as in `--kafka-match`, for messages.
        of_request: request → id.
        of_reply: reply message → id; None for one that has none.
        ours: whether ids are trace ids made here, so that an unknown one can be known to be ours by its prefix.
        header: the header that carries the id, to be filled in where the user gives none; "" for no header.
    """

    text: str
    of_request: Extractor
    of_reply: Callable[[Any], bytes | None]
    ours: bool
    header: str = ""


def rule(text: str) -> Rule:
    """The rule of a `--kafka-match` value (already validated)."""
    if text == "key":
        return Rule(text, lambda key, _value, _headers: key or None, lambda reply: reply.key(), ours=False)
    name = text.partition(":")[2]
    if name:

        def of_header(_key: bytes | None, _value: bytes | None, headers: Headers) -> bytes | None:
            return last_header(headers, name) or None  # an empty id would name nobody

        return Rule(text, of_header, lambda reply: last_header(headers_of(reply), name), ours=False, header=name)
    return Rule(text, _trace_of_request, trace_of_reply, ours=True)


def rule_of(match: Match) -> Rule:
    """The rule of a locustfile's two extractors; one that raises for a reply is said once, and finds no id."""
    said = False

    def of_request(key: bytes | None, value: bytes | None, headers: Headers) -> bytes | None:
        return _checked(match.request(key, value, headers), "request")

    def of_reply(reply: Any) -> bytes | None:
        nonlocal said
        try:
            return _checked(match.reply(reply.key(), reply.value(), record_headers(reply) or []), "reply")
        except Exception as error:
            if not said:
                said = True
                logger.warning(
                    "match.reply raised %r: such a reply counts as MALFORMED (said once; counted); "
                    "let it return None for a reply without an id", error,
                )  # fmt: skip
            return None

    return Rule("two extractors", of_request, of_reply, ours=False)


def _checked(found: Any, which: str) -> bytes | None:
    if found is None or isinstance(found, bytes):
        return found or None
    raise TypeError(f"match.{which} must return bytes or None, not {type(found).__name__}")


def _trace_of_request(_key: bytes | None, _value: bytes | None, headers: Headers) -> bytes | None:
    return trace_id_of(last_header(headers, "traceparent"))
