"""Metrics and spans leave a real Locust: for Prometheus, over OTLP, through Locust's own provider, and into nothing."""

from __future__ import annotations

import http.server
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.jaeger.server import Jaeger
from tests.support import NO_BROKER, Process, Waiter, assert_well_behaved, free_port, locust, read_summary

CLOSED = "locustfiles/closed.py"
COMMON = ["--headless", "--only-summary", "-u", "4", "-r", "4", "--kafka-reply-timeout", "1"]


def samples(port: int) -> dict[tuple[str, ...], float]:
    """(sample name, label values) → value; `name` is always the same here and left out."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    return {
        (sample.name, *(value for label, value in sample.labels.items() if label != "name")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
def test_prometheus_is_told_what_the_summary_says(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: int
) -> None:
    """Scraped while the run settles, when nothing moves any more: outcomes, verdicts and counts are the summary's."""
    waiter.start("--drop", "10%", "--duplicate", "20%", wait="20ms")
    port = free_port()
    options = [*COMMON, "-t", "3s", "--kafka-settle", "6", "--kafka-metrics-port", str(port)]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, CLOSED, *options, "--kafka-summary", str(tmp_path / "s.json")) as run:
        run.await_line("settling: listening", times=processes or 1)
        last = samples(port)
        for _ in range(10):  # a master hears of its workers every three seconds
            threading.Event().wait(0.5)
            last = samples(port)
        assert run.wait() == 1, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    for outcome in ("matched", "timed_out", "undelivered"):
        assert last["locust_kafka_requests_total", outcome] == summary["requests"][outcome]
    for verdict in ("match", "duplicate", "late"):
        assert last["locust_kafka_replies_read_total", verdict] == summary["replies"][verdict]
    assert last["locust_kafka_pending",] == 0
    assert last["locust_kafka_e2e_duration_seconds_count",] == summary["latency_ms"]["e2e"]["count"]
    assert last["locust_kafka_e2e_duration_seconds_bucket", "0.01"] == 0  # nothing is faster than the waiter's 20 ms
    assert last["locust_kafka_e2e_duration_seconds_bucket", "+Inf"] == summary["requests"]["registered"]
    sends = last["messaging_client_operation_duration_seconds_count", "send", "kafka"]
    assert sends == summary["latency_ms"]["send"]["count"]


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps the bodies of what is posted."""

    protocol_version = "HTTP/1.1"
    bodies: dict[str, list[bytes]]

    def do_POST(self) -> None:
        self.bodies.setdefault(self.path, []).append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, dict[str, list[bytes]]]]:
    """The address of an OTLP/HTTP endpoint, and what came there."""
    bodies: dict[str, list[bytes]] = {}
    handler = type("Keeping", (Collector,), {"bodies": bodies})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()


def test_the_last_push_is_the_summary(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, collector: tuple[str, dict[str, list[bytes]]]
) -> None:
    """OTLP metrics, decoded by opentelemetry-proto: the push at the end has the run's final figures."""
    waiter.start("--drop", "10%", wait="5ms")
    endpoint, bodies = collector
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    options = [*COMMON, "-t", "3s", "--kafka-settle", "0", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, CLOSED, *options, **environment, OTEL_SERVICE_NAME="my-tester") as run:
        assert run.wait() == 1, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    pushes = [ExportMetricsServiceRequest.FromString(body) for body in bodies["/v1/metrics"]]
    assert len(pushes) > 2
    (last,) = pushes[-1].resource_metrics
    names = {attribute.key: attribute.value.string_value for attribute in last.resource.attributes}
    assert names["service.name"] == "my-tester"
    metrics: dict[str, Any] = {metric.name: metric for metric in last.scope_metrics[0].metrics}
    outcomes = {
        attribute.value.string_value: point.as_int
        for point in metrics["locust_kafka.requests"].sum.data_points
        for attribute in point.attributes
        if attribute.key == "outcome"
    }
    assert outcomes["matched"] == summary["requests"]["matched"]
    assert outcomes["timed_out"] == summary["requests"]["timed_out"]
    (e2e,) = metrics["locust_kafka.e2e.duration"].histogram.data_points
    assert e2e.count == sum(e2e.bucket_counts) == summary["requests"]["registered"]
    assert e2e.max == pytest.approx(summary["latency_ms"]["e2e"]["max"] / 1000)
    assert "messaging.client.operation.duration" in metrics
    assert bodies["/v1/traces"]


