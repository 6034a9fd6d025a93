"""Spans leave the process: from a bounded queue, in a greenlet of their own, a few at a time.

Nothing here ever blocks a user: when the collector is slow the queue fills, and what finds no room is counted.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Protocol

import gevent
from gevent.event import Event
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from locust_kafka.telemetry.environment import say_once
from locust_kafka.telemetry.otlp import Encoder
from locust_kafka.telemetry.spans import Span

logger = logging.getLogger("locust_kafka")

QUEUE_TRACES = 2000
BATCH_SPANS = 2048
CHUNK_TRACES = 12
"""After so many (some 400 µs) the hub gets its turn."""
YIELD_S = 0.0005
"""For how long.  Not sleep(0): gevent runs 50 such turns before it looks at its timers and sockets again."""
PAUSE_S = 0.05
"""How often the queue is looked at: bytes are no work for the garbage collector, waiting exchanges are."""
SEND_S = 0.5
"""How often they are sent."""
CLOSE_S = 2.5


def _version() -> str:
    try:
        return version("locust-kafka")
    except PackageNotFoundError:  # run from a folder, not installed
        return ""


SCOPE = ("locust_kafka", _version())

MakeSpans = Callable[[], list[Span]]


class Sink(Protocol):
    """Where spans go."""

    def add(self, span: Span) -> None:
        """Take one."""

    def send(self) -> bool:
        """Send what was taken; may take long, in a greenlet.  Whether it arrived."""

    def close(self) -> None:
        """Send no more: a `send` under way gives up."""


class Collector:
    """Sends OTLP over HTTP by OTEL_EXPORTER_OTLP_*.

    Args:
        resource: who sends.
    """

    def __init__(self, resource: Resource) -> None:
        attributes = [
            (key, value) for key, value in resource.attributes.items() if isinstance(value, (str, int, float))
        ]
        self._encoder = Encoder(attributes, SCOPE)
        # Its settings, connection, compression and retries; only the encoding is ours.
        exporter = OTLPSpanExporter()
        self._client = exporter._client  # noqa: SLF001 - it takes encoded bytes; the public way takes SDK spans only
        self._close: Callable[[], None] = exporter.shutdown
        say_once(OTLPSpanExporter.__module__)  # the summary has the count

    def add(self, span: Span) -> None:
        """Encode it."""
        self._encoder.add(span)

    def send(self) -> bool:
        """Post what was encoded."""
        return self._client.export(self._encoder.take()).success

    def close(self) -> None:
        """Stop retrying, and close the connection."""
        self._close()


class Provider:
    """Hands spans to the processors of a provider that somebody else has set (`locust --otel`).

    Args:
        provider: the SDK's.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._scope = InstrumentationScope(*SCOPE)

    def add(self, span: Span) -> None:
        """Make an SDK span of it and hand it on: the processor queues, drops and sends by its own rules."""
        trace_id = int.from_bytes(span.trace_id)
        readable = ReadableSpan(
            name=span.template.name,
            context=_context(trace_id, span.span_id),
            parent=_context(trace_id, span.parent_id) if span.parent_id else None,
            resource=self._provider.resource,
            attributes=dict(span.template.attributes + span.attributes),
            events=[SdkEvent(name, dict(attributes), at_ns) for name, at_ns, attributes in span.events],
            links=[Link(_context(int.from_bytes(span.link[0]), span.link[1]))] if span.link else [],
            kind=_KINDS[span.template.kind],
            instrumentation_scope=self._scope,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=span.start_ns,
            end_time=span.end_ns,
        )
        self._provider._active_span_processor.on_end(readable)  # noqa: SLF001 - the SDK's tracers would draw ids of their own

    def send(self) -> bool:
        """Nothing to do: the processor sends."""
        return True

    def close(self) -> None:
        """Whoever set the provider ends it."""


class Export:
    """The queue and its greenlet.

    Args:
        sink: where spans go.
    """

    def __init__(self, sink: Sink) -> None:
        self.sent = 0
        """Spans that the collector (or the provider's processor) took."""
        self.dropped = 0
        """Exchanges that were not exported: no room in the queue, or their spans could not be made."""
        self.refused = 0
        """Spans that the collector did not take."""
        self._sink = sink
        self._queue: deque[MakeSpans] = deque()
        self._closing = Event()
        self._in_hand = 0
        self._failing = False
        self._greenlet = gevent.spawn(self._run)

    def put(self, make: MakeSpans) -> None:
        """Queue an exchange's spans; they are made when their turn comes."""
        if len(self._queue) >= QUEUE_TRACES:
            self.dropped += 1
        else:
            self._queue.append(make)

    def close(self) -> None:
        """Send what is queued, for at most CLOSE_S; hardly when the last sending failed.  What is left is counted."""
        self._closing.set()
        self._greenlet.join(0.1 if self._failing else CLOSE_S)
        if not self._greenlet.ready():
            self._greenlet.kill(block=True, timeout=0.2)
        self.refused += self._in_hand
        self.dropped += len(self._queue)
        self._sink.close()

    def _run(self) -> None:
        sent_s = perf_counter()
        while self._queue or self._in_hand or not self._closing.is_set():
            self._encode()
            due = self._closing.is_set() or perf_counter() - sent_s > SEND_S
            if self._in_hand >= BATCH_SPANS or (due and self._in_hand):
                self._send()
                sent_s = perf_counter()
            elif not self._queue:
                self._closing.wait(PAUSE_S)

    def _send(self) -> None:
        try:
            arrived = self._sink.send()
        except Exception as error:  # the next batch is tried all the same
            if not self._failing:
                logger.warning("spans could not be sent: %r (said once; counted)", error)
            arrived = False
        self._failing = not arrived
        if self._failing:
            self.refused += self._in_hand
        else:
            self.sent += self._in_hand
        self._in_hand = 0

    def _encode(self) -> None:
        while self._queue and self._in_hand < BATCH_SPANS:
            for _ in range(min(CHUNK_TRACES, len(self._queue))):
                self._take(self._queue.popleft())
            gevent.sleep(YIELD_S)

    def _take(self, make: MakeSpans) -> None:
        try:
            for span in make():
                self._sink.add(span)
                self._in_hand += 1
        except Exception as error:  # one exchange that fails must not stop the others
            if not self.dropped:
                logger.warning("the spans of an exchange could not be made: %r (said once; counted)", error)
            self.dropped += 1


_KINDS = {3: SpanKind.CLIENT, 4: SpanKind.PRODUCER, 5: SpanKind.CONSUMER}


def _context(trace_id: int, span_id: bytes) -> SpanContext:
    return SpanContext(trace_id, int.from_bytes(span_id), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
