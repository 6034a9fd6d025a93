"""What a run changes in its process, and puts back: when threads are switched, and when garbage is collected."""

from __future__ import annotations

import gc
import inspect
import sys

# A native thread's stamp waits for the GIL: with the default of 5 ms it came 2.9 ms late at the median, with this 0.65.
SWITCH_INTERVAL_S = 0.0005
GC_THRESHOLDS = (5_000, 50, 50)
"""Requests under way are young objects: with the usual threshold of 700 the collector visits them again and again."""


class ProcessTuning:
    """Set the interpreter for measuring; `restore` puts back what `apply` found."""

    def __init__(self) -> None:
        self._applied = False

    def apply(self) -> None:
        """Have threads switched soon, and garbage collected seldom and little."""
        # Looked up now: when this run was made, the one before may still have been draining, tuned.
        self._switch_interval_s = sys.getswitchinterval()
        self._thresholds = gc.get_threshold()
        self._frozen_before = gc.get_freeze_count()
        self._applied = True
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.collect()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.freeze()  # what is loaded by now is never garbage: each collection is spared the look (hub lag 48 → 9 ms)

    def restore(self) -> None:
        """Put back what was found; a second call does nothing."""
        if not self._applied:
            return
        self._applied = False
        sys.setswitchinterval(self._switch_interval_s)
        gc.set_threshold(*self._thresholds)
        if not self._frozen_before:  # somebody else may have frozen objects for a fork: they would be thawed too
            gc.unfreeze()


def warm_inspect() -> None:
    """Warm the module cache of `inspect`.

    Locust calls `inspect.stack()` when it stops a run, before it tells anybody, and the first call blocks the hub for
    20 ms and more, while arrivals are still due.
    """
    inspect.stack()