@pytest.mark.parametrize("mode", ["closed", "hang", "slow"])
def test_a_bad_collector_spoils_nothing(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, mode: str
) -> None:
    """Closed, hanging, or answering after 2 s: the run is as ever, and says what spans were lost."""
    waiter.start(wait="5ms")
    port = free_port()
    options = [*COMMON, "-t", "3s", "--kafka-settle", "0", "--kafka-summary", str(tmp_path / "s.json")]
    command = [sys.executable, "-m", "benchmarks.collector", "ok" if mode == "closed" else mode, str(port)]
    with Process(command) as server:
        server.await_line("ready")
        if mode == "closed":
            server.__exit__()
        endpoint = f"http://127.0.0.1:{port}"
        with locust(broker, topics, CLOSED, *options, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as run:
            assert run.wait(60) == 0, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert not summary["invalid"]
    kept = sum(times for note, times in summary["notes"].items() if note.startswith("traces kept"))
    told = summary["notes"].get("spans sent", 0)
    lost = summary["notes"].get("spans lost: the collector did not take them", 0)
    dropped = sum(times for note, times in summary["notes"].items() if note.startswith("traces dropped"))
    assert kept > 0
    assert (told > 0) == (mode == "slow")
    assert told + lost + 3 * dropped == 3 * kept  # a matched exchange has three spans


def test_a_provider_that_sends_nothing_is_passed_over(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, jaeger: Jaeger
) -> None:
    """With --otel and no package for its protocol Locust sets an empty provider: our own exporter sends, then."""
    waiter.start(wait="5ms", **jaeger.environment)
    environment = {**jaeger.environment, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    options = [*COMMON, "-t", "2s", "--kafka-settle", "0", "--otel", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, CLOSED, *options, **environment) as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    assert "exporter for 'grpc' is not available" in run.output
    for example in read_summary(tmp_path / "s.json")["examples"]:
        assert jaeger.trace(example["trace_id"], 3)["request "].service == "locust-kafka"


def test_a_metrics_port_in_use_is_a_sentence() -> None:
    """The run does not begin; exit code 3."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with locust(NO_BROKER, ("a", "b"), CLOSED, "--headless", "--kafka-metrics-port", str(port)) as run:
            assert run.wait(30) == 3, run.output
    assert f"--kafka-metrics-port {port}: nothing can listen there" in run.output
    assert_well_behaved(run.output)


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "processes"])
def test_locusts_own_provider_is_used(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, jaeger: Jaeger, processes: int
) -> None:
    """With --otel the spans go through the provider that Locust has set, under its resource, once."""
    waiter.start(wait="5ms", **jaeger.environment)
    environment = {
        **jaeger.environment, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none", "OTEL_SERVICE_NAME": "otel-locust",
    }  # fmt: skip
    options = [*COMMON, "-t", "3s", "--kafka-settle", "0", "--otel", "--kafka-summary", str(tmp_path / "s.json")]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, CLOSED, *options, **environment) as run:
        assert run.wait() == 0, run.output
    if (
        not processes
    ):  # with --otel and --processes Locust alone leaves tracebacks: the SDK's thread does not survive a fork
        assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    examples = [example["trace_id"] for example in summary["examples"]]
    assert examples
    for trace_id in examples:
        trace = jaeger.trace(trace_id, 3)
        assert trace["request "].service == trace[f"send {topics[0]}"].service == "otel-locust"
        assert len(trace.all("request ")) == 1
