"""Spans as OTLP protobuf, written straight into the wire format (opentelemetry-proto 1, trace.proto).

The SDK's span objects and encoder cost more than 100 µs a span, protobuf's own message objects 10 to 15, this 3 to 6,
and each has to fit beside the measurement.  opentelemetry-proto is the tests' oracle, field for field.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from locust_kafka.telemetry.spans import Attribute, Event, Span, SpanTemplate

_FIXED64 = struct.Struct("<Q").pack
_DOUBLE = struct.Struct("<d").pack
_SMALL = [bytes((number,)) for number in range(128)]

# Field tags, (number << 3) | wire type.  Span: trace_id 1, span_id 2, parent_span_id 4, name 5, kind 6, start 7, end 8,
# attributes 9, events 11, links 13, status 15, flags 16.
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
_START, _END = b"\x39", b"\x41"
_ATTRIBUTE, _EVENT, _LINK, _STATUS = b"\x4a", b"\x5a", b"\x6a", b"\x7a"
_FLAGS = b"\x85\x01\x01\x01\x00\x00"  # fixed32 0x101: sampled, and known not to be remote
_EVENT_TIME, _EVENT_NAME, _EVENT_ATTRIBUTE = b"\x09", b"\x12", b"\x1a"
_ERROR = b"\x18\x02"  # Status.code = STATUS_CODE_ERROR


class Encoder:
    """Gathers spans for one request to the collector.

    Args:
        resource: attributes of the process.
        scope: name and version of the instrumentation.
    """

    def __init__(self, resource: Iterable[Attribute], scope: tuple[str, str]) -> None:
        attributes = [KeyValue(key=key, value=_any(value)) for key, value in resource]
        self._resource = _part(b"\x0a", Resource(attributes=attributes).SerializeToString())
        self._scope = _part(b"\x0a", InstrumentationScope(name=scope[0], version=scope[1]).SerializeToString())
        self._spans: list[bytes] = []

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: Span) -> None:
        """Encode one span.

        Raises:
            ValueError: it holds what protobuf cannot carry, as a lone surrogate; nothing of it is sent.
        """
        parts = [
            _TRACE_ID, span.trace_id, _SPAN_ID, span.span_id, _template(span.template), _START, _FIXED64(span.start_ns),
            _END, _FIXED64(span.end_ns),
        ]  # fmt: skip
        if span.parent_id:
            parts += (_PARENT_ID, span.parent_id)
        for attribute in span.attributes:
            parts.append(_attribute(_ATTRIBUTE, attribute))
        for event in span.events:
            parts.append(_event(event))
        if span.link is not None:
            parts.append(_part(_LINK, _TRACE_ID + span.link[0] + _SPAN_ID + span.link[1]))
        if span.error:
            parts.append(_part(_STATUS, _part(b"\x12", span.error.encode()) + _ERROR))
        self._spans.append(_part(b"\x12", b"".join(parts)))

    def take(self) -> bytes:
        """The request (ExportTraceServiceRequest) with all spans added since the last one."""
        scope_spans = self._scope + b"".join(self._spans)
        self._spans = []
        return _part(b"\x0a", self._resource + _part(b"\x12", scope_spans))


@lru_cache(1000)
def _template(template: SpanTemplate) -> bytes:
    """Name, kind, flags and constant attributes: encoded once for all spans that share them."""
    parts = [_part(b"\x2a", template.name.encode()), b"\x30", _SMALL[template.kind], _FLAGS]
    parts += [_attribute(_ATTRIBUTE, attribute) for attribute in template.attributes]
    return b"".join(parts)


@lru_cache(1000)
def _key(key: str) -> bytes:
    """KeyValue.key, and the tag of KeyValue.value."""
    return _part(b"\x0a", key.encode()) + b"\x12"


def _attribute(tag: bytes, attribute: Attribute) -> bytes:
    key, value = attribute
    if isinstance(value, str):
        text = value.encode()
        length = len(text)
        if length < 60 and len(key) < 60:  # all lengths are one byte: the usual case, in one go
            head = _key(key)
            return tag + _SMALL[len(head) + length + 3] + head + _SMALL[length + 2] + b"\x0a" + _SMALL[length] + text
        any_value = _part(b"\x0a", text)
    elif isinstance(value, int):
        any_value = b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    else:
        any_value = b"\x21" + _DOUBLE(value)
    length = len(any_value)
    return _part(tag, _key(key) + (_SMALL[length] if length < 128 else _varint(length)) + any_value)


def _event(event: Event) -> bytes:
    name, at_ns, attributes = event
    if not attributes:
        head, tail = _plain_event(name)
        return head + _FIXED64(at_ns) + tail
    body = _EVENT_TIME + _FIXED64(at_ns) + _part(_EVENT_NAME, name.encode())
    for attribute in attributes:
        body += _attribute(_EVENT_ATTRIBUTE, attribute)
    return _part(_EVENT, body)


@lru_cache(1000)
def _plain_event(name: str) -> tuple[bytes, bytes]:
    """What stands before and after the instant of an event without attributes."""
    whole = _part(_EVENT, _EVENT_TIME + bytes(8) + _part(_EVENT_NAME, name.encode()))
    tail = _part(_EVENT_NAME, name.encode())
    return whole[: -len(tail) - 8], tail


def _part(tag: bytes, body: bytes) -> bytes:
    """A length-delimited field."""
    length = len(body)
    return tag + (_SMALL[length] if length < 128 else _varint(length)) + body


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _any(value: str | int | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)
