"""Follows the consumer group of the service while a run goes on: its lag and rebalances beside the latency."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import gevent
from gevent import subprocess

from locust_kafka.core import wire
from locust_kafka.core.group import GroupResults, GroupSample, GroupTracker
from locust_kafka.core.history import History
from locust_kafka.kafka.lag import COMMAND, asked_by
from locust_kafka.kafka.properties import mask
from locust_kafka.options import AUTO, OFF
from locust_kafka.settings import Settings

logger = logging.getLogger("locust_kafka")


class GroupFollower:
    """A child process that looks, and a greenlet that takes what it says.

    Args:
        settings: the run's.
        history: where each second's lag goes.
    """

    def __init__(self, settings: Settings, history: Callable[[], History]) -> None:
        self._settings, self._history = settings, history
        self._watch: GroupTracker | None = None
        self._child: Any = None
        self._greenlet = gevent.spawn(self._follow) if settings.group != OFF else None

    @property
    def results(self) -> GroupResults | None:
        """What was seen up to now; None when no group is known."""
        return None if self._watch is None else self._watch.results

    def stop(self) -> None:
        """The run is over."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def take(self, line: str) -> None:
        """Take one line of the child's.

        Raises:
            ValueError, LookupError, TypeError, AttributeError, RecursionError: it is not of the child's form.
        """
        data = json.loads(line)
        if "group" in data:
            self._watch = GroupTracker(wire.text(data["group"]))
            logger.info("the lag of consumer group %r is watched", self._watch.results.name)
        elif "trouble" in data:
            named = self._settings.group != AUTO
            logger.log(
                logging.WARNING if named else logging.INFO,
                "%s",
                mask(wire.text(data["trouble"]), self._settings.config),
            )
        elif self._watch is not None:
            look = GroupSample.from_wire(data)
            said = len(self._watch.results.events)
            rebalances = self._watch.add_sample(look)
            self._history().annotate(round(look.at_s), look.lag, rebalances)
            for event in self._watch.results.events[said:]:
                logger.info("consumer group %r: %s", self._watch.results.name, event.words)

    def _follow(self) -> None:
        try:
            self._child = subprocess.Popen(
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                start_new_session=True,
            )  # fmt: skip
            self._child.stdin.write(asked_by(self._settings))
            self._child.stdin.flush()
            for line in self._child.stdout:
                self.take(line)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            logger.warning("the consumer group cannot be watched: %r", error)
