"""Four workers and a service that honours what it is asked, or does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from locust_kafka.core.routing import PROVEN_AT
from tests.support import Waiter, assert_well_behaved, locust, read_summary

SPRING = ("--kafka-reply-to-header", "kafka_replyTopic")
"""The waiter does not know it: its replies come to its default topic, and to a partition by their key."""


@pytest.mark.parametrize(
    ("routing", "honours", "code"),
    [("auto", True, 0), ("auto", False, 0), ("partition", False, 4), ("topic", True, 0)],
    ids=lambda value: str(value),
)
def test_each_worker_reads_its_own(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, routing: str, code: int, *, honours: bool
) -> None:
    """`auto` finds out what the service does, a service that does not honour it is seen, and own topics are gone."""
    waiter.start("--waiters", "20", wait="2ms")
    with locust(
        broker, topics, "locustfiles/open.py", "--headless", "--only-summary", "-u", "40", "-r", "40", "-t", "9s",
        "--kafka-rate", "200", "--processes", "4", "--kafka-reply-timeout", "6", "--kafka-settle", "1",
        "--kafka-self-check", "show", "--kafka-summary", str(tmp_path / "s.json"), "--kafka-reply-routing", routing,
        "--exit-code-on-error", "0", *(() if honours else SPRING),
    ) as run:  # fmt: skip
        assert run.wait() == code, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    registered, replies = summary["requests"]["registered"], summary["replies"]
    others = summary["replies_of_other_workers"]
    assert summary["balanced"]
    assert replies["foreign"] == others
    if routing == "auto" and not honours:
        assert summary["reply_routing"] == {"shared: the service does not honour reply-partition": 4}
        assert summary["requests"]["matched"] == registered
        assert others == 3 * registered
    elif routing == "auto":
        assert summary["reply_routing"] == {"partition": 4}
        assert summary["requests"]["matched"] == registered > 8 * PROVEN_AT
        # Until a worker has its proof it reads everything; a batch may bring a little more before it reads no more.
        assert 0 < others < 3 * registered / 2
    elif honours:
        assert summary["reply_routing"] == {"topic": 4}
        assert (summary["requests"]["matched"], others) == (registered, 0)
        client = Consumer({"bootstrap.servers": broker, "group.id": "any"})
        assert [name for name in client.list_topics(timeout=10).topics if topics[1] in name] == [topics[1]]
        client.close()
    else:
        assert summary["requests"]["timed_out"] == others > 0
        assert "the service does not always honour reply-partition" in summary["invalid"][0]


def test_a_failure_in_the_drain_takes_no_worker_with_it(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """A worker's own topic is deleted while all settle: the run is invalid for that alone, and nobody is LOST."""
    waiter.start("--waiters", "20", wait="2ms")
    with locust(
        broker, topics, "locustfiles/open.py", "--headless", "--only-summary", "-u", "8", "-r", "8", "-t", "5s",
        "--kafka-rate", "50", "--processes", "2", "--kafka-settle", "12", "--kafka-self-check", "show",
        "--kafka-summary", str(tmp_path / "s.json"), "--kafka-reply-routing", "topic",
    ) as run:  # fmt: skip
        run.await_line("settling: listening", times=2)
        admin = AdminClient({"bootstrap.servers": broker})
        own = [name for name in admin.list_topics(timeout=10).topics if topics[1] in name and name != topics[1]]
        admin.delete_topics(own[:1])[own[0]].result(10)
        assert run.wait() == 4, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert summary["requests"]["lost"] == 0
    assert [own[0] in sentence for sentence in summary["invalid"]] == [True], summary["invalid"]


def test_who_expects_replies_reads_them_all(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """A worker that has its proof, and then expects replies to others' requests, misses none, and no figure is doubted."""
    waiter.start("--waiters", "20", wait="2ms")
    with locust(
        broker, topics, "tests/process/locustfiles/expecting_late.py", "--headless", "--only-summary", "-u", "8", "-r", "8",
        "-t", "8s", "--processes", "2", "--kafka-settle", "1", "--kafka-self-check", "show",
        "--kafka-summary", str(tmp_path / "s.json"), BOOTSTRAP=broker, REQUEST_TOPIC=topics[0], REPLY_TOPIC=topics[1],
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    summary = read_summary(tmp_path / "s.json")
    assert summary["reply_routing"] == {"shared: expect() is used": 2}
    assert summary["requests"]["matched"] == summary["requests"]["registered"]
    assert summary["names"]["expected"]["requests"]["matched"] > 0
    assert summary["balanced"]
    assert not summary["invalid"]
