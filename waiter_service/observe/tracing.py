"""Spans by the plain OpenTelemetry SDK, as any service under test would make them.

Tracing is on when the environment says where spans go: `OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_TRACES_EXPORTER=otlp`.
Sampling, batching, headers and resource follow OpenTelemetry's variables.  By default a request is recorded if its own
sampled flag says so.

| span | from → to | parent |
|---|---|---|
| process <request topic> | received → every reply acknowledged | the request's context, linked too |
| wait | wait begins → ends | process |
| send <reply topic> | produce() → delivery report | process; its id travels in the reply |
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from waiter_service.core.headers import TraceContext
from waiter_service.core.request import ParsedRequest, Request
from waiter_service.pipeline.observer import Delivered

SERVICE = "waiter"
CLOSE_S = 3.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class TracingUnavailable(Exception):
    """The environment asks for an exporter that is not installed or not known; the message is for the user."""


class OtelTracing:
    """Makes the waiter's spans.

    Args:
        exporter: where spans go.
        group: the consumer group, for the spans' attributes.
    """

    def __init__(self, exporter: SpanExporter, group: str) -> None:
        self._group = group
        ours = Resource({
            "service.name": SERVICE, "service.instance.id": str(uuid.uuid4()),
            # Spans of one host share a clock.  Without these attributes a trace store takes each process for another
            # host and warns of clock skew; Jaeger's UI compares `ip`.
            "host.name": socket.gethostname(), "ip": _address(),
        })  # fmt: skip
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("waiter_service")

    def start_request(self, request: Request, parsed: ParsedRequest) -> OtelRequestSpan | None:
        """Start the span of a request at the time of its receipt; None when nobody records it."""
        context, links = _parent(parsed.context)
        span = self._tracer.start_span(
            f"process {request.topic}", context, SpanKind.CONSUMER, links=links,
            start_time=_wall_clock_ns(request.received_ns),
            attributes={
                "messaging.system": "kafka", "messaging.destination.name": request.topic,
                "messaging.operation.name": "process", "messaging.operation.type": "process",
                "messaging.destination.partition.id": str(request.partition),
                "messaging.kafka.offset": request.offset, "messaging.kafka.message.key": _text(request.key),
                "messaging.consumer.group.name": self._group,
            },
        )  # fmt: skip
        if not span.is_recording():
            return None
        if request.append_ms is not None:
            span.add_event("log append", timestamp=request.append_ms * 1_000_000)
        held_back_ms = (request.queued_ns - request.received_ns) / 1e6
        span.add_event(
            "forwarding message to service",
            {"waiter.held_back_ms": held_back_ms},
            timestamp=_wall_clock_ns(request.queued_ns),
        )
        plan = parsed.plan
        injected = (("dropped", not plan.replies), ("duplicated", plan.replies > 1), ("late", plan.late_s > 0))
        faults = [name for name, happened in (*injected, ("error", plan.error)) if happened]
        if faults:
            span.set_attribute("waiter.faults", faults)
        return OtelRequestSpan(self._tracer, span)

    def record_event(self, name: str, took_ns: int = 0, **attributes: str | int) -> None:
        """Record what belongs to no request, such as a rebalance, as a trace of its own; it took so long until now."""
        now_ns = time.time_ns()
        span = self._tracer.start_span(name, Context(), attributes=dict(attributes), start_time=now_ns - took_ns)
        span.end(now_ns)

    def close(self) -> None:
        """Send what is left, for at most CLOSE_S: a collector that hangs must not hold the service."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)


class OtelRequestSpan:
    """The span of one request, from its receipt until its last reply is acknowledged."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span

    def record_wait(self, planned_ms: float, queued_ns: int, taken_ns: int, done_ns: int) -> None:
        """Record a wait that is over; stamps are of time.perf_counter_ns."""
        self._tracer.start_span(
            "wait", trace.set_span_in_context(self._span), start_time=_wall_clock_ns(taken_ns),
            attributes={
                "waiter.planned_wait_ms": planned_ms, "waiter.actual_wait_ms": (done_ns - taken_ns) / 1e6,
                "waiter.queued_ms": (taken_ns - queued_ns) / 1e6,
            },
        ).end(_wall_clock_ns(done_ns))  # fmt: skip

    def start_send(self, topic: str) -> OtelSendSpan:
        """Start the span of one reply."""
        return OtelSendSpan(self._tracer.start_span(
            f"send {topic}", trace.set_span_in_context(self._span), SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka", "messaging.destination.name": topic,
                "messaging.operation.name": "send", "messaging.operation.type": "send",
            },
        ))  # fmt: skip

    def end(self) -> None:
        """End the span."""
        self._span.end()


class OtelSendSpan:
    """The span of one reply on its way."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        flags = context.trace_flags
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}".encode()
        """The header's value that the reply carries."""

    def end(self, delivered: Delivered | None, error_name: str = "", error_text: str = "") -> None:
        """End the span with the delivery report: where the reply is, or the error."""
        if delivered is None:
            self._span.set_attribute("error.type", error_name)
            self._span.set_status(Status(StatusCode.ERROR, error_text))
        else:
            self._span.set_attribute("messaging.destination.partition.id", str(delivered.partition))
            self._span.set_attribute("messaging.kafka.offset", delivered.offset)
            if delivered.append_ms is not None:
                self._span.add_event("log append", timestamp=delivered.append_ms * 1_000_000)
            self._span.add_event("broker ack")
        self._span.end()


def tracing_from_environment(environ: Mapping[str, str], group: str) -> OtelTracing | None:
    """Return the tracing that OpenTelemetry's variables ask for; None when spans have nowhere to go.

    Args:
        environ: the environment's variables.
        group: the consumer group.

    Raises:
        TracingUnavailable: they ask for an exporter that is not installed or not known.
    """
    exporters = {part.strip().lower() for part in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if part.strip()}
    wanted = "otlp" in exporters or (not exporters and any(environ.get(name) for name in _ENDPOINTS))
    if not wanted or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf").strip().lower()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OtelTracing(OTLPSpanExporter(), group)
    if protocol != "grpc":
        raise TracingUnavailable(f"OTLP protocol {protocol!r} is unknown: use http/protobuf or grpc")
    try:
        # Not among our requirements: it brings grpcio, which few need.
        grpc: Any = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    except ImportError as error:
        raise TracingUnavailable(
            "OTLP by grpc needs the package opentelemetry-exporter-otlp-proto-grpc: install it, or set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        ) from error
    return OtelTracing(grpc.OTLPSpanExporter(), group)


def _parent(context: TraceContext | None) -> tuple[Context, list[Link]]:
    if context is None:
        return Context(), []
    parent = SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=TraceFlags(context.flags)
    )
    return trace.set_span_in_context(NonRecordingSpan(parent), Context()), [Link(parent)]


def _address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation (RFC 5737); nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _wall_clock_ns(stamp_ns: int) -> int:
    return time.time_ns() - (time.perf_counter_ns() - stamp_ns)


def _text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "backslashreplace")
