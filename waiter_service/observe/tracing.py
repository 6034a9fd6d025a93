"""Spans by the plain OpenTelemetry SDK, as any service under test would make them.

On when the environment says where spans go (`OTEL_EXPORTER_OTLP_ENDPOINT`, or `OTEL_TRACES_EXPORTER=otlp`).  Sampling,
batching, headers and resource follow OpenTelemetry's variables; by default the request's own sampled flag decides.

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

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from waiter_service.core.headers import TraceContext
from waiter_service.core.request import Understood
from waiter_service.pipeline.job import Job

SERVICE = "waiter"
CLOSE_S = 3.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class TracingUnavailable(Exception):
    """The environment asks for an exporter that is not installed or not known."""


class Tracing:
    """Makes the waiter's spans.

    Args:
        exporter: where they go.
        group: the consumer group, for the spans' attributes.
    """

    def __init__(self, exporter: SpanExporter, group: str) -> None:
        self._group = group
        ours = Resource({
            "service.name": SERVICE, "service.instance.id": str(uuid.uuid4()),
            # Spans of one host share a clock: without these a trace store takes each process for another host and
            # warns of skew.  (`ip` is what Jaeger's UI looks at.)
            "host.name": socket.gethostname(), "ip": _address(),
        })  # fmt: skip
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("waiter_service")

    def process(self, job: Job, request: Understood) -> None:
        """Begin the span of a request, from its receipt on; `job.span` stays None when nobody wants it."""
        context, links = _parent(request.context)
        message = job.message
        topic, key = message.topic(), message.key()
        span = self._tracer.start_span(
            f"process {topic}", context, SpanKind.CONSUMER, links=links, start_time=_wall(job.received_ns),
            attributes={
                "messaging.system": "kafka", "messaging.destination.name": topic,
                "messaging.operation.name": "process", "messaging.operation.type": "process",
                "messaging.destination.partition.id": str(message.partition()),
                "messaging.kafka.offset": message.offset(), "messaging.kafka.message.key": _text(key),
                "messaging.consumer.group.name": self._group,
            },
        )  # fmt: skip
        if not span.is_recording():
            return
        kind, stamp_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            span.add_event("log append", timestamp=stamp_ms * 1_000_000)
        held_back_ms = (job.queued_ns - job.received_ns) / 1e6
        span.add_event(
            "forwarding message to service", {"waiter.held_back_ms": held_back_ms}, timestamp=_wall(job.queued_ns)
        )
        plan = request.plan
        injected = (("dropped", not plan.replies), ("duplicated", plan.replies > 1), ("late", plan.late_s > 0))
        faults = [name for name, happened in (*injected, ("error", plan.error)) if happened]
        if faults:
            span.set_attribute("waiter.faults", faults)
        job.span = span

    def wait(self, job: Job, planned_ms: float, taken_ns: int, done_ns: int) -> None:
        """The span of a wait that is over."""
        if job.span is None:
            return
        self._tracer.start_span(
            "wait", trace.set_span_in_context(job.span), start_time=_wall(taken_ns),
            attributes={
                "waiter.planned_wait_ms": planned_ms, "waiter.actual_wait_ms": (done_ns - taken_ns) / 1e6,
                "waiter.queued_ms": (taken_ns - job.queued_ns) / 1e6,
            },
        ).end(_wall(done_ns))  # fmt: skip

    def send(self, job: Job, topic: str) -> tuple[Span, bytes] | None:
        """Begin the span of a reply's sending: the span, and the traceparent that the reply carries."""
        if job.span is None:
            return None
        span = self._tracer.start_span(
            f"send {topic}", trace.set_span_in_context(job.span), SpanKind.PRODUCER,
            attributes={
                "messaging.system": "kafka", "messaging.destination.name": topic,
                "messaging.operation.name": "send", "messaging.operation.type": "send",
            },
        )  # fmt: skip
        context = span.get_span_context()
        return span, f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()

    def mark(self, name: str, **attributes: str | int) -> None:
        """Something that belongs to no request: a rebalance, a commit that failed.  A trace of its own."""
        self._tracer.start_span(name, Context(), attributes=dict(attributes)).end()

    def close(self) -> None:
        """Send what is left, for at most CLOSE_S: a collector that hangs must not hold the service."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def sent(span: Span, message: Any, error: Any) -> None:
    """End a send span with its delivery report."""
    if error is not None:
        span.set_attribute("error.type", error.name())
        span.set_status(Status(StatusCode.ERROR, error.str()))
    else:
        span.set_attribute("messaging.destination.partition.id", str(message.partition()))
        span.set_attribute("messaging.kafka.offset", message.offset())
        kind, stamp_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            span.add_event("log append", timestamp=stamp_ms * 1_000_000)
        span.add_event("broker ack")
    span.end()


def start(environ: Mapping[str, str], group: str) -> Tracing | None:
    """Tracing as the environment asks for; None when spans have nowhere to go.

    Args:
        environ: the environment's variables.
        group: the consumer group.

    Raises:
        TracingUnavailable: it asks for what is not there.
    """
    exporters = {part.strip().lower() for part in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if part.strip()}
    wanted = "otlp" in exporters or (not exporters and any(environ.get(name) for name in _ENDPOINTS))
    if not wanted or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf").strip().lower()
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return Tracing(OTLPSpanExporter(), group)
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
    return Tracing(grpc.OTLPSpanExporter(), group)


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


def _wall(stamp_ns: int) -> int:
    return time.time_ns() - (time.perf_counter_ns() - stamp_ns)


def _text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "backslashreplace")
