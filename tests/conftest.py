"""Real parts for the tests: a broker, found in this order: KAFKA_BOOTSTRAP, Docker, embedded.  None is a failure."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator

import pytest

# Locust patches the process that imports it, and threads that are greenlets stop in librdkafka's C calls for ever.
# This process stays as it is, for the tests of real threads; the children that tests start are patched as always.
os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

from hypothesis import settings

from locust_kafka.embedded import EmbeddedKafka
from tests.jaeger.server import Jaeger
from tests.support import Waiter, create_topics

# A shared machine may stall in any example: a deadline would test the machine.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


def pytest_collection_finish() -> None:
    """Refuse to run with threads that are none: a test of real threads would prove nothing, or never end."""
    if type(threading.Lock()).__module__ != "_thread":
        pytest.exit("something has patched threading in this process", 3)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """`bootstrap.servers` of a real Apache Kafka."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield given
    elif _docker_answers():
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer("apache/kafka:4.1.1").with_kraft() as container:
            yield container.get_bootstrap_server()
    else:
        sessions = {"group.consumer.min.session.timeout.ms": "5000", "group.consumer.session.timeout.ms": "6000"}
        with EmbeddedKafka(config=sessions) as kafka:
            yield kafka.bootstrap


@pytest.fixture
def topics(broker: str) -> tuple[str, str]:
    """A fresh request topic and a fresh reply topic, four partitions each, LogAppendTime."""
    suffix = uuid.uuid4().hex[:8]
    names = (f"requests-{suffix}", f"replies-{suffix}")
    create_topics(broker, *names)
    return names


@pytest.fixture
def waiter(broker: str, topics: tuple[str, str]) -> Iterator[Waiter]:
    """A waiter that answers at once on the fresh topics; `start` it with more options."""
    with Waiter(broker, topics) as process:
        yield process


def _docker_answers() -> bool:
    import docker  # comes with testcontainers

    try:
        docker.from_env(timeout=5).ping()
    except Exception:  # no daemon has many faces
        return False
    return True


@pytest.fixture(scope="session")
def jaeger() -> Iterator[Jaeger]:
    """A real Jaeger."""
    with Jaeger() as server:
        yield server
