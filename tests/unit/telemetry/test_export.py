"""Spans leave by a bounded queue: nobody waits for the collector, and every span is sent or counted."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from time import monotonic

import gevent
import pytest
from gevent.event import Event
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from locust_kafka.telemetry import export as export_module
from locust_kafka.telemetry.export import QUEUE_TRACES, Export, Provider
from locust_kafka.telemetry.spans import Span, SpanTemplate
from tests.support import Process

TEMPLATE = SpanTemplate("send q", 4, (("messaging.system", "kafka"),))
ENOUGH_S = 30
"""Longer than any machine takes for what is asked; nothing waits for it unless it fails."""


def span(number: int = 1, error: str = "") -> Span:
    events = (("broker ack", 15, (("a", 1),)),)
    return Span(
        TEMPLATE, bytes(15) + b"\7", number.to_bytes(8), bytes(7) + b"\1", 10, 20, (("n", number),), events, None, error
    )


class Sink:
    """Takes spans; `behaviour` is called at each send."""

    def __init__(self, behaviour: Callable[[], bool] = lambda: True) -> None:
        self.taken: list[Span] = []
        self.sends = 0
        self.closed = 0
        self._behaviour = behaviour

    def add(self, taken: Span) -> None:
        self.taken.append(taken)

    def send(self) -> bool:
        self.sends += 1
        return self._behaviour()

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenths of seconds become thousandths."""
    monkeypatch.setattr(export_module, "PAUSE_S", 0.001)
    monkeypatch.setattr(export_module, "SEND_S", 0)


def hang() -> bool:
    Event().wait()
    return True


def test_what_is_put_is_sent() -> None:
    """All spans of all traces, in their order, also those that are put just before the close."""
    sink = Sink()
    export = Export(sink)
    for number in range(100):
        export.put(lambda number=number: [span(2 * number), span(2 * number + 1)])  # type: ignore[misc]
        if number % 30 == 0:
            gevent.sleep(0)
    export.close()
    assert [taken.span_id for taken in sink.taken] == [number.to_bytes(8) for number in range(200)]
    assert (export.sent, export.refused, export.dropped, sink.closed) == (200, 0, 0, 1)


def test_the_queue_has_an_end_and_counts_what_finds_no_room() -> None:
    """While the collector hangs the queue fills up to its limit and no further; putting never waits."""
    export = Export(Sink(hang))
    for _ in range(QUEUE_TRACES + 7):
        export.put(lambda: [span()])
    assert len(export._queue) == QUEUE_TRACES
    assert export.dropped == 7
    export._greenlet.kill()


