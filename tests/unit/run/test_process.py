"""What a run changes in its process is put back, in whatever order runs begin and end."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.run.process import GC_THRESHOLDS, SWITCH_INTERVAL_S, ProcessTuning, warm_inspect

FOUND = (0.0031, (701, 11, 9))


def state() -> tuple[float, tuple[int, int, int], int]:
    return round(sys.getswitchinterval(), 6), gc.get_threshold(), gc.get_freeze_count()


@contextmanager
def process_as_found() -> Iterator[None]:
    """A process with settings of its own, which are neither Python's nor ours."""
    interval_s, thresholds = sys.getswitchinterval(), gc.get_threshold()
    gc.unfreeze()
    sys.setswitchinterval(FOUND[0])
    gc.set_threshold(*FOUND[1])
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval_s)
        gc.set_threshold(*thresholds)


@pytest.fixture(autouse=True)
def _quick_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collection itself is not looked at here, and would take most of the time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def test_it_is_tuned_and_put_back() -> None:
    """While it is applied the interpreter is ours; afterwards it is what it was, frozen objects included."""
    with process_as_found():
        tuning = ProcessTuning()
        tuning.apply()
        interval_s, thresholds, frozen = state()
        assert (interval_s, thresholds) == (SWITCH_INTERVAL_S, GC_THRESHOLDS)
        assert frozen > 0
        tuning.restore()
        assert state() == (*FOUND, 0)


def test_what_was_never_changed_is_never_put_back() -> None:
    """A run that could not begin must not overwrite what somebody else has set since."""
    with process_as_found():
        tuning = ProcessTuning()
        sys.setswitchinterval(0.02)
        tuning.restore()
        assert state()[0] == 0.02


def test_a_second_restore_changes_nothing() -> None:
    """A run that is abandoned after its end restores twice: what was set in between stays."""
    with process_as_found():
        tuning = ProcessTuning()
        tuning.apply()
        tuning.restore()
        gc.set_threshold(500, 5, 5)
        tuning.restore()
        assert gc.get_threshold() == (500, 5, 5)


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    """Objects that were frozen for a fork are not thawed by the end of a run."""
    with process_as_found():
        gc.freeze()
        tuning = ProcessTuning()
        tuning.apply()
        tuning.restore()
        assert gc.get_freeze_count() > 0


# Each run is made, applies when the one before has restored, and restores; it may be made long before that.
ORDERS = st.lists(st.sampled_from(["make", "apply", "restore"]), max_size=14)


@given(ORDERS)
def test_runs_that_follow_one_another_leave_the_process_as_it_was(order: list[str]) -> None:
    """A run may be made while the one before still drains, tuned: its end must not bring back that one's settings."""
    with process_as_found():
        waiting: list[ProcessTuning] = []
        applied: ProcessTuning | None = None
        for act in order:
            if act == "make":
                waiting.append(ProcessTuning())
            elif act == "apply" and applied is None and waiting:
                applied = waiting.pop(0)
                applied.apply()
                assert state()[:2] == (SWITCH_INTERVAL_S, GC_THRESHOLDS)
            elif act == "restore" and applied is not None:
                applied.restore()
                applied = None
                assert state() == (*FOUND, 0)
        if applied is not None:
            applied.restore()
        assert state() == (*FOUND, 0)


def test_inspect_is_warm_before_a_stop_asks_it() -> None:
    """Locust's `stop` calls `inspect.stack()`: after ours, the modules' files are known."""
    caches: Any = inspect
    caches._filesbymodname.clear()
    caches.modulesbyfile.clear()
    warm_inspect()
    assert caches._filesbymodname
