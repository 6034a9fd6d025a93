"""`KafkaUser`: the class a locustfile derives its users from."""

from __future__ import annotations

from typing import Any

import gevent
from locust import User

from locust_kafka.plugin.classes import KafkaAttributes, class_settings
from locust_kafka.plugin.client import KafkaClient
from locust_kafka.plugin.compat import RUNNING, WAITING, taskset_of
from locust_kafka.plugin.events import install
from locust_kafka.plugin.plugin import Plugin

install()


class KafkaUser(KafkaAttributes, User):
    """A user with `self.kafka`.  A class attribute comes before the option, the option before the environment.

    In the open model an arrival is one execution of a task: a task begins as soon as an arrival is due for it.
    """

    abstract: bool = True

    def __init__(self, environment: Any) -> None:
        self._locust_state: str | None = None
        super().__init__(environment)
        run = Plugin.of(environment).current_run()
        settings = class_settings(run.settings, type(self))
        # On the instance: a later run in this process may have other options.
        self.request_topic = settings.request_topic
        self.reply_topic = settings.reply_topic
        self.reply_timeout = settings.reply_timeout_s
        self.kafka = KafkaClient(self, run, settings)
        self._yields_in_sleep = False
        self._users_on_start = self.on_start
        self.on_start = self._start_then_await_arrival  # type: ignore[method-assign] # on the instance only

    @property
    def _state(self) -> str | None:
        """Locust's: waiting between tasks, running in one, or stopping."""
        return self._locust_state

    @_state.setter
    def _state(self, state: str | None) -> None:
        if state == RUNNING and self._locust_state == WAITING:
            # Whatever wait_time a user or a TaskSet has: this is where its next task begins.  While it waits for its
            # arrival it is still `waiting`, so that it can be stopped at once.
            self.kafka.begin_task()
        self._locust_state = state

    def wait_time(self) -> float:
        """Between tasks: none; in the open model the next task waits for its arrival by itself."""
        if not self._yields_in_sleep:
            # Locust sleeps for what we return, which costs a turn of the hub even when it is nothing, and our users
            # wait in each request anyway.
            self._yields_in_sleep = True
            taskset_of(self)._sleep = self._sleep  # noqa: SLF001 - see compat
        return 0.0

    def _sleep(self, seconds: float) -> None:
        if seconds:
            gevent.sleep(seconds)
        else:
            self.kafka.yield_to_hub()

    def _start_then_await_arrival(self) -> None:
        self._users_on_start()
        if self._locust_state == RUNNING:
            self._state = WAITING
            self._state = RUNNING

    def start(self, group: Any) -> Any:
        """As Locust's; when the user's greenlet ends, its producer is handed back."""
        greenlet = super().start(group)
        greenlet.rawlink(self._has_ended)
        return greenlet

    def _has_ended(self, greenlet: Any) -> None:
        self.kafka.close()
        error = greenlet.exception
        if isinstance(error, gevent.Timeout):  # no Exception: Locust passes it over, and has a user less
            fire = self.environment.events.user_error.fire
            gevent.spawn(fire, user_instance=self, exception=error, tb=greenlet.exc_info[2])
