"""How large in every way what arrives from another process may be, before anything of it is looked into.

A worker of this version sends nothing that is refused here.  One that is broken, or not one of ours, can send wrong
figures; it cannot send what fails later, where a report is written.  What a value must be, `wire` knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 10
MAX_ITEMS = 50_000
"""Of one list or mapping."""
MAX_TEXT = 2_000
"""Characters; what is longer is cut."""
MAX_WHOLE = 2**63 - 1
MAX_FLOAT = 1e18
MAX_SENTENCES = 100
BUCKETS = "buckets"
SERIES = {"count", "sum_ns", "min_ns", "max_ns", BUCKETS}
"""The keys of a latency series: of its buckets there are many, and the series checks them itself, all at once."""


def bounded(value: Any, depth: int = 0) -> Any:
    """The same value, if it is plain and not too large in any way; texts are cut.

    Raises:
        TypeError, ValueError: it is not.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_WHOLE:
            raise ValueError("a number above 2 to the 63rd")
        return value
    if isinstance(value, float):
        if not abs(value) <= MAX_FLOAT:  # neither is what is not a number
            raise ValueError(f"a number that is not one, or above {MAX_FLOAT:g}")
        return value
    if isinstance(value, str):
        return _cut(value)
    if type(value) not in (list, tuple, dict):
        raise TypeError(f"a {type(value).__name__}")
    return _bounded_items(at_most(value, MAX_ITEMS), depth + 1)


def at_most(values: Any, limit: int) -> Any:
    """The list or mapping, if it has no more items.

    Raises:
        ValueError: it has.
        TypeError: it is neither.
    """
    if len(values) > limit:
        raise ValueError(f"{len(values)} items: more than {limit}")
    return values


def _bounded_items(values: Any, depth: int) -> Any:
    if not isinstance(values, Mapping):
        return type(values)(bounded(one, depth) for one in values)
    if not all(isinstance(key, str) for key in values):
        raise TypeError("a key that is no text")
    bare = BUCKETS if values.keys() == SERIES else None
    return {_cut(key): one if key == bare else bounded(one, depth) for key, one in values.items()}


def _cut(text: str) -> str:
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()
