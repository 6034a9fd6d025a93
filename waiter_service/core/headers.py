"""The headers of the wire contract.

The load tester has its own copy, since the two packages share no code; a contract test compares the two.
"""

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
INJECTED = b"injected"

# W3C Trace Context level 2, section 3.2: version 00 has exactly four fields, later versions may have more.
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


class TraceContext(NamedTuple):
    """A parsed traceparent: trace id and span id as hex digits, flags as a number."""

    trace_id: bytes
    span_id: bytes
    flags: int

    def unsampled_child(self, span_id: bytes) -> bytes:
        """Return the traceparent of a child span that nobody records: its sampled flag is 0, other flags are kept.

        Args:
            span_id: the child's span id, 16 hex digits.
        """
        return b"00-%s-%s-%02x" % (self.trace_id, span_id, self.flags & ~1)


def last_header(headers: Headers, name: str) -> bytes | None:
    """Return the value of the last header of that name, None without one; Kafka allows several of one name."""
    for header, value in reversed(headers):
        if header == name:
            return value
    return None


def parse_traceparent(value: bytes) -> TraceContext | None:
    """Parse a traceparent; None for what the W3C rules refuse (all-zero ids, upper case, version ff, a short field)."""
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
    """Write a W3C Server-Timing value.

    Args:
        queue_ms: time in the request queue.
        wait_ms: time waited by a waiter thread.
        forward_ms: time the consumer was held back by a full request queue.
    """
    return b"queue;dur=%.3f, wait;dur=%.3f, forward;dur=%.3f" % (queue_ms, wait_ms, forward_ms)
