"""How inputs are made: valid ones from a corpus, changed a little, so that most of them pass the first check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

NUMBERS = (
    "0", "-0", "-1", "+1", "1", "00", "0.0", "1.", ".5", "1e3", "1e-9", "1e999", "-1e999", "nan", "inf", "-inf", "NaN",
    "Infinity", "1_0", "0x1f", "²", "٣", "\uff11", "9" * 19, "9" * 40, "9" * 400, "9" * 5000, "2147483648", "-2147483649",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "0.1", "1e-320", "4300", "65536", "101",
)  # fmt: skip
PIECES = (
    "", " ", "  ", "\t", "\n", "\r\n", "\r", "\f", "\0", "\x1b[2J", "\x85", "\u2028", "\ufeff", "é", "µ", "\u017f", "İ", "😀",
    "\ud800", "\udcff", "%", "%%", "{", "}", "${", "${}", "$${", "${HOME}", "${NONE}", "\\", "\\\\", "\\u", "\\u00", "\\ud800",
    '"', "'", "''", '""', ";", ":", "=", ",", ".", "..", "-", "--", "/", "//", "@", "#", "!", "[", "]", "<", "<=", "==", "{{x}}",
    "header:", "null", "true", "<script>", "*" * 300, " " * 3000, "A" * 9000, '"' * 2000, "[" * 5000, '{"a":' * 5000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 2**31, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 0.5, 1e-320, 1e300, -1e300,
    float("nan"), float("inf"), float("-inf"), "", "x", "5", "nan", "\ud800", "9" * 5000, b"", b"\xff\xfe", [], [1], [[]],
    {}, {"a": 1}, [None], ["a", 1],
)  # fmt: skip
"""What another process can send by msgpack or as JSON, except for numbers beyond 64 bits."""

_MOST = 100_000
_ALPHABET = "abcxyzABCXYZ0123456789 .:,;=-_/%\"'\\{}[]()<>#@!$\n\t"


def text(rng: Random, corpus: Sequence[str], pieces: Sequence[str] = PIECES) -> str:
    """One of the corpus, changed up to four times; now and then as it is."""
    found = rng.choice(corpus)
    for _ in range(rng.randrange(5)):
        found = rng.choice(_CHANGES)(rng, found, corpus, pieces)
    return found[:_MOST]


def data(rng: Random, corpus: Sequence[bytes]) -> bytes:
    """The same of bytes, which may be any."""
    chosen = text(rng, [one.decode("latin-1") for one in corpus], [piece for piece in PIECES if piece.isascii()])
    found = bytearray(chosen.encode("latin-1", "replace"))
    while found and rng.random() < 0.3:
        found[rng.randrange(len(found))] = rng.choice((0, 0x7F, 0x80, 0xC3, 0xED, 0xFF, rng.randrange(256)))
    return bytes(found)


def plain(rng: Random, value: Any, values: Sequence[Any] = VALUES) -> Any:
    """A plain value (of JSON or msgpack), a copy, changed in one place, now and then in up to four."""
    found = copied(value)
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 4))):  # one refusal hides the others
        found = _change_plain(rng, found, values)
    return found


def copied(value: Any) -> Any:
    """A copy that shares nothing which could be changed."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(one) for one in value]
    return value


def _change_plain(rng: Random, root: Any, values: Sequence[Any]) -> Any:
    """Go down at random; what is come to is replaced, removed, doubled, or gets something beside it."""
    parent, key, node = None, None, root
    while isinstance(node, (dict, list)) and node and rng.random() < 0.9:
        parent, key = node, rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = parent[key]
    if parent is None:
        return copied(rng.choice(values)) if rng.random() < 0.3 else root
    act = rng.randrange(10)
    if act == 0:
        del parent[key]
    elif act == 1 and isinstance(parent, list):
        parent.insert(key, copied(node))
    elif act == 1:
        parent[rng.choice(("", "x", "e2e", 5, "é"))] = copied(node)
    elif act == 2 and isinstance(node, (int, float)) and not isinstance(node, bool):
        parent[key] = rng.choice((-node, node + 1, node - 1, node * 1000, str(node), float(node) / 3))
    else:
        parent[key] = copied(rng.choice(values))
    return root


def _insert(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    at = rng.randrange(len(found) + 1)
    return found[:at] + rng.choice(pieces) + found[at:]


def _remove(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    at = rng.randrange(len(found) + 1)
    return found[:at] + found[at + rng.choice((1, 1, 2, 8, 40)) :]


def _replace(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    at = rng.randrange(len(found) + 1)
    return found[:at] + rng.choice(_ALPHABET) + found[at + 1 :]


def _repeat(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    at, length = rng.randrange(len(found) + 1), rng.choice((1, 2, 8, 40, 200))
    return found[:at] + found[at : at + length] * rng.choice((2, 2, 3, 300)) + found[at + length :]


def _cut(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    return found[: rng.randrange(len(found) + 1)]


def _cross(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    other = rng.choice(corpus)
    return found[: rng.randrange(len(found) + 1)] + other[rng.randrange(len(other) + 1) :]


def _number(rng: Random, found: str, corpus: Sequence[str], pieces: Sequence[str]) -> str:
    """Another number in the place of one; the places of interest are few, so they are looked for."""
    starts = [at for at, one in enumerate(found[:5000]) if one.isdigit() and not found[at - 1 : at].isdigit()]
    if not starts:
        return found
    start = end = rng.choice(starts)
    while end < len(found) and (found[end].isdigit() or found[end] == "."):
        end += 1
    return found[:start] + rng.choice(NUMBERS) + found[end:]


_CHANGES: tuple[Callable[[Random, str, Sequence[str], Sequence[str]], str], ...] = (
    _insert, _insert, _remove, _replace, _repeat, _cut, _cross, _number, _number,
)  # fmt: skip
