"""Prints what was found: as lines for a person, or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress

from locust_kafka.cli.doctor.findings import Finding, Level

MAX_SUBJECT = 32
"""Columns; a longer subject pushes its words aside."""


def to_json(findings: Sequence[Finding], *, ok: bool) -> str:
    """One JSON object.

    Args:
        findings: all, in order.
        ok: whether the exit code is 0.
    """
    found = [
        {"area": one.area, "level": one.level.name.lower(), "subject": one.subject, "words": one.words,
         "remedy": one.remedy}
        for one in findings
    ]  # fmt: skip
    return json.dumps({"ok": ok, "findings": found}, indent=2)


def to_text(findings: Sequence[Finding]) -> str:
    """Lines under headings; what is to be mended stands last, with what to do, the worst first."""
    lines: list[str] = []
    width = min(MAX_SUBJECT, max((len(one.subject) for one in findings), default=0))
    for area in dict.fromkeys(one.area for one in findings):
        lines += ["", area.capitalize()]
        for one in (one for one in findings if one.area == area):
            lines.append(f"  {one.level.name.lower():<8}{one.subject:<{width}}  {one.words}")
            if one.remedy and one.level is Level.NOTE:
                lines.append(f"  {'':<8}{'':<{width}}  -> {one.remedy}")
    wrong = sorted((one for one in findings if one.level >= Level.WARNING), key=lambda one: -one.level)
    lines += ["", _verdict(findings)]
    for number, one in enumerate(wrong, 1):
        lines += [f"  {number}. {one.level.name.lower()}: {one.subject}: {one.words}", f"     -> {one.remedy}"]
    return "\n".join(lines).lstrip("\n")


def write(text: str) -> None:
    """Write to standard output, whatever its encoding; a reader that has gone, as `head` does, is no failure."""
    out = sys.stdout
    if out is None:
        return
    encoding = out.encoding or "utf-8"
    try:
        out.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        out.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            print(f"locust-kafka: the report cannot be written: {error.strerror}", file=sys.stderr)
        with suppress(OSError):  # what is left in its buffer would be written, and fail, once more at the exit
            out.close()


def _verdict(findings: Sequence[Finding]) -> str:
    problems = sum(one.level is Level.PROBLEM for one in findings)
    warnings = sum(one.level is Level.WARNING for one in findings)
    counts = f"{problems} problem{'' if problems == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    if problems:
        return f"A run cannot begin, or cannot succeed: {counts}"
    return f"A run can begin: {counts}"
