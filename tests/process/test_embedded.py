"""The embedded Apache Kafka: starts, ends, and leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError
from locust_kafka.embedded import jars as jars_module
from tests.support import Process

BROKER = [sys.executable, "-m", "locust_kafka", "broker", "--port", "0"]


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def alive(process: psutil.Process) -> bool:
    try:
        # An orphan's zombie stays where nobody reaps it; it runs no more.
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_never_outlives_its_parent(number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM and kill -9: no JVM, no supervisor and no data folder is left."""
    with Process(BROKER) as parent:
        parent.await_line("Apache Kafka is up")
        children = descendants(parent.pid)
        folders = [
            arg for child in children for arg in child.cmdline() if "/broker-1" in arg and arg.endswith("broker-1")
        ]
        assert len(children) == 2
        assert folders
        parent.signal(number)
        parent.wait(20)
    psutil.wait_procs(children, timeout=20)
    deadline = time.monotonic() + 20
    while any(map(alive, children)) or Path(folders[0]).exists():
        assert time.monotonic() < deadline, children
        time.sleep(0.1)


def test_three_brokers_form_a_cluster() -> None:
    """A quorum of three, replication factor 3 by default, and it is gone afterwards."""
    with EmbeddedKafka(brokers=3) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        assert len(admin.list_topics(timeout=10).brokers) == 3
        assert kafka.bootstrap.count(":") == 3
    with pytest.raises(EmbeddedKafkaError, match="1 broker or 3"):
        EmbeddedKafka(brokers=2)


def test_a_taken_port_is_a_sentence() -> None:
    """The broker's own last words are passed on."""
    with EmbeddedKafka() as kafka:
        port = int(kafka.bootstrap.rpartition(":")[2])
        with pytest.raises(EmbeddedKafkaError, match=rf"port {port}"):
            EmbeddedKafka(port=port).start()


def test_a_changed_jar_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checksum that differs from the committed one stops the start, after one more fetch."""
    real = jars_module._committed_checksums()
    monkeypatch.setattr(jars_module, "_committed_checksums", lambda: real | {"slf4j-simple-1.7.36.jar": "0" * 64})
    with pytest.raises(EmbeddedKafkaError, match=r"checksum of slf4j-simple-1\.7\.36\.jar"):
        jars_module.kafka_jars(lambda _line: None)
