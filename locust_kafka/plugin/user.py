"""`KafkaUser`: the class a locustfile derives its users from."""

from __future__ import annotations

from typing import Any, ClassVar

import gevent
from locust import User

from locust_kafka.plugin.client import KafkaClient
from locust_kafka.plugin.events import install
from locust_kafka.plugin.plugin import Plugin

install()


class KafkaUser(User):
    """A user with `self.kafka`.  A class attribute comes before the option, the option before the environment."""

    abstract: bool = True

    bootstrap: str = ""
    """Brokers, `host:port,...`; one cluster in a run.  Option --kafka-bootstrap."""

    request_topic: str = ""
    """Where its requests go.  Option --kafka-request-topic."""

    reply_topic: str = ""
    """Where the replies to them come; sent along as `reply-to`.  Option --kafka-reply-topic."""

    reply_timeout: float = 0.0
    """How long a reply may take, in seconds.  Option --kafka-reply-timeout."""

    rate: float | str | None = None
    """Arrivals per second in total (open model); text as in --kafka-rate."""

    producers: ClassVar[str] = "own"
    """`own`: a producer per user, as a service instance each would have; `shared`: one for the whole process."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        run = Plugin.of(environment).current_run()
        settings = run.settings
        # On the instance: a later run in this process may have other options.
        self.request_topic = self.request_topic or settings.request_topic
        self.reply_topic = self.reply_topic or settings.reply_topic
        self.reply_timeout = self.reply_timeout or settings.reply_timeout_s
        self.kafka = KafkaClient(self, run)
        self._rests = False

    def wait_time(self) -> float:
        """Between tasks: none in the closed model, until the next arrival in the open one."""
        self.kafka.await_arrival()
        if not self._rests:
            # Locust sleeps for what we return, which costs a turn of the hub even when it is nothing, and our users
            # wait in each request anyway.
            self._rests = True
            self._taskset_instance._sleep = self._sleep  # type: ignore[union-attr, method-assign] # noqa: SLF001
        return 0.0

    def _sleep(self, seconds: float) -> None:
        if seconds:
            gevent.sleep(seconds)
        else:
            self.kafka.rest()

    def start(self, group: Any) -> Any:
        """As Locust's; when the user's greenlet ends, its producer is handed back."""
        greenlet = super().start(group)
        greenlet.rawlink(lambda _greenlet: self.kafka.close())
        return greenlet
