"""What a locustfile hands over: right, or refused in words before anything is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.plugin import arguments
from locust_kafka.plugin import messages as m

ANYTHING = st.one_of(
    st.none(), st.binary(), st.text(st.characters()), st.integers(), st.floats(), st.dictionaries(st.text(), st.text()),
    st.lists(st.text()), st.builds(bytearray, st.binary()),
)  # fmt: skip


def refusal(call: Callable[..., Any], *given_values: Any) -> TypeError | ValueError | None:
    """How the call refuses the values; None when it takes them."""
    try:
        call(*given_values)
    except (TypeError, ValueError) as refused:
        return refused
    return None


@given(ANYTHING, st.sampled_from(["payload", "record_key", "request_name", "reply_timeout_s"]))
def test_a_value_is_taken_or_refused_in_words(value: Any, what: str) -> None:
    """No exception but TypeError, which names the type, and ValueError."""
    refused = refusal(getattr(arguments, what), value)
    assert refused is None or str(refused)
    if isinstance(refused, TypeError):
        assert type(value).__name__ in str(refused)


@given(st.one_of(ANYTHING, st.lists(st.tuples(ANYTHING, ANYTHING)), st.dictionaries(st.text(), ANYTHING)))
def test_headers_are_taken_or_refused_in_words(headers: Any) -> None:
    """What is taken can be encoded: names as UTF-8 text, values as bytes or None."""
    refused = refusal(arguments.request_headers, headers, ["reply-to"])
    assert refused is None or str(refused)
    if refused is None:
        for name, value in arguments.request_headers(headers, ["reply-to"]):
            name.encode()
            assert value is None or isinstance(value, bytes)


def test_a_trace_of_the_users_own_is_taken_apart() -> None:
    """OpenTelemetry's traceparent gives the context; the other headers stay; a bad one is refused."""
    good = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    context, rest = arguments.parent_context(arguments.request_headers({"traceparent": good, "x": "y"}, ["reply-to"]))
    assert context is not None
    assert (context.trace_id, context.span_id, context.flags) == (b"a" * 32, b"b" * 16, 1)
    assert rest == [("x", b"y")]
    with pytest.raises(ValueError, match="W3C wants"):
        arguments.parent_context([("traceparent", b"nonsense")])
    with pytest.raises(ValueError, match="reply_topic"):
        arguments.request_headers({"reply-to": "elsewhere"}, ["reply-to"])


MESSAGES = (
    m.Opened("r"), m.BeginPlan("r", [[1.0, 2.0, 3.0]], 0.5, 0.5, 0.0), m.SetRate("r", 5.0), m.SetShare("r", 0.5),
    m.Reset("r", "now"), m.Finish("r", False), m.Finishing("r"), m.Finished("r", {}), m.Failed("r", "why", True),
    m.Report("r", None),
)  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was_sent(message: m.Message) -> None:
    """Through plain values and back; another version is refused."""
    wire = message.to_wire()
    assert type(message).from_wire(wire) == message
    with pytest.raises(m.BadMessage):
        type(message).from_wire({**wire, "version": 0})


@given(
    st.sampled_from(MESSAGES), st.dictionaries(st.sampled_from(["version", "run", "results", "rate", "cut"]), ANYTHING)
)
def test_a_hostile_message_is_refused(message: m.Message, changed: dict[str, Any]) -> None:
    """Whatever a worker sends is a message or a BadMessage."""
    try:
        found = type(message).from_wire({**message.to_wire(), **changed})
    except m.BadMessage:
        return
    assert isinstance(found.run, str)
