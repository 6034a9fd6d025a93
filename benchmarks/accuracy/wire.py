"""What the wire saw: a capture of the broker's port, read as Kafka frames, and the instants of every exchange in it.

A record's trace id stands in plain text in the produce request and in the fetch response (no compression).  Each frame's
time is that of the packet with its last byte.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PRODUCE, FETCH = 0, 1
_NANO = 0xA1B23C4D
_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-")
_LINKTYPE_ETHERNET = 1

Flow = tuple[int, int]
"""Source and destination port."""


class Packet(NamedTuple):
    """One TCP segment: when, between which ports, from which sequence number, with what in it."""

    at_ns: int
    flow: Flow
    sequence: int
    payload: bytes


class Frame(NamedTuple):
    """One Kafka request or response."""

    at_ns: int
    flow: Flow
    body: bytes


class Seen(NamedTuple):
    """Instants of one record's way through the broker, on the wall clock in ns."""

    produced_ns: int
    """The produce request was complete at the broker's port."""
    answered_ns: int
    """Its produce response left; the append lies between the two."""
    fetched_ns: int
    """The fetch response with it left."""


def packets(path: Path) -> Iterator[Packet]:
    """TCP segments with something in them, from a capture file with nanoseconds on an Ethernet-like device.

    Raises:
        ValueError: the file is of another kind.
    """
    data = path.read_bytes()
    magic, link = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, 20)[0]
    if magic != _NANO or link != _LINKTYPE_ETHERNET:
        raise ValueError(f"{path}: no nanosecond capture of the loopback device (magic {magic:#x}, link type {link})")
    at = 24
    while at + 16 <= len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:  # IPv4, TCP
            continue
        tcp = 14 + (frame[14] & 15) * 4
        source, destination, sequence = struct.unpack_from(">HHI", frame, tcp)
        end = 14 + struct.unpack_from(">H", frame, 16)[0]
        payload = frame[tcp + (frame[tcp + 12] >> 4) * 4 : end]
        if payload:
            yield Packet(seconds * 10**9 + nanoseconds, (source, destination), sequence, payload)


def frames(segments: Iterable[Packet]) -> Iterator[Frame]:
    """Kafka frames (a length and a body) out of segments, in order of their ends."""
    rest: dict[Flow, bytes] = {}
    following: dict[Flow, int] = {}
    for at_ns, flow, sequence, payload in segments:
        expected = following.get(flow)
        if expected is not None and (sequence - expected) % 2**32 > 2**31:
            continue  # sent again
        following[flow] = (sequence + len(payload)) % 2**32
        data = rest.pop(flow, b"") + payload
        while len(data) >= 4:
            length = struct.unpack_from(">I", data)[0]
            if len(data) < 4 + length:
                break
            yield Frame(at_ns, flow, data[4 : 4 + length])
            data = data[4 + length :]
        rest[flow] = data


def ways(all_frames: Iterable[Frame], port: int) -> dict[str, list[Seen]]:
    """By trace id, the ways of its records through the broker at `port`, in order: the request's, then the reply's."""
    asked: dict[tuple[Flow, int], tuple[int, list[str]]] = {}
    produced: dict[str, list[tuple[int, int]]] = defaultdict(list)
    fetched: dict[str, list[int]] = defaultdict(list)
    for at_ns, (source, destination), body in all_frames:
        if destination == port:
            api, _version, correlation = struct.unpack_from(">hhi", body)
            if api == PRODUCE:
                asked[(source, destination), correlation] = at_ns, _trace_ids(body)
        elif source == port:
            began = asked.pop(((destination, source), struct.unpack_from(">i", body)[0]), None)
            if began is None:
                for trace_id in _trace_ids(body):
                    fetched[trace_id].append(at_ns)
            else:
                for trace_id in began[1]:
                    produced[trace_id].append((began[0], at_ns))
    return {
        trace_id: [
            Seen(at, answered, fetch) for (at, answered), fetch in zip(sent, sorted(fetched[trace_id]), strict=True)
        ]
        for trace_id, sent in produced.items()
        if len(sent) == len(fetched[trace_id])
    }


def _trace_ids(body: bytes) -> list[str]:
    return [found.decode() for found in _TRACE.findall(body)]
