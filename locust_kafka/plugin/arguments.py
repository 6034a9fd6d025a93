"""What a locustfile hands over with a request, checked before anything is registered.

A wrong type is a TypeError that names the type; a value that cannot be sent is a ValueError that says why.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from locust_kafka.core.traceparent import TraceContext, parse_traceparent
from locust_kafka.exchange.matching import last_header
from locust_kafka.settings import MAX_TIMEOUT_S

Value = bytes | str | None
HeaderInput = Mapping[str, bytes | str | None] | Sequence[tuple[str, bytes | str | None]] | None
HeaderList = list[tuple[str, str | bytes | None]]

MAX_NAME = 1_000
"""Characters of a request's name."""


class DefaultKey(enum.Enum):
    """The key of a request that was given none: a random UUID.  `key=None` sends a record without a key."""

    UUID = "a random UUID"


def payload(value: Any) -> bytes | None:
    """A record's value as bytes.

    Raises:
        TypeError: it is neither bytes nor text nor None.
        ValueError: the text cannot be encoded.
    """
    return _record_bytes(value, "value", ": serialize it first")


def record_key(key: Any) -> bytes | None:
    """A record's key as bytes.

    Raises:
        TypeError: it is neither bytes nor text nor None.
        ValueError: the text cannot be encoded.
    """
    return _record_bytes(key, "key", "")


def request_name(name: Any) -> str:
    """The name of a request's row.

    Raises:
        TypeError: it is no text.
        ValueError: it is empty, too long, or cannot be encoded.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    encoded(name, "name")
    if not 0 < len(name) <= MAX_NAME:
        raise ValueError(f"name has {len(name)} characters: give 1 to {MAX_NAME}")
    return name


def reply_timeout_s(timeout: Any) -> float:
    """A request's own timeout in seconds.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of bounds.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not (math.isfinite(timeout) and 0.001 <= timeout <= MAX_TIMEOUT_S):
        raise ValueError(f"timeout {timeout!r} is refused: give 0.001 to {MAX_TIMEOUT_S:g} seconds")
    return float(timeout)


def request_headers(headers: Any, reserved: Collection[str]) -> HeaderList:
    """A request's own headers as (name, value) pairs; a traceparent is left out, see `parent_context`.

    Args:
        headers: a mapping, or pairs.
        reserved: the headers that say where the reply is to come, which are ours.

    Raises:
        TypeError: a name is no text, or a value is neither bytes nor text nor None.
        ValueError: a name or a value cannot be encoded, or a name is ours.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    if isinstance(pairs, (str, bytes)) or not hasattr(pairs, "__iter__"):
        raise TypeError(f"headers must be a mapping or (name, value) pairs, not {type(headers).__name__}")
    checked: HeaderList = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"headers must be (name, value) pairs; one is a {type(pair).__name__}")
        name, value = pair
        if not isinstance(name, str):
            raise TypeError(f"a header's name must be str, not {type(name).__name__}")
        if not (value is None or isinstance(value, (bytes, str))):
            raise TypeError(f"the header {name!a} must be bytes, str or None, not {type(value).__name__}")
        encoded(name, "a header's name")
        if name in reserved:
            raise ValueError(
                f"the header {name!r} is set by the plugin: give the user class a reply_topic, or use "
                "--kafka-reply-routing shared, instead"
            )
        checked.append((name, encoded(value, f"the header {name!r}") if isinstance(value, str) else value))
    return checked


def parent_context(headers: HeaderList) -> tuple[TraceContext | None, HeaderList]:
    """The user's own trace context, as OpenTelemetry's `inject` writes it, and the headers without it.

    Raises:
        ValueError: the traceparent is none by W3C's rules.
    """
    given = last_header(headers, "traceparent")
    if given is None:
        return None, headers
    context = parse_traceparent(given)
    if context is None:
        raise ValueError(f"traceparent {given[:80]!r} is refused: W3C wants 00-<32 hex digits>-<16 hex digits>-<2>")
    return context, [(name, value) for name, value in headers if name != "traceparent"]


def encoded(text: str, what: str) -> bytes:
    """Text as UTF-8.

    Raises:
        ValueError: it holds a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} cannot be sent: character {error.start} is a lone surrogate, which UTF-8 does not have"
        ) from None


def _record_bytes(given: Any, what: str, remedy: str) -> bytes | None:
    if given is None or isinstance(given, bytes):
        return given
    if isinstance(given, str):
        return encoded(given, what)
    raise TypeError(f"{what} must be bytes, str or None, not {type(given).__name__}{remedy}")
