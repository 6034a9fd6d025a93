"""What the sender does with an id: it takes the request's own, or gives it one that the reply can carry back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.exchange.matching import Match, Rule, rule, rule_of
from locust_kafka.plugin.arguments import HeaderList
from locust_kafka.plugin.sender import RequestSender

TRACE = b"0123456789abcdef0123456789abcdef"
SPRING = "kafka_correlationId"


def correlation_id(found: Rule, key: bytes | None, headers: HeaderList) -> bytes:
    """What the sender takes for the id of a request with another rule than the trace's."""
    sender = SimpleNamespace(_run=SimpleNamespace(rule=found))
    return RequestSender._correlation_id(sender, TRACE, key, b"v", headers)  # type: ignore[arg-type] # all it uses


@given(st.lists(st.tuples(st.sampled_from(["a", "reply-to", SPRING]), st.none() | st.binary(max_size=9)), max_size=4))
def test_a_header_that_was_not_set_is_filled_in(own: HeaderList) -> None:
    """Spring's header: the request carries its id, whoever gave it, so that an echo of the header is found."""
    found = rule(f"header:{SPRING}")
    headers = list(own)
    name = correlation_id(found, b"k", headers)
    assert name
    assert headers[: len(own)] == own
    assert found.of_reply(Message(topic="replies", partition=0, offset=0, headers=headers)) == name
    given_ids = [value for header, value in own if header == SPRING]
    assert name == (given_ids[-1] if given_ids and given_ids[-1] else TRACE)
    assert len(headers) == len(own) + (name == TRACE)


@pytest.mark.parametrize("key", [None, b""])
def test_a_key_that_names_nobody_is_refused(key: bytes | None) -> None:
    """With --kafka-match key a request without a key, or with an empty one, could never be matched: nothing is sent."""
    with pytest.raises(ValueError, match="every request needs a key of its own"):
        correlation_id(rule("key"), key, [])
    assert correlation_id(rule("key"), b"k", []) == b"k"


def test_an_extractor_that_finds_nothing_takes_the_trace_id() -> None:
    """Match(request=...) may return None: the request's trace id is its id, and no header is added."""
    headers: HeaderList = [("a", b"b")]
    found = rule_of(Match(request=lambda *_: None, reply=lambda *_: None))
    assert correlation_id(found, b"k", headers) == TRACE
    assert headers == [("a", b"b")]
