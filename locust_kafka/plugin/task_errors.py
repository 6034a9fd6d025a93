"""Exceptions of users' tasks: a user that fails at once again and again pauses, and the log says the same thing once.

Locust logs each with its traceback and goes on at once: fifty users with one mistake fill a disk with it.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import gevent
from locust.env import Environment

from locust_kafka.core.checks import TASK_ERRORS
from locust_kafka.errors import said
from locust_kafka.plugin.classes import KafkaAttributes
from locust_kafka.plugin.compat import task_logger
from locust_kafka.run.run import Run

logger = logging.getLogger("locust_kafka")

PAUSE_S, MAX_PAUSE_S = 0.1, 1.0
CALM_S = 2.0
"""A user that did not fail for so long begins with the shortest pause again."""
REPEAT_EVERY_S = 10.0
_HOME = str(Path(__file__).parent.parent)


class TaskErrors(logging.Filter):
    """Listens to `user_error`, and filters what Locust's task logger says of our users.

    Args:
        environment: whose users.
        run: gives the run of this process, whose results note each exception.
    """

    def __init__(self, environment: Environment, run: Callable[[], Run | None]) -> None:
        super().__init__()
        self._run = run
        self._ours: dict[int, BaseException] = {}
        self._pauses: WeakKeyDictionary[Any, tuple[float, float]] = WeakKeyDictionary()
        self._said: dict[str, tuple[int, float]] = {}
        environment.events.user_error.add_listener(self._failed)
        environment.events.quitting.add_listener(self._stop)
        task_logger().addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the first of its kind pass, and count the others."""
        error = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if not isinstance(error, BaseException) or self._ours.pop(id(error), None) is None:
            return True
        where = _place(error.__traceback__)
        words = f"{type(error).__name__}: {said(error)} ({where})"
        times, said_s = self._said.get(words, (0, 0.0))
        now_s = time.monotonic()
        if times and now_s - said_s < REPEAT_EVERY_S:
            self._said[words] = (times + 1, said_s)
            return False
        self._said[words] = (times + 1, now_s)
        if len(self._said) > 1000:
            self._said.clear()
        if times:
            record.msg, record.args = "%s (%d times)", (words, times + 1)
        elif _is_refusal(error):
            record.msg, record.args = "a task was refused: %s", (words,)
        return True

    def _failed(self, user_instance: Any, exception: BaseException, **_kwargs: Any) -> None:
        user = getattr(user_instance, "user", user_instance)
        if not isinstance(user, KafkaAttributes):
            return
        if (run := self._run()) is not None:
            run.recorder.results.note(TASK_ERRORS)
        if len(self._ours) < 1000:
            self._ours[id(exception)] = exception
        pause_s, failed_s = self._pauses.get(user, (0.0, 0.0))
        now_s = time.monotonic()
        pause_s = PAUSE_S if now_s - failed_s > CALM_S else min(2 * pause_s, MAX_PAUSE_S)
        self._pauses[user] = (pause_s, now_s + pause_s)
        gevent.sleep(pause_s)

    def _stop(self, **_kwargs: Any) -> None:
        task_logger().removeFilter(self)
        for words, (times, _said) in self._said.items():
            if times > 1:
                logger.error("a task failed %d times: %s", times, words)


def _is_refusal(error: BaseException) -> bool:
    """Whether the plugin refused an argument: its sentence says all, and a traceback through it would only frighten."""
    last = list(_frames(error.__traceback__))[-1:]
    return isinstance(error, (TypeError, ValueError)) and bool(last) and last[0].filename.startswith(_HOME)


def _place(tb: TracebackType | None) -> str:
    """Where in the user's own code it happened."""
    own = [frame for frame in _frames(tb) if not frame.filename.startswith(_HOME) and "/locust/" not in frame.filename]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "no line of the locustfile"


def _frames(tb: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    yield from traceback.extract_tb(tb)
