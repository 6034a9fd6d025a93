"""A Kafka producer of 60 lines that sends what client libraries refuse to send."""

from __future__ import annotations

import socket
import struct

Record = tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]]]


def produce_raw(bootstrap: str, topic: str, partition: int, records: list[Record]) -> None:
    """Send records (key, value, headers) whose header names are any bytes; the broker must lead the partition."""
    batch = _batch(records)
    name = topic.encode()
    body = struct.pack(">hhi", -1, -1, 30_000) + struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">iii", 1, partition, len(batch)) + batch
    request = struct.pack(">hhih", 0, 3, 1, -1) + body  # Produce, version 3
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        reply = connection.makefile("rb")
        answer = reply.read(struct.unpack(">i", reply.read(4))[0])
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    assert error == 0, f"the broker refused the batch with error code {error}"


def _batch(records: list[Record]) -> bytes:
    data = b"".join(_record(number, *record) for number, record in enumerate(records))
    tail = struct.pack(">hiqqqhii", 0, len(records) - 1, 0, 0, -1, -1, -1, len(records)) + data
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, _crc32c(tail)) + tail


def _record(number: int, key: bytes | None, value: bytes | None, headers: list[tuple[bytes, bytes | None]]) -> bytes:
    body = b"\0" + _varint(0) + _varint(number) + _bytes(key) + _bytes(value) + _varint(len(headers))
    body += b"".join(_bytes(name) + _bytes(header) for name, header in headers)
    return _varint(len(body)) + body


def _bytes(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _varint(number: int) -> bytes:
    zigzag, out = (number << 1) ^ (number >> 63), bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    return bytes([*out, zigzag])


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # the classic loop
        table.append(byte)
    return table


def _crc32c(data: bytes, _steps: list[int] = _table()) -> int:  # noqa: B008 # made once, on purpose
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _steps[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF
