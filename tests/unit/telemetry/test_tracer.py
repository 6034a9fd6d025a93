"""Which exchanges are traced, what their spans say, and how they are encoded."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.results import RunResults
from locust_kafka.core.sampling import Reason, Sampling
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import Measure
from locust_kafka.telemetry import otlp_metrics, spans
from locust_kafka.telemetry.otlp import Encoder
from locust_kafka.telemetry.spans import Span, SpanTemplate
from locust_kafka.telemetry.tracer import Tracer

ATTRIBUTES = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=9),
        st.text(max_size=9) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    ),
    max_size=4,
).map(tuple)
SPANS = st.builds(
    Span, template=st.builds(SpanTemplate, name=st.sampled_from(["a", "b"]), kind=st.sampled_from([3, 4, 5]), attributes=ATTRIBUTES),
    trace_id=st.binary(min_size=16, max_size=16), span_id=st.binary(min_size=8, max_size=8),
    parent_id=st.just(b"") | st.binary(min_size=8, max_size=8), start_ns=st.integers(0, 2**63), end_ns=st.integers(0, 2**63),
    attributes=ATTRIBUTES, events=st.lists(st.tuples(st.text(), st.integers(0, 2**63), ATTRIBUTES), max_size=3).map(tuple),
    link=st.none() | st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8)), error=st.text(),
)  # fmt: skip


@given(st.lists(SPANS, max_size=5))
def test_what_is_encoded_is_what_was_told(told: list[Span]) -> None:
    """Decoded by opentelemetry-proto, every field of every span is there, batch after batch."""
    encoder = Encoder([("service.name", "s")], ("scope", "1"))
    for span in told:
        encoder.add(span)
    assert len(encoder) == len(told)
    for expected in (told, []):  # the second batch is empty: nothing of the first is left
        (resource_spans,) = ExportTraceServiceRequest.FromString(encoder.take()).resource_spans
        assert resource_spans.resource.attributes[0].value.string_value == "s"
        (scope_spans,) = resource_spans.scope_spans
        assert len(scope_spans.spans) == len(expected)
        for span, message in zip(expected, scope_spans.spans, strict=True):
            assert (message.name, message.kind) == (span.template.name, span.template.kind)
            assert message.flags == 0x101
            assert (message.trace_id, message.span_id, message.parent_span_id) == span[1:4]
            assert (message.start_time_unix_nano, message.end_time_unix_nano) == span[4:6]
            assert [(a.key, getattr(a.value, a.value.WhichOneof("value"))) for a in message.attributes] == list(
                span.template.attributes + span.attributes
            )
            assert [(e.name, e.time_unix_nano) for e in message.events] == [e[:2] for e in span.events]
            for event, told_event in zip(message.events, span.events, strict=True):
                assert [a.key for a in event.attributes] == [key for key, _value in told_event[2]]
            assert [(link.trace_id, link.span_id) for link in message.links] == ([span.link] if span.link else [])
            assert message.status.message == span.error
            assert bool(message.status.code) == bool(span.error)


def test_a_remembered_exchange_tells_only_what_is_remembered() -> None:
    """The root of an exchange that is gone has its instants and outcome, and claims no ack."""
    root = spans.span_of_ended(
        bytes(15) + b"\1", EndedRequest(900, Outcome.MATCHED, True, 100, 200, "n"), Reason.DUPLICATE, 1000
    )
    assert (root.template.name, root.start_ns, root.end_ns, root.parent_id, root.error) == (
        "request n",
        1100,
        1900,
        b"",
        "",
    )
    assert [event[:2] for event in root.events] == [("send start", 1200), ("first reply", 1900)]
    timed_out = spans.span_of_ended(
        bytes(15) + b"\1", EndedRequest(900, Outcome.TIMED_OUT, False, 100, 200, "n"), Reason.LATE, 0
    )
    assert ("error.type", "timeout") in timed_out.template.attributes
    assert timed_out.error == "TIMED_OUT"


def test_no_span_refers_to_what_nobody_exported() -> None:
    """A reply is linked to the service's span when that one was sampled; else the service's own words stand in."""
    trace_id, root = bytes(range(16)), bytes(range(8))
    for flags, linked in ((b"01", True), (b"00", False), (b"03", True), (b"02", False)):
        headers = [("traceparent", b"00-" + trace_id.hex().encode() + b"-1234567890abcdef-" + flags),
                   ("server-timing", b"wait;dur=5")]  # fmt: skip
        message = Message(topic="replies", partition=0, offset=7, headers=headers, timestamp=(2, 5))
        span = spans.span_of_reply(trace_id, root, message, Verdict.MATCH, 10, 20, 0)
        assert (span.link == (trace_id, bytes.fromhex("1234567890abcdef"))) == linked
        assert [event[0] for event in span.events] == ["log append"] + ["service: wait"] * (not linked)


def test_a_reset_begins_the_latencies_anew_and_never_the_counts() -> None:
    """Histograms have the reset as their start, sums keep the run's: what falls back without it reads as a restart."""
    ledger = RunResults()
    ledger.name("n").e2e_matched.record(5_000_000)
    points = {metric.name: metric.data.data_points[0] for metric in otlp_metrics._metrics(ledger, 100, 200, 300)}
    assert {name: point.start_time_unix_nano for name, point in points.items()} == {
        "locust_kafka.requests": 100, "locust_kafka.replies": 100, "locust_kafka.pending": 100,
        "locust_kafka.e2e.duration": 200, "messaging.client.operation.duration": 200,
    }  # fmt: skip
    assert points["locust_kafka.e2e.duration"].bucket_counts[:2] == [1, 0]


