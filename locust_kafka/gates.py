"""What decides a CI job besides the books: checks, and a comparison with an earlier run, as they are given."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from locust_kafka.core import wire
from locust_kafka.core.checks import Check, parse_check
from locust_kafka.core.history import Row
from locust_kafka.errors import SettingsError

SEPARATOR = "\n"
"""Between checks that were given one by one; in a variable a semicolon does, too."""
MAX_FILE = 1 << 20
_HIGHEST_FIGURE = 1e12


def read_checks(value: Any, what: str) -> tuple[Check, ...]:
    """Read checks: text with one or several, `@FILE` for a file with one a line, or a list of such texts.

    Raises:
        SettingsError: a check was refused, or a file cannot be read.
    """
    if isinstance(value, str):
        return tuple(parsed for one in re.split(r"[;\n]", value) for parsed in _one(one.strip(), what))
    if isinstance(value, Iterable) and all(isinstance(one, str) for one in value):
        return tuple(parsed for one in value for parsed in read_checks(one, what))
    raise SettingsError(f"{what} {value!r} is refused: give checks as text, as in 'e2e.p99 < 250ms'")


def read_share(value: Any, what: str) -> float:
    """Read a share, such as 10% or 0.1.

    Raises:
        SettingsError: it is none.
    """
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,6})?)\s*(%?)", str(value).strip(), re.ASCII)
    share = math.inf if found is None else float(found[1]) / (100 if found[2] else 1)
    if found is None or not (found[2] or share < 1):  # 10 would be meant as 10 %, and be a thousand
        raise SettingsError(f"{what} {value!r} is refused: give a share, as in 10% or 0.1")
    return share


def read_baseline(path: str, what: str) -> tuple[Row, ...]:
    """Read the seconds of an earlier run, from its --kafka-report folder or the summary.json in it.

    Raises:
        SettingsError: the file cannot be read, or is no summary with a history.
    """
    try:
        file = Path(path) / "summary.json" if Path(path).is_dir() else Path(path)
        history = json.loads(file.read_text("utf-8"))["history"]
        columns = [history["columns"].index(name) for name in Row._fields]
        return tuple(Row(*(_figure(row[at]) for at in columns)) for row in wire.listed(history["rows"]))
    except OSError as error:
        raise SettingsError(f"{what} {path!r} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SettingsError(
            f"{what} {path!r} is no report of an earlier run: give the folder that --kafka-report has written"
        ) from error


def _figure(cell: Any) -> Any:
    return None if cell is None else wire.number(cell, -_HIGHEST_FIGURE, _HIGHEST_FIGURE)


def _one(text: str, what: str) -> Iterable[Check]:
    if text.startswith("@"):
        try:
            with Path(text[1:]).open(encoding="utf-8") as file:
                lines = file.read(MAX_FILE).splitlines()
        except (OSError, ValueError) as error:
            words = (isinstance(error, OSError) and error.strerror) or str(error)
            raise SettingsError(f"{what} {text!r} cannot be read: {words}") from error
        for number, line in enumerate(lines, 1):
            if check := line.partition("#")[0].strip():
                yield _parsed(check, f"{what}, line {number} of {text[1:]!r}")
    elif text:
        yield _parsed(text, what)


def _parsed(text: str, what: str) -> Check:
    try:
        return parse_check(text)
    except ValueError as refused:
        raise SettingsError(f"{what} {text!r} is refused: {refused}") from None
