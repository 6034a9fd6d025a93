"""What we use of Locust, gevent and OpenTelemetry that they do not promise, each in one place and with a test.

Tried with the versions in TESTED; a newer one is not refused, but the log says that it was not tried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from locust import stats as locust_stats
from locust.env import Environment
from locust.user.task import LOCUST_STATE_RUNNING as RUNNING
from locust.user.task import LOCUST_STATE_WAITING as WAITING

__all__ = [
    "RUNNING", "TESTED", "WAITING", "bucket", "is_heard_elsewhere", "listen_first", "send_worker_stats", "task_logger",
    "taskset_of", "untested", "warn_of_untested",
]  # fmt: skip

logger = logging.getLogger("locust_kafka")

TESTED = {"locust": (2, 47), "gevent": (26, 9), "confluent-kafka": (2, 16), "opentelemetry-sdk": (1, 45)}
"""The newest versions that the tests have run with: major and minor."""


def untested() -> list[str]:
    """Installed versions that are newer than the tested ones, as `name version`."""
    found = []
    for name, newest in TESTED.items():
        installed = version(name)
        parts = tuple(int(part) for part in installed.split(".")[:2] if part.isdigit())
        if parts > newest:
            found.append(f"{name} {installed}")
    return found


def warn_of_untested() -> None:
    """Say which of them are newer."""
    for name in untested():
        logger.warning("%s is newer than the version that locust-kafka was tested with", name)


def is_heard_elsewhere(environment: Environment) -> bool:
    """Whether anybody but Locust's own statistics listens to the `request` event.

    Locust's runner adds its one listener when it is made; `run_single_user` has no runner.
    """
    handlers: list[Callable[..., Any]] = environment.events.request._handlers  # noqa: SLF001 - there is no public way
    return not (len(handlers) == 1 and getattr(handlers[0], "__module__", "") == "locust.runners")


def listen_first(hook: Any, handler: Callable[..., Any]) -> None:
    """Listen to an event before Locust's own listeners, which were added when it made its runner."""
    hook._handlers.insert(0, handler)  # noqa: SLF001 - `add_listener` appends


def bucket(milliseconds: float) -> float:
    """The response time under which Locust counts a latency; replaceable by its users since 2.43.4."""
    return locust_stats.bucket_response_time(milliseconds)


def send_worker_stats(runner: Any) -> None:
    """Have a worker report its statistics now, before what we send next; Locust has no public way."""
    runner._send_stats()  # noqa: SLF001


def taskset_of(user: Any) -> Any:
    """The TaskSet that runs a user's tasks."""
    return user._taskset_instance  # noqa: SLF001


def task_logger() -> logging.Logger:
    """The logger by which Locust tells a user's exceptions."""
    return logging.getLogger("locust.user.task")
