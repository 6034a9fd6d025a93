"""A pytest fixture: put `pytest_plugins = ["locust_kafka.embedded.fixture"]` into conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from locust_kafka.embedded.broker import EmbeddedKafka


@pytest.fixture(scope="session")
def embedded_kafka() -> Iterator[EmbeddedKafka]:
    """One broker for the whole session."""
    with EmbeddedKafka() as kafka:
        yield kafka
