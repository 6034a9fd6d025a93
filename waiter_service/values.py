"""What the values of the waiter's options look like; a parser that refuses one says what it takes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Final

from waiter_service.core.behaviour import Wait
from waiter_service.core.request import topic_name

_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def parse_duration_ms(text: str) -> float:
    """Parse `500ms`, `2s`, `250us` or `1m` into milliseconds; the unit may not be left out."""
    match = re.fullmatch(r"([0-9]{1,8}(?:\.[0-9]{1,9})?)(us|ms|s|m)", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write a number and a unit, such as 500ms or 3s")
    return float(match[1]) * _UNITS_MS[match[2]]


def parse_share(text: str) -> float:
    """Parse `5%` or `0.05` into 0.05."""
    stripped = text.strip()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: write 0% to 100%, or 0 to 1")
    return value


def parse_late(text: str) -> tuple[float, float]:
    """Parse `5%:3s` into (0.05, 3.0): which share, and by how many seconds."""
    part, colon, delay = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} says no delay: write a share and a duration, such as 5%:3s")
    return parse_share(part), parse_duration_ms(delay) / 1000


def parse_wait(text: str) -> Wait:
    """Parse `500ms`, `uniform:100ms-900ms` or `lognormal:50ms:0.5` (median and sigma)."""
    kind, _, rest = text.partition(":")
    if kind == "uniform":
        low, dash, high = rest.partition("-")
        if not dash:
            raise argparse.ArgumentTypeError(f"{text!r} names no range: write uniform:100ms-900ms")
        a, b = parse_duration_ms(low), parse_duration_ms(high)
        if a > b:
            raise argparse.ArgumentTypeError(f"{text!r}: the lower end is above the upper one")
        return Wait("uniform", a, b)
    if kind == "lognormal":
        median, _, sigma = rest.partition(":")
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", sigma) is None or float(sigma) > 5:
            raise argparse.ArgumentTypeError(f"{text!r}: sigma is a number from 0 to 5, as in lognormal:50ms:0.5")
        return Wait("lognormal", parse_duration_ms(median), float(sigma))
    return Wait("fixed", parse_duration_ms(text))


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse_number(text: str) -> int:
        if re.fullmatch(r"-?[0-9]{1,20}", text.strip()) is None or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse_number


def parse_port(text: str) -> int | None:
    """Parse a TCP port, or `off`."""
    return None if text.strip().lower() == "off" else whole_number(1, 65535)(text)


def parse_topic(text: str) -> str:
    """Accept the name of a topic as Kafka allows it."""
    if topic_name(text.encode("utf-8", "replace")) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a topic's name: write up to 249 ASCII letters, digits, '.', '_' and '-'"
        )
    return text


def parse_text(text: str) -> str:
    """Accept text that can be printed; what cannot (a byte that is no UTF-8) would crash librdkafka."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is empty or holds characters that cannot be printed")
    return text


def parse_protocol(text: str) -> str:
    """Accept `classic` or `consumer`."""
    if text not in ("classic", "consumer"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither classic nor consumer")
    return text


def parse_reference(text: str) -> str:
    """Accept MODULE:FUNCTION, or `none`."""
    if text != "none" and not re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not MODULE:FUNCTION, as in tokens:from_vault")
    return text
