"""The embedded Apache Kafka, started again, with more listeners, and with a cache that several processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError, Listener
from locust_kafka.embedded.jars import _lock_file, kafka_jars
from locust_kafka.embedded.lock import exclusive

HOLD = (
    "import pathlib, sys, time\n"
    "from locust_kafka.embedded.lock import exclusive\n"
    "with exclusive(pathlib.Path(sys.argv[1]), lambda: None):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_stopped_broker_starts_anew() -> None:
    """`start()` after `stop()` gives one broker with number 1, without the old topics; a second `start()` is refused."""
    kafka = EmbeddedKafka()
    with kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        for done in admin.create_topics([NewTopic("old", 1)]).values():
            done.result(30)
    with kafka:
        found = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=30)
        assert [broker.id for broker in found.brokers.values()] == [1]
        assert kafka.bootstrap.count(":") == 1
        assert "old" not in found.topics
        with pytest.raises(EmbeddedKafkaError, match="runs already"):
            kafka.start()


def test_a_killed_broker_comes_back_with_its_data() -> None:
    """After `kill -9` it is gone; restarted it has its ports and its topics; what cannot be is refused in words."""
    with EmbeddedKafka() as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        for done in admin.create_topics([NewTopic("kept", 1)]).values():
            done.result(30)
        kafka.kill_brokers(1)
        kafka.kill_brokers(1)
        with pytest.raises(KafkaException):
            AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0}).list_topics(timeout=1)
        before = kafka.bootstrap
        kafka.restart_brokers(1)
        assert kafka.bootstrap == before
        again = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        assert "kept" in again.list_topics(timeout=30).topics
        with pytest.raises(EmbeddedKafkaError, match="runs already"):
            kafka.restart_brokers(1)


def test_a_listener_advertises_what_it_is_told() -> None:
    """A listener's clients get its own address, or the one that it advertises."""
    listeners = {"MORE": Listener(), "AWAY": Listener(advertised="kafka.invalid:9")}
    with EmbeddedKafka(listeners=listeners) as kafka:
        told = {}
        for name in ("PLAINTEXT", "MORE", "AWAY"):
            metadata = AdminClient({"bootstrap.servers": kafka.bootstrap_of(name), "log_level": 0}).list_topics(
                timeout=30
            )
            told[name] = [f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()]
        assert told == {
            "PLAINTEXT": [kafka.bootstrap],
            "MORE": [kafka.bootstrap_of("MORE")],
            "AWAY": ["kafka.invalid:9"],
        }


def test_one_process_at_a_time_fetches() -> None:
    """Who finds the cache held says so once, waits, and goes on when the holder has ended, however it ended."""
    process = holder(_lock_file())
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        process.kill()

    jars = kafka_jars(report)
    process.wait()
    assert jars
    assert len(lines) == 1
    assert "Another process" in lines[0]


def test_a_lock_held_for_too_long_is_a_sentence(tmp_path: Path) -> None:
    """The wait ends with the name of the file that is held."""
    path = tmp_path / "lock"
    process = holder(path)
    try:
        with pytest.raises(EmbeddedKafkaError, match=str(path)), exclusive(path, lambda: None, timeout_s=0.3):
            pytest.fail("two have the lock")
    finally:
        process.kill()
        process.wait()


def test_a_cache_that_cannot_be_written_needs_no_lock(tmp_path: Path) -> None:
    """Where no lock file can be made the block runs all the same."""
    (tmp_path / "file").touch()
    ran = False
    with exclusive(tmp_path / "file" / "lock", pytest.fail):
        ran = True
    assert ran
