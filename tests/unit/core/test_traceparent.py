"""Laws of trace ids and of the header that carries them."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.traceparent import (
    Entropy,
    TraceIds,
    parse_server_timing,
    parse_traceparent,
    request_traceparent,
    root_span_id,
    trace_id_of,
)


def test_ids_carry_their_generation_and_are_readable() -> None:
    """New ids are valid by the W3C rules, differ, and begin with the run's prefix."""
    ids = TraceIds()
    drawn = [ids.new() for _ in range(1000)]
    assert len({trace_id for trace_id, _, _ in drawn}) == 1000
    for trace_id, traceparent, _ in drawn:
        assert traceparent == request_traceparent(trace_id, sampled=False)
        assert trace_id.startswith(ids.generation)
        for sampled in (True, False):
            context = parse_traceparent(request_traceparent(trace_id, sampled))
            assert context == (trace_id, root_span_id(trace_id), int(sampled))


def test_an_all_zero_span_id_is_never_sent() -> None:
    """W3C forbids it, and the root's span id is the trace id's end: so the ids are drawn again."""
    draws = [b"\1\2\3\4", (b"\5" * 4 + b"\0" * 8) * 2, b"\1" * 32, b"\6" * 12, b"\2" * 16]
    ids = TraceIds(entropy=lambda _count: draws.pop(0))
    assert ids.new()[0] == b"01020304" + b"06" * 12


@given(st.lists(st.integers(1, 5000), max_size=60))
def test_random_bytes_are_never_given_twice(counts: list[int]) -> None:
    """What is taken, in whatever pieces, is what the source gave, in order, with nothing used again."""
    given_out: list[bytes] = []

    def source(count: int) -> bytes:
        given_out.append(bytes((len(given_out) * 31 + n * 7) % 256 for n in range(count)))
        return given_out[-1]

    entropy = Entropy(source)
    for count in counts:
        before = len(given_out)
        taken = entropy.take(count)
        assert len(taken) == count
        if len(given_out) > before:
            position = 0
        assert given_out[-1][position : position + count] == taken
        position += count


@given(st.text("00f1-", min_size=54, max_size=56), st.integers(0, 54), st.sampled_from(" -gG0F\n"), st.booleans())
def test_a_trace_id_is_read_as_the_whole_header_is(digits: str, at: int, odd: str, zeros: bool) -> None:
    """The short look at a header accepts what the long one does, and nothing else, however near it comes."""
    near = bytearray(b"00-" + digits.encode()[:32] + b"-" + digits.encode()[36:52] + b"-01")
    if zeros:
        near[36:52] = b"0" * 16
    for header in (digits.encode(), bytes(near), bytes(near[:at]) + odd.encode() + bytes(near[at + 1 :])):
        context = parse_traceparent(header)
        assert trace_id_of(header) == (context.trace_id if context else None)


def test_keys_are_uuids() -> None:
    """Version 4, variant 1, all different."""
    ids = TraceIds()
    keys = {ids.new()[2] for _ in range(1000)}
    assert len(keys) == 1000
    uuids = [uuid.UUID(key.decode()) for key in keys]
    assert {str(one).encode() for one in uuids} == keys
    assert {(one.version, one.variant) for one in uuids} == {(4, uuid.RFC_4122)}


def test_forbidden_traceparents_are_refused() -> None:
    """Zero ids, upper case, version ff, a version 00 with a tail, short fields."""
    good = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"
    assert trace_id_of(good) == b"0af7651916cd43dd8448eb211c80319c"
    assert trace_id_of(b"01" + good[2:] + b"-more") == b"0af7651916cd43dd8448eb211c80319c"
    for bad in (
        None, b"", good.upper(), b"ff" + good[2:], good + b"-more", good[:-1], good.replace(b"-b7ad6b7169203331", b""),
        b"00-" + b"0" * 32 + good[35:], good[:36] + b"0" * 16 + b"-01", good + b"\n",
    ):  # fmt: skip
        assert trace_id_of(bad) is None, bad


def test_server_timing_is_read_as_the_w3c_writes_it() -> None:
    """Names and durations; metrics without one, and nonsense, are passed over."""
    assert parse_server_timing(b'queue;dur=0.31, wait;desc="a b";dur=500.2,cache;desc=hit,x;dur=oops, y ; DUR = "7" ') == [
        ("queue", 0.31), ("wait", 500.2), ("y", 7.0),
    ]  # fmt: skip
    assert parse_server_timing(None) == []
    assert parse_server_timing(b"\xff;dur=1") == [("\ufffd", 1.0)]
    assert parse_server_timing(b'db;desc="a,b;dur=7";dur=2;dur=9, "odd;dur=1') == [("db", 2.0), ("odd", 1.0)]
    for odd in (b"nan", b"inf", b"-1", b"1e999", b"1_0", b"9" * 20, "٣".encode()):
        assert parse_server_timing(b"a;dur=" + odd) == [], odd


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.floats(0, 1e6).map(lambda ms: round(ms, 3)),
            st.text(st.characters(codec="ascii", exclude_characters='"\\'), max_size=9),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_what_a_service_says_of_its_time_is_read_back(metrics: list[tuple[str, float, str]]) -> None:
    """Whatever stands in the quoted descriptions, names and durations come back in their order."""
    header = ", ".join(f'{name};desc="{words}";dur={ms:.3f}' for name, ms, words in metrics)
    found = parse_server_timing(header.encode())
    assert found == [(name, ms) for name, ms, _words in metrics][: len(found)]
    assert len(found) == len(metrics) or len(header) > 1024


@given(st.binary(max_size=3000) | st.text('",;=\\dur 19', max_size=1500).map(str.encode))
def test_no_header_is_more_than_a_bounded_list_of_durations(header: bytes) -> None:
    """Whatever a service wrote: at most twenty short names, each with a finite duration that is not negative."""
    found = parse_server_timing(header)
    assert len(found) <= 20
    assert all(0 < len(name) <= 64 and 0 <= ms < 1e12 for name, ms in found)
