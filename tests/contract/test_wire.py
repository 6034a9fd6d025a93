"""Both packages against the wire contract, with OpenTelemetry's own propagator as oracle."""

from __future__ import annotations

import re
import subprocess
import sys

from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from locust_kafka.core.traceparent import TraceIds, request_traceparent, trace_id_of
from waiter_service.core.headers import parse_traceparent

HEX = st.sampled_from("0123456789abcdefABCg-")
GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACEPARENTS = st.one_of(
    st.text(HEX, max_size=60),
    st.builds(
        "{}-{}-{}-{}{}".format,
        st.sampled_from(["00", "01", "fe", "ff", "0", "0A"]),
        st.text("0af", min_size=32, max_size=32) | st.just("0" * 32),
        st.text("0b7", min_size=16, max_size=16) | st.just("0" * 16),
        st.sampled_from(["00", "01", "03", "ff", "1", "0G"]),
        st.sampled_from(["", "-", "-x", "x"]),
    ),
)


def oracle(value: str) -> trace.SpanContext | None:
    context = TraceContextTextMapPropagator().extract({"traceparent": value})
    span = trace.get_current_span(context).get_span_context()
    return span if span.is_valid else None


def valid_by_w3c(value: str) -> bool:
    """W3C Trace Context, section 3.2.2, read anew: lower-case hex, no version ff, no zero id, a tail in later versions."""
    fields = re.fullmatch(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", value, re.DOTALL)
    if fields is None or fields[1] == "ff" or (fields[1] == "00" and fields[4]):
        return False
    return set(fields[2]) != {"0"} and set(fields[3]) != {"0"}


@given(TRACEPARENTS)
@example(GOOD)
@example("cc" + GOOD[2:] + "-what-the-future-brings")
def test_both_parsers_agree_with_each_other_and_with_opentelemetry(value: str) -> None:
    """What OpenTelemetry accepts and the W3C text does, both of ours accept, with the same ids and flags."""
    ours, waiters = trace_id_of(value.encode()), parse_traceparent(value.encode())
    assert ours == (waiters.trace_id if waiters else None)
    theirs = oracle(value)
    if ours is not None and waiters is not None:
        assert theirs is not None
        assert (f"{theirs.trace_id:032x}".encode(), f"{theirs.span_id:016x}".encode()) == (ours, waiters.span_id)
        assert int(theirs.trace_flags) == waiters.flags
    elif theirs is not None:
        assert not valid_by_w3c(value)  # OpenTelemetry's propagator is laxer than the W3C text
    assert (ours is not None) == valid_by_w3c(value)


def test_what_we_send_everybody_reads() -> None:
    """Our requests' and the waiter's replies' traceparent are valid for OpenTelemetry, trace id kept."""
    trace_id = TraceIds().new()[0]
    sent = request_traceparent(trace_id, sampled=True)
    assert f"{oracle(sent.decode()).trace_id:032x}".encode() == trace_id  # type: ignore[union-attr]
    context = parse_traceparent(sent)
    assert context is not None
    child = oracle(context.unsampled_child(b"1234567890abcdef").decode())
    assert child is not None
    assert (f"{child.trace_id:032x}".encode(), f"{child.span_id:016x}") == (trace_id, "1234567890abcdef")
    assert not child.trace_flags.sampled  # who records no span must not say so


def test_the_waiter_is_a_stranger_to_the_tester() -> None:
    """Importing all of waiter_service loads neither locust_kafka, nor Locust, nor gevent."""
    code = (
        "import pkgutil, importlib, sys, waiter_service\n"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(waiter_service.__path__, 'waiter_service.')]\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'locust', 'locust_kafka', 'gevent'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
