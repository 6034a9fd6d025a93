"""What the waiter tells Prometheus, held against the pure plan."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import Waiter, assert_well_behaved, await_answer, free_port, read, send
from waiter_service.core.behaviour import Behaviour, Wait

REQUESTS = 200


def scrape(port: int) -> dict[tuple[str, str], float]:
    """(sample name, value of its last label) → value."""
    text = await_answer(f"http://127.0.0.1:{port}/metrics").decode()
    return {
        (sample.name, next(reversed(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_are_the_plan(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Requests, replies, faults, waits and processing times add up to what the trace ids foretell."""
    port = free_port()
    waiter.start("--drop", "10%", "--duplicate", "20%", "--error", "10%", "--metrics-port", str(port), wait="2ms")
    assert await_answer(f"http://127.0.0.1:{port}/healthz") == b"ready\n"
    behaviour = Behaviour(Wait("fixed", 2), drop=0.1, duplicate=0.2, error=0.1)
    ids = [os.urandom(16).hex() for _ in range(REQUESTS)]
    plans = [behaviour.plan(trace_id.encode()) for trace_id in ids]
    replies = sum(plan.replies for plan in plans)
    send(broker, topics[0], [
        {"key": trace_id, "value": b"Ada", "headers": [("traceparent", f"00-{trace_id}-1234567890abcdef-00")]}
        for trace_id in ids
    ])  # fmt: skip
    read(broker, topics[1], replies)
    found = scrape(port)
    while found["waiter_in_flight", ""] or found["waiter_replies_total", ""] < replies:
        found = scrape(port)
    assert found["waiter_requests_total", ""] == REQUESTS
    assert found["waiter_replies_total", ""] == replies
    assert found["waiter_faults_total", "dropped"] == sum(plan.replies == 0 for plan in plans)
    assert found["waiter_faults_total", "duplicated"] == sum(plan.replies == 2 for plan in plans)
    assert found["waiter_faults_total", "error"] == sum(plan.error and plan.replies > 0 for plan in plans)
    assert found["messaging_process_duration_seconds_count", "kafka"] == REQUESTS
    assert found["waiter_wait_seconds_count", ""] == REQUESTS
    assert found["waiter_wait_seconds_sum", ""] >= REQUESTS * 0.002
    assert (found["waiter_queue_depth", "request"], found["waiter_queue_capacity", "request"]) == (0, 1000)
    assert (found["waiter_queue_depth", "late"], found["waiter_queue_capacity", "late"]) == (0, 100_000)
    assert found["waiter_rebalances_total", ""] == 1
    assert found["waiter_rebalance_seconds_total", ""] > 0  # from its joining to its assignment


def test_a_port_in_use_and_an_unknown_page(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """A second waiter on the same port ends with a sentence; other pages say where to look."""
    port = free_port()
    waiter.start("--metrics-port", str(port))
    second = waiter.start("--metrics-port", str(port), ready=False)
    assert second.wait(30) == 1
    assert f"metrics cannot be served on port {port}" in second.output
    assert_well_behaved(second.output)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)


def test_a_silent_connection_holds_nobody_up(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Somebody who connects and says nothing keeps neither the health check nor the end of the service waiting."""
    port = free_port()
    process = waiter.start("--metrics-port", str(port))
    with socket.create_connection(("127.0.0.1", port)):
        assert await_answer(f"http://127.0.0.1:{port}/healthz") == b"ready\n"
        process.signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert_well_behaved(process.output)
