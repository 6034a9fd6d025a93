"""Passes what was gathered on to Locust and to the observers, a few times a second."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.hub.share import HubShare

EVERY_S = 0.25


class Flusher:
    """A greenlet that flushes, until it is stopped or a flush fails.

    Args:
        recorder: is flushed.
        users: how many users wait between requests now: their time is added up for the closed model's correction.
        fail: is told why a flush failed; the run cannot go on.
    """

    def __init__(self, recorder: Recorder, users: Callable[[], int], fail: Callable[[RunInvalid], None]) -> None:
        self._recorder, self._users, self._fail = recorder, users, fail
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Flush no more."""
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            gevent.sleep(EVERY_S)
            self._recorder.results.user_s += self._users() * EVERY_S
            try:
                self._recorder.flush(HubShare())
            except Exception as error:
                what = "the exchange log could not be written" if isinstance(error, OSError) else "counting failed"
                self._fail(RunInvalid(f"{what}: {error}"))
                return
