"""The wire contract's headers.  A deliberate small copy: the tester has its own, and a contract test holds both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]]

TRACEPARENT = "traceparent"
REPLY_TO = "reply-to"
REPLY_PARTITION = "reply-partition"
SERVER_TIMING = "server-timing"
ERROR = "error"

# W3C Trace Context level 2, section 3.2: version 00 has exactly four fields, later versions may have more.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


class TraceContext(NamedTuple):
    """A parsed traceparent: trace id and span id as hex digits, flags as a number."""

    trace_id: bytes
    span_id: bytes
    flags: int

    def unrecorded(self, span_id: bytes) -> bytes:
        """The traceparent that a child (16 hex digits) sends on when it records no span: not sampled, rest kept."""
        return b"00-%s-%s-%02x" % (self.trace_id, span_id, self.flags & ~1)


def last(headers: Headers, name: str) -> bytes | None:
    """The value of the last header of that name; Kafka allows several, and the last writer wins."""
    for header, value in reversed(headers):
        if header == name:
            return value
    return None


def parse_traceparent(value: bytes) -> TraceContext | None:
    """Parse by the W3C rules; None for what they refuse (all-zero ids, upper case, version ff, a short field)."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, span_id, flags, tail = match.groups()
    if version == b"ff" or (version == b"00" and tail is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16))


def server_timing(queue_ms: float, wait_ms: float, forward_ms: float) -> bytes:
    """W3C Server-Timing: time in the request queue, time waited, time the consumer was held back; all in ms."""
    return b"queue;dur=%.3f, wait;dur=%.3f, forward;dur=%.3f" % (queue_ms, wait_ms, forward_ms)
