"""While a run goes on: a line that says how, and the end of a run whose check is broken for good."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import gevent

from locust_kafka.core.checks import ABORT_AFTER_S, judge
from locust_kafka.core.history import History
from locust_kafka.core.results import RunResults
from locust_kafka.report import progress
from locust_kafka.settings import Settings
from locust_kafka.web.live import apart

logger = logging.getLogger("locust_kafka")

LINE_EVERY_S = 10
TERMINAL_EVERY_S = 5
CHECK_EVERY_S = 1.0


class Progress:
    """A greenlet beside a run.

    Args:
        settings: the run's.
        history: gives its seconds.
        results: gives a copy of the results up to now, to be read in another thread.
        abort: ends the run early; is given the sentence why.
        headless: whether anybody reads the console; with the web UI its page says more.
    """

    def __init__(
        self,
        settings: Settings,
        history: Callable[[], History],
        results: Callable[[], RunResults],
        abort: Callable[[str], None],
        *,
        headless: bool,
    ) -> None:
        self._settings, self._history, self._results, self._abort = settings, history, results, abort
        self._aborting = [check for check in settings.checks if check.abort]
        self._broken_s: dict[str, float] = {}
        self._every_s = TERMINAL_EVERY_S if sys.stderr.isatty() else LINE_EVERY_S
        self._greenlets = [gevent.spawn(self._say)] if headless else []
        if self._aborting:
            self._greenlets.append(gevent.spawn(self._watch))

    def stop(self) -> None:
        """The run is over."""
        gevent.killall(self._greenlets, block=False)

    def _say(self) -> None:
        while True:
            gevent.sleep(self._every_s)
            if (latest := self._history().latest(self._every_s)) is not None:
                logger.info("%s", progress.line(latest, open_model=bool(latest.counters.due)))

    def _watch(self) -> None:
        while True:
            gevent.sleep(CHECK_EVERY_S)
            if broken := self.broken(time.monotonic()):
                self._abort(broken)
                return

    def broken(self, now_s: float) -> str:
        """The sentence of a check that has failed for ABORT_AFTER_S without a break; "" when none has.

        Args:
            now_s: seconds that only go up.
        """
        results = self._results()
        if not results.total.registered:
            return ""
        for one in apart(judge, self._aborting, results):
            if one.passed or one.value is None:  # what has no value yet may still get one
                self._broken_s.pop(one.text, None)
            elif now_s - self._broken_s.setdefault(one.text, now_s) >= ABORT_AFTER_S:
                return f"a check has failed for {ABORT_AFTER_S:.0f} s, so the run ends: {one.words}"
        return ""
