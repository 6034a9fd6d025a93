"""The end of a run: wait for what is pending, listen on for what is late, and never for ever."""

from __future__ import annotations

import logging
from time import perf_counter_ns

import gevent
from gevent.event import Event

from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.recorder import Recorder

logger = logging.getLogger("locust_kafka")

PATIENCE_S = 15.0
"""How long requests that were sent while it drained may keep it waiting, after all others have ended."""


class Drain:
    """Waits until all requests have ended and their callbacks have returned; bounded by the longest deadline.

    Args:
        engine: has the pending requests.
        recorder: has the callbacks that run.
    """

    def __init__(self, engine: ExchangeEngine, recorder: Recorder) -> None:
        self._engine, self._recorder = engine, recorder
        self._cut = Event()
        self._limit_ns = 0

    def cut(self) -> None:
        """Wait no more."""
        self._cut.set()

    def accepts(self, now_ns: int) -> bool:
        """Whether a request may still be sent: `on_stop` and `on_reply` may send while the others are awaited."""
        return not self._cut.is_set() and (not self._limit_ns or now_ns < self._limit_ns)

    def run(self, longest_timeout_s: float, settle_s: float) -> None:
        """Drain, then settle.

        Args:
            longest_timeout_s: of a request that a callback may send in the drain.
            settle_s: how long to listen on for late and duplicate replies.
        """
        engine, now_ns = self._engine, perf_counter_ns()
        pending = engine.correlator.books.pending
        self._limit_ns = max(now_ns, engine.correlator.last_deadline_ns() or 0)
        running = self._recorder.validators.running
        if pending or running:
            self._limit_ns = max(self._limit_ns, now_ns + int(longest_timeout_s * 1e9))
            logger.info("draining: %d requests are pending; each ends by its deadline (Ctrl-C: end now)", pending)
        self._await_all((self._limit_ns - now_ns) / 1e9)
        if engine.correlator.books.pending:  # sent in the drain, with deadlines beyond it
            self._await_all(PATIENCE_S)
        self._limit_ns = 1  # nothing is sent any more
        if not self._cut.is_set() and settle_s:
            logger.info("settling: listening %g s for late and duplicate replies", settle_s)
            self._cut.wait(settle_s)

    def _await_all(self, patience_s: float) -> None:
        waiting = gevent.spawn(self._all_ended)
        gevent.wait([waiting, self._cut], timeout=max(1.0, patience_s + 1.0), count=1)
        waiting.kill()

    def _all_ended(self) -> None:
        while self._engine.correlator.books.pending or self._recorder.validators.running:
            self._engine.await_nothing_pending()
            self._recorder.validators.wait(1.0)
