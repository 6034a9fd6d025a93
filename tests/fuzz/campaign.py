"""Many inputs on all targets, on all cores: each target in portions, so that no process has it alone."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter

from tests.fuzz.runner import run
from tests.fuzz.targets import TARGETS

PORTION = 2_000
"""Inputs that a process tries at a time."""


def campaign(inputs: int, seed: int, only: str) -> int:
    """Try the inputs, shared evenly by the targets; how many targets had a finding.

    Args:
        inputs: of all targets together.
        seed: of all inputs.
        only: a target's name; "" for all.
    """
    names = [target.name for target in TARGETS if only in ("", target.name)]
    each = -(-inputs // max(1, len(names)))
    portions = [(name, min(PORTION, each - first), seed, first) for first in range(0, each, PORTION) for name in names]
    began_s, tried, cpu_s, found = time.monotonic(), Counter[str](), Counter[str](), dict[str, str]()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for name, count, took_s, finding in pool.imap_unordered(_portion, portions):
            tried[name] += count
            cpu_s[name] += took_s
            if finding and name not in found:
                found[name] = finding
                print(f"\n{finding}", flush=True)
            _show(tried.total(), each * len(names), time.monotonic() - began_s, len(found))
    print(f"\n{tried.total():,} inputs on {len(names)} targets in {time.monotonic() - began_s:.0f} s, seed {seed}")
    for name in names:
        print(
            f"  {name:<28} {tried[name]:>8,} inputs, {cpu_s[name] / tried[name] * 1e6:>6.0f} µs each  {'FOUND' * (name in found)}"
        )
    return len(found)


def _portion(portion: tuple[str, int, int, int]) -> tuple[str, int, float, str]:
    name, count, seed, first = portion
    target = next(one for one in TARGETS if one.name == name)
    began_s = time.process_time()
    finding = run(target, count, seed, first=first)
    if finding is not None:  # it ended there
        count = min(count, finding.number - first + 1)
    return name, count, time.process_time() - began_s, "" if finding is None else str(finding)


def _show(tried: int, of: int, took_s: float, found: int) -> None:
    line = f"{tried:,} of {of:,} inputs, {tried / took_s:,.0f}/s, {found} targets with a finding"
    print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)
