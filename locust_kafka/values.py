"""Values as they are given, by a flag, a variable, a class attribute or an argument: each parsed in one place."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from locust_kafka.core.schedule import Stage, parse_rate
from locust_kafka.errors import SettingsError


class Given(NamedTuple):
    """A value and where it comes from, as its user knows it: a flag, a variable, `Guest.reply_timeout`."""

    value: Any
    source: str


def text(given: Given) -> str:
    """The value as text."""
    return str(given.value).strip()


def number(value: Any, what: str, low: float, high: float) -> float:
    """Check a number, given as one or as text, against its bounds.

    Raises:
        SettingsError: it is none, or out of bounds.
    """
    try:
        result = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if not low <= result <= high:
        raise SettingsError(f"{what} {value!r} is refused: give a number from {low:g} to {high:g}")
    return result


def rate(value: Any, what: str) -> tuple[Stage, ...]:
    """Parse a rate with its stages.

    Raises:
        SettingsError: it is none.
    """
    try:
        return parse_rate(f"{value:f}" if isinstance(value, float) else str(value))
    except ValueError as refused:
        raise SettingsError(f"{what} {value!r} is refused: {refused}") from refused


def topic(value: Any, what: str) -> str:
    """Check a topic's name by Apache Kafka's rules.

    Raises:
        SettingsError: it is none.
    """
    name = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in (".", ".."):
        raise SettingsError(f"{what} {value!r} is no topic name: use 1 to 249 of letters, digits, '.', '_' and '-'")
    return name


def header_name(value: Any, what: str) -> str:
    """Check a record header's name: text that can be printed, so that it is UTF-8 without a zero.

    Raises:
        SettingsError: it is none.
    """
    name = value.strip() if isinstance(value, str) else ""
    if not name or not name.isprintable():
        raise SettingsError(f"{what} {value!r} is no header name: give printable text of at least one character")
    return name


def one_of(value: Any, what: str, *words: str) -> str:
    """Check a word against those that are known.

    Raises:
        SettingsError: it is none of them.
    """
    word = value.strip() if isinstance(value, str) else value
    if word in words:
        return str(word)
    raise SettingsError(f"{what} {value!r} is unknown: use {' or '.join(words)}")


def printable(given: Given) -> str:
    """What librdkafka and consoles take: no lone surrogate of a byte that was no UTF-8, no zero."""
    if not text(given).isprintable():
        raise SettingsError(f"{given.source} {given.value!r} holds a character that cannot be printed: write it anew")
    return text(given)


def refuse_servers(servers: str) -> str:
    """Why a list of brokers cannot be used, in words that hold no secret; "" when it can.

    librdkafka takes a port modulo 65536, so another broker than the one that was meant may answer.
    """
    if "@" in servers:
        return "holds an @: write host:port,... without user and password, which are sasl.username and sasl.password"
    for server in servers.split(","):
        port = re.search(r":([0-9]+)\s*$", server)
        is_port = server.count(":", server.rfind("]") + 1) == 1 or "://" in server  # else it ends an IPv6 address
        if port is not None and is_port and not 0 < int(port[1][:6]) < 65536:
            return f"names the port {port[1][:6]}: a port is a number from 1 to 65535"
    return ""
