"""How a request and a reply are recognised as one exchange: the rule of `--kafka-match`, or two extractors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from locust_kafka.core.traceparent import trace_id_of

Headers = Sequence[tuple[str, bytes | str | None]]
Extractor = Callable[[bytes | None, bytes | None, Headers], bytes | None]
"""(key, value, headers) → correlation id, or None when there is none."""


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
        text: as in `--kafka-match`.
        of_request: request → id.
        of_reply: reply → id.
        ours: whether ids are trace ids made here, so that an unknown one can be known to be ours by its prefix.
    """

    text: str
    of_request: Extractor
    of_reply: Extractor
    ours: bool

    def reply_id(self, message: Any) -> bytes | None:
        """The id of a reply message; None for one that has none, or when a user's extractor raised."""
        try:
            return self.of_reply(message.key(), message.value(), message.headers() or ())
        except Exception:
            return None


def rule(text: str) -> Rule:
    """The rule of a `--kafka-match` value (already validated)."""
    if text == "key":
        return Rule(text, lambda key, _value, _headers: key, lambda key, _value, _headers: key, ours=False)
    if text.startswith("header:"):
        name = text.partition(":")[2]

        def of_header(_key: bytes | None, _value: bytes | None, headers: Headers) -> bytes | None:
            return last_header(headers, name)

        return Rule(text, of_header, of_header, ours=False)
    return Rule(text, _of_trace, _of_trace, ours=True)


def _of_trace(_key: bytes | None, _value: bytes | None, headers: Headers) -> bytes | None:
    return trace_id_of(last_header(headers, "traceparent"))
