"""A request producer's statistics: kept by its thread, the last ones too, and taken by whoever looks."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from locust_kafka.hub.queue import HubQueue, Wakeup
from locust_kafka.kafka import producer as producer_module
from locust_kafka.kafka.producer import RequestProducer
from tests.support import free_port


def producer(interval_ms: int | str) -> RequestProducer[Any]:
    config = {
        "bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": 0, "statistics.interval.ms": interval_ms,
    }  # fmt: skip
    return RequestProducer(config, HubQueue(Wakeup()), 1.0)


def test_who_leaves_tells_its_last_window() -> None:
    """A producer whose user is gone at once gives the statistics that were still to come, and only then ends."""
    leaving = producer(50)
    leaving.retire()
    leaving.join()
    assert leaving.ended
    assert '"brokers":' in leaving.statistics[0]


@pytest.mark.parametrize(("interval_ms", "stops"), [(0, False), ("0", False), (60_000, True)])
def test_nobody_waits_for_statistics_that_do_not_come(
    interval_ms: int | str, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without statistics a producer ends when it is drained; with seldom ones it does not outlive the run for them."""
    monkeypatch.setattr(producer_module, "LAST_WINDOW_NS", 3_600_000_000_000)
    leaving = producer(interval_ms)
    leaving.retire()
    if stops:
        gevent.sleep(0)
        leaving.stop()
    leaving.join()
    assert leaving.ended
    assert not leaving.statistics
