"""The exchange log: a row when an exchange ends, and one more for each later reply to it."""

from __future__ import annotations

import csv
import gzip
import io
import time
from pathlib import Path
from time import perf_counter_ns
from typing import IO, Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

COLUMNS = (
    "trace_id,name,intended_ns,sent_ns,acked_ns,received_ns,request_partition,request_offset,request_append_ms,"
    "reply_partition,reply_offset,reply_append_ms,outcome,verdict"
)


class ExchangeLog:
    """A CSV file, gzipped when its name ends in .gz.  Rows are gathered and written at `flush`.

    Args:
        path: of the file; it is overwritten.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._file: IO[str] = (  # it stays open for the whole run
            gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1)  # noqa: SIM115
            if path.endswith(".gz")
            else Path(path).open("w", encoding="utf-8", newline="")  # noqa: SIM115
        )
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
        request: tuple[int, int, int] | None,
        reply: tuple[int, int, int] | None,
        outcome: str,
        verdict: str,
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
            f"{request_part},{reply_part},{outcome},{verdict}\n"
        )

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

    def _quote(self, name: str) -> str:
        self._names[name] = _csv(name)
        return self._names[name]


def place_of(message: Any) -> tuple[int, int, int]:
    """Partition, offset and append time (ms) of a message; 0 when the topic's stamp is not the broker's own."""
    kind, stamp_ms = message.timestamp()
    return message.partition(), message.offset(), stamp_ms if kind == TIMESTAMP_LOG_APPEND_TIME else 0


def _csv(text: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


def numbered(path: str, index: int) -> str:
    """`exchanges.csv.gz` → `exchanges-1.csv.gz`: workers on one machine must not write the same file."""
    stem, dot, rest = path.rpartition("/")[2].partition(".")
    folder = path[: len(path) - len(stem) - len(dot) - len(rest)]
    return f"{folder}{stem}-{index}{dot}{rest}"
