"""The exchange log: a row when an exchange ends, and one more for each later reply to it."""

from __future__ import annotations

import csv
import gzip
import io
import time
from time import perf_counter_ns
from typing import IO, cast

from locust_kafka.core.legs import Legs, RecordMetadata
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import OURS, SINGLE_MS, Measure, to_step
from locust_kafka.exchange.observer import LaterReply
from locust_kafka.kafka.record import record_metadata
from locust_kafka.paths import open_output

COLUMNS = (
    "trace_id,name,intended_ns,sent_ns,acked_ns,received_ns,request_partition,request_offset,request_append_ms,"
    "reply_partition,reply_offset,reply_append_ms,outcome,verdict,"
    "schedule_ms,request_ms,service_ms,reply_ms,ack_ms"
)
_OURS = tuple(field.removesuffix("_ns") in OURS for field in Legs._fields)


class ExchangeLog:
    """A CSV file, gzipped when its name ends in .gz.  Rows are gathered and written at `flush`.

    Args:
        path: of the file; it is overwritten.
        measure: knows the legs of an exchange.

    Raises:
        OSError: the file cannot be written.
    """

    each = False

    def __init__(self, path: str, measure: Measure) -> None:
        self._legs_of = measure.legs_of
        self._raw = open_output(path)  # it stays open for the whole run
        out = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=1) if path.endswith(".gz") else self._raw
        self._file = io.TextIOWrapper(cast("IO[bytes]", out), encoding="utf-8", newline="")
        self._rows: list[str] = [COLUMNS + "\n"]
        self._names: dict[str, str] = {}
        # Stamps are taken on the monotonic clock and written on the wall clock of the log's beginning.
        self._wall_offset_ns = time.time_ns() - perf_counter_ns()

    def row(
        self,
        trace_id: str,
        name: str,
        intended_ns: int,
        sent_ns: int,
        acked_ns: int,
        received_ns: int,
        request: RecordMetadata | None,
        reply: RecordMetadata | None,
        outcome: str,
        verdict: str,
        legs: Legs | None,
    ) -> None:
        """Add a row.

        Args:
            trace_id: the correlation id, which is the trace id unless another rule matches.
            name: the request's.
            intended_ns: this and the following instants on the monotonic clock; 0 for one that never came.
            sent_ns: when it was handed to the producer.
            acked_ns: when its delivery report came.
            received_ns: when its reply came.
            request: partition, offset and append time (ms) of the request; None when unknown.
            reply: the same of the reply.
            outcome: empty for a later reply.
            verdict: empty when no reply came.
            legs: where its time went; None when that is not known.
        """
        off = self._wall_offset_ns
        quoted = self._names.get(name) or self._quote(name)
        if not trace_id.isalnum():  # another rule's id may be anything
            trace_id = _csv(trace_id)
        request_part = f"{request[0]},{request[1]},{request[2] or ''}" if request else ",,"
        reply_part = f"{reply[0]},{reply[1]},{reply[2] or ''}" if reply else ",,"
        self._rows.append(
            f"{trace_id},{quoted},{intended_ns + off},{sent_ns + off if sent_ns else ''},"
            f"{acked_ns + off if acked_ns else ''},{received_ns + off if received_ns else ''},"
            f"{request_part},{reply_part},{outcome},{verdict},{_legs(legs) if legs else ',,,,'}\n"
        )

    def ended(self, exchange: Exchange) -> None:
        """Nothing yet: a row waits until all of its exchange is known."""

    def complete(self, batch: list[Exchange]) -> None:
        """Add their rows."""
        for exchange in batch:
            self._exchange(exchange, self._legs_of(exchange))

    def later_reply(self, later: LaterReply) -> str | None:
        """Add a row of its own; that of its exchange came before."""
        ended = later.ended
        self.row(
            later.correlation_id.decode("ascii", "backslashreplace"), ended.name, ended.intended_ns, ended.sent_ns,
            later.acked_ns, later.received_ns, later.request, record_metadata(later.message), "", later.verdict.name,
            later.legs,
        )  # fmt: skip
        return None

    def reset(self) -> None:
        """Rows are never taken back."""

    def _exchange(self, exchange: Exchange, legs: Legs) -> None:
        assert exchange.outcome is not None
        shown = exchange.correlation_id.decode("ascii", "backslashreplace")
        self.row(
            shown, exchange.name, exchange.intended_ns, exchange.sent_ns, exchange.acked_ns, exchange.received_ns,
            record_metadata(exchange.delivery) if exchange.delivery is not None else None,
            record_metadata(exchange.reply) if exchange.reply is not None else None,
            exchange.outcome.name, exchange.verdict.name if exchange.verdict is not None else "", legs,
        )  # fmt: skip

    def flush(self) -> None:
        """Write what was gathered.

        Raises:
            OSError: the disk is full, or gone.
        """
        rows, self._rows = self._rows, []
        self._file.write("".join(rows))

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()
        self._raw.close()  # a GzipFile leaves it open

    def _quote(self, name: str) -> str:
        self._names[name] = _csv(name)
        return self._names[name]


def _legs(legs: Legs) -> str:
    # As `single_legs_ms` shows them, without a dict for each row.
    return ",".join([
        "" if ns is None else f"{ns / 1e6:.3f}" if ours else f"{to_step(ns / 1e6, SINGLE_MS):.1f}"
        for ns, ours in zip(legs, _OURS, strict=True)
    ])  # fmt: skip


def _csv(text: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([text])  # it quotes what is in there, and these two must be
    return line.getvalue()[:-2]


def numbered(path: str, index: int | str) -> str:
    """`exchanges.csv.gz` → `exchanges-1.csv.gz`: two workers, or two runs of a process, must not write one file."""
    stem, dot, rest = path.rpartition("/")[2].partition(".")
    folder = path[: len(path) - len(stem) - len(dot) - len(rest)]
    return f"{folder}{stem}-{index}{dot}{rest}"
