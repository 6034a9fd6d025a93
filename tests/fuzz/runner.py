"""Tries inputs on a target: each by a seed of its own, in bounded time and memory, and says what was found."""

from __future__ import annotations

import gc
import signal
import time
import traceback
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import FrameType
from typing import Any

import psutil

from tests.fuzz.target import Target

MAX_CPU_S = 0.25
"""Of one input; one that took longer is tried again alone, for the machine may have stalled."""
HANGS_S = 5.0
"""CPU after which an input is given up."""
TRACED_EVERY = 25
"""How often an input's memory is traced: it costs several times the parsing."""
MAX_TRACED = 16 << 20
MAX_GROWTH = 64 << 20
"""Of the process, from the first inputs to the last."""
WARM = 200
"""Inputs after which caches are full."""


class _HangsError(BaseException):
    """An input took HANGS_S; no Exception, so that no parser can catch it."""


@dataclass(frozen=True)
class Finding:
    """An input that broke a target."""

    target: str
    number: int
    seed: int
    value: Any
    words: str

    def __str__(self) -> str:
        return (
            f"{self.target}, input {self.number} of seed {self.seed}: {self.words}\n  value = {self.value!r}\n"
            f"  again: python -m tests.fuzz --target {self.target!r} --seed {self.seed} --only {self.number}"
        )


def run(
    target: Target, inputs: int, seed: int, *, first: int = 0, on_progress: Callable[[int], None] | None = None
) -> Finding | None:
    """Try so many inputs; the first finding, or None.

    Args:
        target: what to try.
        inputs: how many.
        seed: with it and its number each input can be made again.
        first: the number of the first.
        on_progress: is told now and then how many were tried.
    """
    grown_from = 0
    for done in range(inputs):
        if found := attempt(target, seed, first + done, traced=done % TRACED_EVERY == 0):
            return found
        if done == WARM:
            grown_from = _resident()
        if on_progress is not None and done % 500 == 499:
            on_progress(done + 1)
    growth = _resident() - grown_from if inputs > WARM else 0
    if growth > MAX_GROWTH:
        return Finding(target.name, first + inputs, seed, None, f"the process grew by {growth >> 20} MB")
    return None


def attempt(target: Target, seed: int, number: int, *, traced: bool = True) -> Finding | None:
    """Try one input, and once more if it took long."""
    value = made(target, seed, number)
    words, cpu_s = tried(target, value, traced=traced)
    if not words and cpu_s > MAX_CPU_S:
        gc.collect()
        words, cpu_s = tried(target, made(target, seed, number), traced=False)
        if not words and cpu_s > MAX_CPU_S:
            words = f"it took {cpu_s:.2f} s of CPU, twice"
    return Finding(target.name, number, seed, made(target, seed, number), words) if words else None


def made(target: Target, seed: int, number: int) -> Any:
    """The input of this number."""
    return target.make(Random(f"{seed}/{target.name}/{number}"))


def tried(target: Target, value: Any, *, traced: bool = False) -> tuple[str, float]:
    """What is wrong, "" for nothing, and how long it took."""
    before = signal.signal(signal.SIGVTALRM, _give_up)
    if traced:
        tracemalloc.start()
    began_s = time.thread_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_S)
    words = ""
    try:
        _hold(target, value)
    except AssertionError as broken:
        words = f"the law is broken: {str(broken) or _place(broken)}"
    except _HangsError:
        words = f"it was not over after {HANGS_S:g} s of CPU"
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        words = f"{type(error).__name__}: {error} ({_place(error)})"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        cpu_s = time.thread_time() - began_s
        signal.signal(signal.SIGVTALRM, before)
        peak = tracemalloc.get_traced_memory()[1] if traced else 0
        if traced:
            tracemalloc.stop()
    if not words and peak > MAX_TRACED:
        words = f"it took {peak >> 20} MB"
    return words[:2000], cpu_s


def _hold(target: Target, value: Any) -> None:
    try:
        found = target.parse(value)
    except target.refuses:
        return
    target.law(value, found)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise _HangsError


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}: {last.line}"


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
