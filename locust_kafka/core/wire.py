"""Plain values that another process or an earlier run has written, checked before anything is made of them.

Each function takes one value and returns it, or raises ValueError: what it accepts can be added up, compared, divided
and written as JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from locust_kafka.core.bounds import MAX_SENTENCES, at_most

MAX_VALUE = 2**63
"""Above every count and every instant in ns."""
Reader = Callable[[Any], Any]
MAX_INSTANT_S = 2.0**35
"""In the year 3058: a second beyond it would stay the latest for ever."""
MIN_MAGNITUDE = 1e-9
"""What is nearer to 0 is 0: it could only make a rate infinite."""


def count(value: Any) -> int:
    """A whole number that is not negative."""
    return _whole(value, 0)


def signed(value: Any) -> int:
    """A whole number, such as a leg between two clocks."""
    return _whole(value, -MAX_VALUE)


def number(value: Any, low: float = 0.0, high: float = MAX_VALUE) -> float:
    """A number between bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # nor is NaN
        raise ValueError(f"a value is no number from {low:g} to {high:g}")
    return 0.0 if -MIN_MAGNITUDE < value < MIN_MAGNITUDE else float(value)


def text(value: Any) -> str:
    """A text that can be written as UTF-8."""
    if not isinstance(value, str):
        raise ValueError(f"a value is no text but a {type(value).__name__}")  # noqa: TRY004 # one kind for all
    value.encode()
    return value


def truth(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"a value is neither true nor false but a {type(value).__name__}")  # noqa: TRY004 # as above
    return value


def texts(value: Any) -> list[str]:
    """A list of texts."""
    return [text(one) for one in listed(value)]


def sentences(value: Any) -> list[str]:
    """Texts, not more of them than anybody would read."""
    return at_most(texts(value), MAX_SENTENCES)  # type: ignore[no-any-return]


def listed(value: Any) -> list[Any]:
    """A list: a text is none, although it can be walked through."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"a value is no list but a {type(value).__name__}")  # noqa: TRY004 # as above
    return list(value)


def counts(value: Any) -> dict[str, int]:
    """Counts by texts."""
    return {text(name): count(one) for name, one in value.items()}


def clocks(value: Any) -> dict[str, tuple[float, float]]:
    """An offset and its uncertainty by texts."""
    found = {}
    for name, (offset, uncertainty) in value.items():
        found[text(name)] = number(offset, -MAX_VALUE), number(uncertainty)
    return found


def _whole(value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < MAX_VALUE:
        raise ValueError(f"a value is no whole number from {low} to 2**63")
    return value
