"""Exceptions of users' tasks: the same sentence once with a count, and a user that fails at once does not spin."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.pool
import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import TaskSet, User, constant, task
from locust.env import Environment
from locust.event import Events
from locust.exception import StopUser

from locust_kafka.plugin import task_errors as task_errors_module
from locust_kafka.plugin.arguments import payload
from locust_kafka.plugin.classes import KafkaAttributes
from locust_kafka.plugin.compat import task_logger
from locust_kafka.plugin.task_errors import CALM_S, MAX_PAUSE_S, PAUSE_S, REPEAT_EVERY_S, TaskErrors


class Watched:
    """The plugin's part in one environment, by a clock that moves when a user pauses, or when a test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.pauses: list[float] = []
        patch.setattr(task_errors_module, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        patch.setattr(task_errors_module, "gevent", SimpleNamespace(sleep=self._pause))
        self.environment = Environment(user_classes=[], events=Events())
        self.errors = TaskErrors(self.environment, lambda: None)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    def close(self) -> None:
        self.environment.events.quitting.fire(environment=self.environment, reverse=True)

    def run(self, *bodies: Any, user_class: type[User] | None = None) -> None:
        """Let a user run these, one after the other, each as a task."""
        left = list(bodies)

        class Guest(KafkaAttributes, User):
            wait_time = constant(0)

            @task
            def next(self) -> None:
                if not left:
                    raise StopUser
                left.pop(0)()

        user = (user_class or Guest)(self.environment)
        user.start(gevent.pool.Group()).get(timeout=10)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO)
    watched = Watched(monkeypatch)
    yield watched
    watched.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    # Errors alone: what an earlier test's run has left behind may still look at its broker, and say so.
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def fails() -> None:
    raise RuntimeError("the shop is closed")


def fails_elsewhere() -> None:
    raise RuntimeError("the shop is closed")


def test_the_same_mistake_is_said_once_and_counted(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """The first with its traceback, the others not at all, and at the end how often it was."""
    watched.run(*[fails] * 8)
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith("the shop is closed\nTraceback")
    watched.close()
    assert len(said(caplog)) == 2
    assert said(caplog)[1].startswith("a task failed 8 times: RuntimeError: the shop is closed (test_task_errors.py:")


def test_a_mistake_that_lasts_is_said_again_with_its_count(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Every ten seconds a line without the traceback tells how often it was by then."""
    watched.run(*[fails] * 30)  # the pauses alone are more than twenty seconds
    lines = said(caplog)
    assert 3 <= len(lines) <= 1 + sum(watched.pauses) / REPEAT_EVERY_S
    counts = [int(line.partition("(")[2].partition(")")[2].strip("() ").split()[0]) for line in lines[1:]]
    assert counts == sorted(counts)
    assert all("Traceback" not in line and line.endswith("times)") for line in lines[1:])
    watched.close()
    assert "a task failed 30 times" in said(caplog)[-1]


def test_two_mistakes_are_two_sentences(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """The same words at another line of the locustfile are another mistake; once is told without a count."""
    watched.run(fails, fails_elsewhere, fails)
    assert len(said(caplog)) == 2
    watched.close()
    assert len([line for line in said(caplog) if line.startswith("a task failed")]) == 1


def test_a_refused_argument_is_a_sentence_without_a_traceback(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """The plugin's own refusal says all: a traceback through the plugin would look like a fault of it."""
    watched.run(lambda: payload(5))
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith("a task was refused: TypeError: ")
    assert "test_task_errors.py:" in said(caplog)[0]
    assert "Traceback" not in said(caplog)[0]


@given(st.integers(1, 12))
def test_a_user_that_fails_at_once_does_not_spin(times: int) -> None:
    """Each failure in a row doubles its pause, from a tenth of a second up to one."""
    with pytest.MonkeyPatch.context() as patch:
        watched = Watched(patch)
        watched.run(*[fails] * times)
        watched.close()
    assert watched.pauses == [min(PAUSE_S * 2**n, MAX_PAUSE_S) for n in range(times)]


def test_a_user_that_was_well_for_a_while_begins_with_the_shortest_pause(watched: Watched) -> None:
    """After two seconds without a failure a new one is no row of failures; before that it is."""

    def rest(seconds: float) -> Any:
        def body() -> None:
            watched.now_s += seconds

        return body

    watched.run(fails, fails, rest(CALM_S - 0.1), fails, rest(CALM_S + 0.1), fails)
    assert watched.pauses == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, PAUSE_S]


def test_users_do_not_pause_for_each_other(watched: Watched) -> None:
    """One user's row of failures is not another's."""
    watched.run(fails, fails, fails)
    watched.run(fails)
    assert watched.pauses == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, PAUSE_S]


def test_users_that_are_not_ours_are_left_alone(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """An HTTP user beside ours fails as Locust has it: each time with its traceback, and without a pause."""
    left = [fails] * 4

    class Other(User):
        wait_time = constant(0)

        @task
        def next(self) -> None:
            if not left:
                raise StopUser
            left.pop()()

    watched.run(user_class=Other)
    assert len(said(caplog)) == 4
    assert all("Traceback" in line for line in said(caplog))
    assert not watched.pauses


def test_a_task_sets_failures_are_its_users(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Locust names the TaskSet as the one that failed: it is our user's all the same."""
    left = [fails] * 3

    class Shop(TaskSet):
        @task
        def next(self) -> None:
            if not left:
                raise StopUser
            left.pop()()

    class Guest(KafkaAttributes, User):
        wait_time = constant(0)
        tasks = [Shop]  # noqa: RUF012 - as Locust wants it

    watched.run(user_class=Guest)
    assert len(watched.pauses) == 3
    assert len(said(caplog)) == 1


def test_a_thousand_different_mistakes_are_bounded(watched: Watched) -> None:
    """A message with a number in it is a new one each time: what is remembered of them stays small."""

    def fails_with(number: int) -> Any:
        def body() -> None:
            raise RuntimeError(f"order {number}")

        return body

    task_logger().setLevel(logging.CRITICAL)  # then nothing is taken out again
    try:
        watched.run(*[fails_with(number) for number in range(1_100)])
    finally:
        task_logger().setLevel(logging.NOTSET)
    assert len(watched.errors._ours) <= 1_000
    watched.errors._ours.clear()
    watched.run(*[fails_with(number) for number in range(1_100)])
    assert len(watched.errors._said) <= 1_001
    assert not watched.errors._ours


def test_after_the_end_locusts_logger_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter goes with the environment: the next one in this process has its own."""
    before = list(task_logger().filters)
    watched = Watched(monkeypatch)
    assert task_logger().filters == [*before, watched.errors]
    watched.close()
    assert task_logger().filters == before
