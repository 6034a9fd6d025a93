"""Laws of the capture's reading: however a stream is cut into packets, the same exchanges are found at their times."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy.wire import Packet, Seen, frames, ways

BROKER, TESTER, SERVICE, LISTENER = 9092, 1, 2, 3
TRACE = "0af7651916cd43dd8448eb211c80319c"
RECORD = b"...traceparent\x6e00-" + TRACE.encode() + b"-b7ad6b7169203331-00..."


def frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def request(api: int, correlation: int, body: bytes) -> bytes:
    return frame(struct.pack(">hhi", api, 9, correlation) + body)


def response(correlation: int, body: bytes) -> bytes:
    return frame(struct.pack(">i", correlation) + body)


STEPS = [
    ((TESTER, BROKER), request(0, 7, RECORD)),
    ((BROKER, TESTER), response(7, b"done")),
    ((SERVICE, BROKER), request(1, 1, b"give")),
    ((BROKER, SERVICE), response(1, RECORD)),
    ((SERVICE, BROKER), request(0, 2, RECORD)),
    ((BROKER, SERVICE), response(2, b"done")),
    ((BROKER, LISTENER), response(5, RECORD)),
]


@given(st.lists(st.integers(1, 60), min_size=1), st.sets(st.integers(0, 30)), st.integers(0, 2**32 - 1))
def test_frames_do_not_depend_on_packets(sizes: list[int], again: set[int], sequence: int) -> None:
    """Cut anywhere, with segments sent again, and sequence numbers that wrap: a frame's time is that of its last byte."""
    cut: list[Packet] = []
    ends: list[int] = []
    nexts: dict[tuple[int, int], int] = {}
    now = 0
    for flow, data in STEPS:
        at = 0
        while at < len(data):
            piece = data[at : at + sizes[now % len(sizes)]]
            start = nexts.get(flow, sequence)
            cut.append(Packet(now, flow, start, piece))
            if now in again:
                cut.append(Packet(now + 1000, flow, start, piece))
            nexts[flow] = (start + len(piece)) % 2**32
            at += len(piece)
            now += 1
        ends.append(now - 1)
    assert ways(frames(cut), BROKER) == {TRACE: [Seen(ends[0], ends[1], ends[3]), Seen(ends[4], ends[5], ends[6])]}
