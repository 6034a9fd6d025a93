"""The waiter's spans: one tree per request, under the request's own context."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.headers import parse_traceparent
from waiter_service.core.request import Request, parse_request
from waiter_service.observe.tracing import OtelTracing, TracingUnavailable, tracing_from_environment
from waiter_service.pipeline.observer import Delivered

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0{}"


def exchange(sampled: int, key: bytes | None = b"k", error: str = "") -> dict[str, ReadableSpan]:
    """One request as the worker and the producer report it; its spans by the first word of their names."""
    exporter = InMemorySpanExporter()
    tracing = OtelTracing(exporter, "group")
    now = time.perf_counter_ns()
    headers = [("traceparent", TRACEPARENT.format(sampled).encode())]
    request = Request("requests", 2, 7, key, b"Ada", headers, 1_700_000_000_000, now, now + 60_000)
    parsed = parse_request(request.key, request.value, headers, Behaviour(Wait("fixed", 5), duplicate=1.0), "replies")
    span = tracing.start_request(request, parsed)
    if span is not None:
        span.record_wait(5, request.queued_ns, now + 100_000, now + 5_000_000)
        send = span.start_send("replies")
        context = parse_traceparent(send.traceparent)
        assert context is not None
        assert (context.trace_id, context.flags & 1) == (b"0af7651916cd43dd8448eb211c80319c", 1)
        send.end(None, "_MSG_TIMED_OUT", error) if error else send.end(Delivered(1, 9, 1_700_000_000_100))
        span.end()
    tracing.close()
    return {found.name.split()[0]: found for found in exporter.get_finished_spans()}


def test_a_sampled_request_makes_a_tree() -> None:
    """Process under the request's context and linked to it, wait and send under process, with their attributes."""
    spans = exchange(1)
    process, wait, send = spans["process"], spans["wait"], spans["send"]
    assert (process.kind, send.kind) == (SpanKind.CONSUMER, SpanKind.PRODUCER)
    assert process.parent is not None
    assert f"{process.parent.span_id:016x}" == "b7ad6b7169203331"
    assert [f"{link.context.span_id:016x}" for link in process.links] == ["b7ad6b7169203331"]
    for child in (wait, send):
        assert child.parent is not None
        assert child.parent.span_id == process.context.span_id
    assert process.attributes is not None
    assert process.attributes["messaging.kafka.offset"] == 7
    assert process.attributes["messaging.destination.partition.id"] == "2"
    assert process.attributes["waiter.faults"] == ("duplicated",)
    assert [event.name for event in process.events] == ["log append", "forwarding message to service"]
    assert wait.attributes is not None
    assert wait.attributes["waiter.actual_wait_ms"] == pytest.approx(4.9)
    assert wait.attributes["waiter.queued_ms"] == pytest.approx(0.04)
    assert send.attributes is not None
    assert (send.attributes["messaging.destination.partition.id"], send.attributes["messaging.kafka.offset"]) == (
        "1",
        9,
    )
    assert [event.name for event in send.events] == ["log append", "broker ack"]


def test_an_unsampled_request_makes_none() -> None:
    """The request's own flag decides."""
    assert exchange(0) == {}


def test_a_failed_send_says_why() -> None:
    """The error's name and text stand in the send span."""
    send = exchange(1, error="Local: Message timed out")["send"]
    assert send.attributes is not None
    assert send.attributes["error.type"] == "_MSG_TIMED_OUT"
    assert (send.status.status_code, send.status.description) == (StatusCode.ERROR, "Local: Message timed out")


@pytest.mark.parametrize("key", [None, b"\xff\xfe", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_key_of_any_bytes_is_an_attribute(key: bytes | None) -> None:
    """What is no UTF-8 is written with backslashes, so that it can be exported."""
    process = exchange(1, key)["process"]
    assert process.attributes is not None
    str(process.attributes["messaging.kafka.message.key"]).encode("utf-8")


def test_the_environment_decides() -> None:
    """No variable: no tracing; switched off: none; an exporter or an endpoint: some; an unknown protocol: a sentence."""
    assert tracing_from_environment({}, "g") is None
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    assert tracing_from_environment({**endpoint, "OTEL_SDK_DISABLED": "true"}, "g") is None
    assert tracing_from_environment({**endpoint, "OTEL_TRACES_EXPORTER": "none"}, "g") is None
    with pytest.raises(TracingUnavailable, match="'smoke' is unknown"):
        tracing_from_environment({**endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "g")
    tracing = tracing_from_environment(endpoint, "g")
    assert tracing is not None
    tracing.close()
