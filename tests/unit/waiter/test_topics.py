"""Which topics exist: asked beside the senders, so that one question delays no reply."""

from __future__ import annotations

import threading
import time

import pytest

from waiter_service.kafka.topics import TopicChecker


class Cluster:
    """Answers when it is told to."""

    def __init__(self, **topics: bool | None) -> None:
        self.topics = topics
        self.asked: list[str] = []
        self.may_answer = threading.Event()

    def exists(self, topic: str) -> bool | None:
        self.asked.append(topic)
        assert self.may_answer.wait(30)
        return self.topics[topic]


def test_a_question_blocks_nobody_and_is_asked_once() -> None:
    """While the cluster is silent, `check` and `exists_if_known` return at once; each topic is asked about once."""
    cluster = Cluster(new=True, typo=False)
    checker = TopicChecker(["replies"], cluster.exists, pytest.fail)
    checker.start()
    answers: list[tuple[str, bool]] = []
    for topic in ("new", "new", "typo", "new", "typo"):
        assert checker.exists_if_known(topic) is None
        checker.check(topic, lambda exists, topic=topic: answers.append((topic, exists)))  # type: ignore[misc]
    assert checker.exists_if_known("replies") is True
    assert answers == []
    cluster.may_answer.set()
    checker.close(time.monotonic() + 30)
    assert answers == [("new", True), ("new", True), ("typo", False), ("new", True), ("typo", False)]
    assert cluster.asked == ["new", "typo"]
    assert (checker.exists_if_known("new"), checker.exists_if_known("typo")) == (True, False)


def test_a_silent_cluster_leaves_it_to_the_producer() -> None:
    """A question that nobody answered counts as a yes this time, and is asked again the next time."""
    cluster = Cluster(maybe=None)
    cluster.may_answer.set()
    checker = TopicChecker([], cluster.exists, pytest.fail)
    checker.start()
    answers: list[bool] = []
    checker.check("maybe", answers.append)
    checker.check("maybe", answers.append)
    checker.close(time.monotonic() + 30)
    assert answers == [True, True]
    assert cluster.asked == ["maybe", "maybe"]
    assert checker.exists_if_known("maybe") is None


def test_a_topic_that_was_missing_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A no holds for a while only: a topic may be created later."""
    monkeypatch.setattr("waiter_service.kafka.topics._MISSING_FOR_S", 0.0)
    cluster = Cluster(later=False)
    cluster.may_answer.set()
    checker = TopicChecker([], cluster.exists, pytest.fail)
    checker.start()
    answers: list[bool] = []
    checker.check("later", answers.append)
    while not answers:
        time.sleep(0.001)
    cluster.topics["later"] = True
    checker.check("later", answers.append)
    checker.close(time.monotonic() + 30)
    assert answers == [False, True]


def test_missing_topics_are_remembered_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that each name another missing topic cost no memory for good."""
    monkeypatch.setattr("waiter_service.kafka.topics._MAX_MISSING", 10)
    checker = TopicChecker([], lambda _topic: False, pytest.fail)
    checker.start()
    for number in range(100):
        checker.check(f"typo-{number}", lambda _exists: None)
    checker.close(time.monotonic() + 30)
    assert len(checker._missing) <= 10
