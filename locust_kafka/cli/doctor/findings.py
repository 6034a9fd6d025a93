"""What the doctor found: one sentence each, how bad it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from locust_kafka.errors import EXIT_NOT_STARTED

EXIT_WARNINGS = 1
"""Exit code with `--strict`: there are warnings, and no problem."""


class Level(IntEnum):
    """How bad it is.  A problem: a run cannot begin, or none of its requests could succeed."""

    OK = 0
    NOTE = 1
    WARNING = 2
    PROBLEM = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: the heading it stands under.
        level: how bad it is.
        subject: what it is about: a topic's name, a limit, a program.
        words: a sentence with the value and, where there is one, its limit.
        remedy: what to do; "" when nothing is to be done.
    """

    area: str
    level: Level
    subject: str
    words: str
    remedy: str = ""


def worst(findings: Iterable[Finding]) -> Level:
    """The worst level; OK when there is nothing."""
    return max((finding.level for finding in findings), default=Level.OK)


def exit_code(findings: Iterable[Finding], *, strict: bool) -> int:
    """0 when a run can begin; 3 for a problem; 1 for a warning when warnings count.

    Args:
        findings: all of them.
        strict: whether warnings count.
    """
    level = worst(findings)
    if level is Level.PROBLEM:
        return EXIT_NOT_STARTED
    return EXIT_WARNINGS if strict and level is Level.WARNING else 0


def split_sentence(sentence: str) -> tuple[str, str]:
    """A sentence of `kafka.causes` as what is wrong and what to do: it quotes librdkafka, and a colon follows."""
    words, quote, remedy = sentence.partition('"): ')
    if quote:
        return f'{words}")', remedy
    words, _, remedy = sentence.partition(": ")
    return words, remedy or "look at the broker's log"
