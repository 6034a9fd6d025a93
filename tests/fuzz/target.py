"""What is fuzzed: a parser, the errors that it may raise, and the law that its results are held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        name: as it is called in findings.
        make: makes an input; the same random numbers make the same input.
        parse: the parser.
        law: is given the input and what was parsed, and asserts what must hold; whatever it raises is a finding.
        refuses: the errors that the parser's documentation names.
    """

    name: str
    make: Callable[[Random], Any]
    parse: Callable[[Any], Any]
    law: Callable[[Any, Any], None]
    refuses: tuple[type[BaseException], ...] = ()