class Kept:
    """An export that keeps what it is given."""

    def __init__(self) -> None:
        self.told: list[list[Span]] = []

    def put(self, make: Callable[[], list[Span]]) -> None:
        self.told.append(make())


def ended(correlation_id: bytes, trace_id: str, outcome: Outcome = Outcome.MATCHED) -> Exchange:
    exchange = Exchange(correlation_id, "n", 100, 100, 10**9, trace_id.encode(), "requests")
    exchange.outcome, exchange.ended_ns = outcome, 900
    return exchange


def test_a_reused_id_leads_into_no_other_trace() -> None:
    """With ids that are not ours, a later reply is told in the trace of the id's last exchange, or not at all."""
    export = Kept()
    tracer = Tracer(Sampling(0, 0, 1), export, 1000, RunResults(), Measure(RunResults()), ours=False)  # type: ignore[arg-type] # as far as it is used
    first, second, third = (f"{number:032x}" for number in (1, 2, 3))
    message = Message(topic="replies", partition=0, offset=7, timestamp=(2, 5))
    past = EndedRequest(900, Outcome.MATCHED, True, 100, 200, "n")
    for trace_id, told in ((first, first), (second, ""), (third, "")):  # the cap allows one of them
        assert tracer._judge(ended(b"cust-7", trace_id, Outcome.TIMED_OUT)) == (trace_id == first)
        assert tracer._export_later(b"cust-7", past, Verdict.DUPLICATE, message, 950) == told


def test_a_trace_that_is_told_is_told_whole() -> None:
    """Later replies of a kept exchange need no room under the cap; those of others share it."""
    export = Kept()
    tracer = Tracer(Sampling(1, 5, 1), export, 1000, RunResults(), Measure(RunResults()), ours=True)  # type: ignore[arg-type]
    trace_id = f"{7:032x}"
    exchange = ended(trace_id.encode(), trace_id)
    exchange.sampled = tracer.sample(trace_id.encode(), 0)
    assert tracer._judge(exchange)
    message = Message(topic="replies", partition=0, offset=7, timestamp=(2, 5))
    past = EndedRequest(900, Outcome.MATCHED, True, 100, 200, "n")
    for _ in range(10):
        assert tracer._export_later(trace_id.encode(), past, Verdict.DUPLICATE, message, 950) == trace_id
    assert [[span.template.name for span in told] for told in export.told] == [["process replies"]] * 10
    others = [
        tracer._export_later(f"{n:032x}".encode(), past, Verdict.DUPLICATE, message, 950) for n in range(100, 110)
    ]
    assert [bool(other) for other in others] == [True] + [False] * 9
    assert [span.template.name for span in export.told[-1]] == ["request n", "process replies"]