@pytest.mark.parametrize("in_hand", [0, 3])
def test_a_collector_that_hangs_ends_with_the_run(in_hand: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The close waits for its own time and no longer, and every trace is in one of the three counts."""
    monkeypatch.setattr(export_module, "CLOSE_S", 0.05)
    sink = Sink(hang)
    export = Export(sink)
    for _ in range(in_hand):
        export.put(lambda: [span()])
    with gevent.Timeout(ENOUGH_S):
        while in_hand and not sink.sends:
            gevent.sleep(0)
    for _ in range(5):
        export.put(lambda: [span()])
    began = monotonic()
    export.close()
    assert monotonic() - began < ENOUGH_S
    assert export._greenlet.ready()
    assert export.sent == 0
    assert export.refused + export.dropped == in_hand + 5
    assert sink.closed == 1


def test_a_collector_that_failed_last_is_hardly_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last sending failed, the close does not wait for its whole time once more."""
    waited: list[float] = []
    sink = Sink(lambda: False)
    export = Export(sink)
    export.put(lambda: [span()])
    with gevent.Timeout(ENOUGH_S):
        while not export.refused:
            gevent.sleep(0.001)
    join = export._greenlet.join
    monkeypatch.setattr(export._greenlet, "join", lambda timeout: (waited.append(timeout), join(timeout)))
    export.close()
    assert waited == [0.1]
    assert (export.sent, export.refused) == (0, 1)


def test_a_sink_that_raises_is_counted_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """An error while sending is said once; its spans are counted as refused, and the next ones are sent."""
    answers = [ZeroDivisionError("no"), ZeroDivisionError("no"), True]

    def behaviour() -> bool:
        answer = answers.pop(0) if answers else True
        if isinstance(answer, Exception):
            raise answer
        return answer

    sink = Sink(behaviour)
    export = Export(sink)
    with caplog.at_level(logging.WARNING, "locust_kafka"), gevent.Timeout(ENOUGH_S):
        for number in range(3):
            export.put(lambda number=number: [span(number)])  # type: ignore[misc]
            while sink.sends == number:
                gevent.sleep(0.001)
        export.close()
    assert (export.sent, export.refused, export.dropped) == (1, 2, 0)
    assert len([record for record in caplog.records if "could not be sent" in record.getMessage()]) == 1


def test_spans_that_cannot_be_made_silence_no_others(caplog: pytest.LogCaptureFixture) -> None:
    """One exchange whose spans raise is counted as dropped and said once; those after it are sent."""
    sink = Sink()
    export = Export(sink)
    for _ in range(3):
        export.put(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        export.put(lambda: [span()])
    export.close()
    assert (export.sent, export.dropped) == (3, 3)
    assert caplog.text.count("could not be made") == 1


def test_the_hub_gets_its_turn_between_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of many exchanges are made a few at a time: a timer that is due meanwhile is not kept waiting for all."""
    made_at_a_turn: list[int] = []
    made = 0

    def make() -> list[Span]:
        nonlocal made
        made += 1
        return []

    sleep = gevent.sleep

    def noted(seconds: float) -> None:
        made_at_a_turn.append(made)
        assert seconds > 0  # sleep(0) would keep timers and sockets waiting
        sleep(0)

    monkeypatch.setattr(export_module.gevent, "sleep", noted)
    export = Export(Sink())
    for _ in range(100):
        export.put(make)
    export.close()
    assert made == 100
    steps = [after - before for before, after in zip([0, *made_at_a_turn], made_at_a_turn, strict=False)]
    assert max(steps) <= export_module.CHUNK_TRACES


# In a process of its own, patched as under Locust: only there an HTTP call stops its greenlet, and not the hub.
OVER_HTTP = """
from gevent import monkey; monkey.patch_all()
import os, socket
from time import monotonic
from gevent.pywsgi import WSGIServer
from opentelemetry.sdk.resources import Resource
from locust_kafka.telemetry import export as module
from tests.unit.telemetry.test_export import span

def collect(environ, start_response):
    print("told", environ["PATH_INFO"], environ["CONTENT_TYPE"], environ["wsgi.input"].read().hex())
    start_response("200 OK", [])
    return [b""]

def exported(port):
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    export = module.Export(module.Collector(Resource({"service.name": "guests"})))
    export.put(lambda: [span(1), span(2, "timeout")])
    began = monotonic()
    export.close()
    in_time = monotonic() - began < 9  # the exporter's own limit is 10 s
    print("counts", export.sent, export.refused, export.dropped, in_time)

server = WSGIServer(("127.0.0.1", 0), collect, log=None)
server.start()
module.CLOSE_S = 60
exported(server.server_port)
module.CLOSE_S = 0.05
silent = socket.create_server(("127.0.0.1", 0))
exported(silent.getsockname()[1])
"""


def test_a_collector_is_told_by_otlp_and_may_hang() -> None:
    """Over HTTP, as protobuf: what is decoded is what was put; a port that never answers ends in time."""
    with Process([sys.executable, "-c", OVER_HTTP], OTEL_EXPORTER_OTLP_COMPRESSION="none") as process:
        assert process.wait(60) == 0, process.output
    told = re.search(r"told /v1/traces application/x-protobuf (\w+)", process.output)
    assert told is not None, process.output
    (resource_spans,) = ExportTraceServiceRequest.FromString(bytes.fromhex(told[1])).resource_spans
    assert resource_spans.resource.attributes[0].value.string_value == "guests"
    first, second = resource_spans.scope_spans[0].spans
    assert (first.name, first.span_id, second.status.message) == ("send q", (1).to_bytes(8), "timeout")
    assert re.findall(r"counts (.*)", process.output) == ["2 0 0 True", "0 2 0 True"]


def test_a_provider_of_somebody_else_gets_whole_spans() -> None:
    """With `locust --otel` its processors get each span with our ids, its kind, instants, events, link and status."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    sink = Provider(provider)
    linked = span(2, "timeout")._replace(link=(bytes(15) + b"\3", bytes(7) + b"\4"), parent_id=b"")
    sink.add(span(1))
    sink.add(linked)
    assert sink.send()
    sink.close()
    one, two = exporter.get_finished_spans()
    assert one.context is not None
    assert one.parent is not None
    assert (one.context.trace_id, one.context.span_id, one.parent.span_id) == (7, 1, 1)
    assert (one.name, one.kind, one.start_time, one.end_time) == ("send q", SpanKind.PRODUCER, 10, 20)
    assert dict(one.attributes or {}) == {"messaging.system": "kafka", "n": 1}
    assert [(event.name, event.timestamp) for event in one.events] == [("broker ack", 15)]
    assert one.status.status_code is StatusCode.UNSET
    assert two.parent is None
    assert (two.status.status_code, two.status.description) == (StatusCode.ERROR, "timeout")
    assert [(link.context.trace_id, link.context.span_id) for link in two.links] == [(3, 4)]
