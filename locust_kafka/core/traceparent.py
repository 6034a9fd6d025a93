"""W3C trace context, and the ids of our own requests.

Source of the rules: W3C Trace Context level 2, sections 3.2 (traceparent) and 3.2.2.3 (trace-id).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from typing import NamedTuple

# Refused by looking ahead: version ff, version 00 with more than four fields, all-zero ids.
_TRACEPARENT = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.DOTALL
)
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789abcdef", b"0" * 15)
_SHAPE = b"00-" + _NO_TRACE + b"-" + _NO_SPAN + b"-00"
# Of 32 random hex digits those that a version 4 UUID leaves free.
_UUID_PARTS = struct.Struct("8s4sx3sx3s12s")

_BLOCK = 4096
AT_ONCE = 64
# Of a header that somebody else wrote.
_MAX_METRICS, _MAX_NAME, _MAX_TIMING = 20, 64, 1024
# Commas and semicolons within quotes divide nothing.
_METRIC = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_PARAMETER = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*")+')
_DURATION = re.compile(r"\d{1,12}(?:\.\d{0,12})?", re.ASCII)


class TraceContext(NamedTuple):
    """A parsed traceparent: trace id and span id as lower-case hex digits, flags as a number."""

    trace_id: bytes
    span_id: bytes
    flags: int


def parse_traceparent(traceparent: bytes | None) -> TraceContext | None:
    """What a traceparent says; None for what W3C refuses.

    Accepted: version 00 with exactly four fields, a later version with more.  Refused: version ff, all-zero ids,
    upper case, any other shape.
    """
    if traceparent is None:
        return None
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    return TraceContext(trace_id, span_id, int(flags, 16))


def trace_id_of(traceparent: bytes | None) -> bytes | None:
    """The trace id (32 lower-case hex digits) of a traceparent; None for what `parse_traceparent` refuses."""
    if traceparent is None:
        return None
    trace_id = traceparent[3:35]
    # Most are plain version 00: with each digit a zero they have one shape, which is seen sooner than matched.
    if (
        traceparent.translate(_DIGITS_TO_ZEROS) == _SHAPE
        and traceparent.startswith(b"00-")
        and trace_id != _NO_TRACE
        and not traceparent.startswith(_NO_SPAN, 36)
    ):
        return trace_id
    match = _TRACEPARENT.fullmatch(traceparent)
    return None if match is None else match[1]


def request_traceparent(trace_id: bytes, sampled: bool) -> bytes:
    """The version 00 traceparent of our own request: its root's span id is the end of its trace id."""
    return b"00-" + trace_id + b"-" + trace_id[16:] + (b"-01" if sampled else b"-00")


def root_span_id(trace_id: bytes) -> bytes:
    """The span id that our request carries: the last 16 digits of its trace id, so that nobody has to remember it."""
    return trace_id[16:]


def parse_server_timing(header: bytes | None) -> list[tuple[str, float]]:
    """Names and durations (ms) of a Server-Timing header (W3C Server Timing); metrics without `dur` are left out.

    Somebody else wrote it: of a long one the beginning is read, and what is below 0 or not finite is no duration.
    """
    found = []
    for metric in _METRIC.findall((header or b"")[:_MAX_TIMING].decode("ascii", "replace"))[:_MAX_METRICS]:
        if metric.lstrip().startswith(";"):  # without a name
            continue
        name, *parameters = (part.strip() for part in _PARAMETER.findall(metric) or [""])
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            duration = _DURATION.fullmatch(value.strip().strip('"'))
            if name and key.strip().lower() == "dur" and duration is not None:
                found.append((name[:_MAX_NAME], float(duration[0])))
                break  # of several the first counts
    return found


class Entropy:
    """The system's random bytes, fetched in blocks: each call of os.urandom gives up the GIL, and waits to get it back.

    Not `random`: a locustfile that calls `random.seed` in each worker would give all workers the same ids.

    Args:
        source: n → n random bytes.
    """

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._block = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """So many random bytes, never the same ones twice."""
        at = self._at
        if at + count > len(self._block):
            self._block, at = self._source(max(count, _BLOCK)), 0
        self._at = at + count
        return self._block[at : at + count]


class TraceIds:
    """New ids of one process and run.

    A trace id is the generation (4 random bytes of this run) and 12 random bytes: replies of another process or of
    an earlier run differ in their first 8 digits.  W3C level 2 wants randomness in the right-most 7 bytes.

    Args:
        run_id: of a distributed run, at least 4 hex digits: all its processes share the first half of the generation.
        entropy: n → n random bytes; by default the system's.  One pool a run, made after the fork: two processes
            must not share what is left of a block.
    """

    def __init__(self, run_id: str = "", entropy: Callable[[int], bytes] | None = None) -> None:
        self._entropy = entropy or Entropy().take
        of_run = bytes.fromhex(run_id[:4]) if run_id else b""
        generation = of_run + self._entropy(4 - len(of_run))
        while not any(generation):  # an all-zero id is invalid, and so might its prefix make one
            generation = of_run + self._entropy(4 - len(of_run))
        self.generation = generation.hex().encode()
        """The 8 hex digits all ids of this run and process begin with."""
        self.run_prefix = of_run.hex().encode()
        """The hex digits all ids of this distributed run begin with; empty for a local run."""
        self._made: list[tuple[bytes, bytes, bytes]] = []

    def new(self) -> tuple[bytes, bytes, bytes]:
        """A new trace id (32 hex digits; its last 16 are a valid span id too), its unsampled traceparent, and a key.

        The key, for a request that was given none, is a random UUID as text (RFC 9562, version 4).
        """
        # Made many at a time: one alone would cost as much as matching its reply.
        while not self._made:
            digits = self._entropy(12 * AT_ONCE).hex().encode()
            ids = [self.generation + digits[at : at + 24] for at in range(0, len(digits), 24)]
            keys = _UUID_PARTS.iter_unpack(self._entropy(16 * AT_ONCE).hex().encode())
            self._made = [
                (trace_id, b"00-%b-%b-00" % (trace_id, trace_id[16:]), b"%b-%b-4%b-a%b-%b" % parts)
                for trace_id, parts in zip(ids, keys, strict=False)
                if trace_id[16:] != _NO_SPAN
            ]
        return self._made.pop()
