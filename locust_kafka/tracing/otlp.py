"""Spans as OTLP protobuf (opentelemetry-proto 1, trace.proto).

The SDK's own way, span objects and its encoder, costs more than 100 µs a span and holds the hub for tens of
milliseconds a batch.  Here plain tuples go straight into the messages, and what many spans share is encoded once.
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from locust_kafka.tracing.spans import Attribute, Span

_SAMPLED = 1
_HAS_IS_REMOTE = 0x100  # the context's origin is known: all parents are local
_MOST_TEMPLATES = 1000


class Encoder:
    """Gathers spans for one request to the collector.

    Args:
        resource: attributes of the process.
        scope: name and version of the instrumentation.
    """

    def __init__(self, resource: Iterable[Attribute], scope: tuple[str, str]) -> None:
        head = ExportTraceServiceRequest()
        resource_spans = head.resource_spans.add()
        for attribute in resource:
            _attribute(resource_spans.resource.attributes.add(), attribute)
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name, scope_spans.scope.version = scope
        self._head = head.SerializeToString()
        self._templates: dict[tuple[str, int, tuple[Attribute, ...]], bytes] = {}
        self._start()

    def _start(self) -> None:
        self._request = ExportTraceServiceRequest.FromString(self._head)
        self._spans = self._request.resource_spans[0].scope_spans[0].spans

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: Span) -> None:
        """Encode one span.

        Raises:
            ValueError: it holds what protobuf cannot carry, as a lone surrogate; nothing of it is sent.
        """
        message = self._spans.add()
        try:
            self._fill(message, span)
        except ValueError:  # of which UnicodeEncodeError is one
            del self._spans[-1]
            raise

    def _fill(self, message: trace_pb2.Span, span: Span) -> None:
        message.MergeFromString(self._template(span))
        message.trace_id = span.trace_id
        message.span_id = span.span_id
        if span.parent_id:
            message.parent_span_id = span.parent_id
        message.start_time_unix_nano = span.start_ns
        message.end_time_unix_nano = span.end_ns
        attributes = message.attributes
        for attribute in span.attributes:
            _attribute(attributes.add(), attribute)
        for name, at_ns, event_attributes in span.events:
            event = message.events.add(name=name, time_unix_nano=at_ns)
            for attribute in event_attributes:
                _attribute(event.attributes.add(), attribute)
        if span.link is not None:
            message.links.add(trace_id=span.link[0], span_id=span.link[1])
        if span.error:
            message.status.code = trace_pb2.Status.STATUS_CODE_ERROR
            message.status.message = span.error

    def take(self) -> bytes:
        """The request with all spans added since the last one."""
        body: bytes = self._request.SerializeToString()
        self._start()
        return body

    def _template(self, span: Span) -> bytes:
        key = (span.name, span.kind, span.constant)
        template = self._templates.get(key)
        if template is None:
            message = trace_pb2.Span(name=span.name, kind=span.kind, flags=_SAMPLED | _HAS_IS_REMOTE)  # type: ignore[arg-type] # an enum's number
            for attribute in span.constant:
                _attribute(message.attributes.add(), attribute)
            template = message.SerializeToString()
            if len(self._templates) < _MOST_TEMPLATES:  # names may be many
                self._templates[key] = template
        return template


def _attribute(message: KeyValue, attribute: Attribute) -> None:
    key, value = attribute
    message.key = key
    if isinstance(value, str):
        message.value.string_value = value
    elif isinstance(value, int):
        message.value.int_value = value
    else:
        message.value.double_value = value
