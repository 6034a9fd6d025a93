"""Data for requests: the rows of a CSV or JSON-lines file, for all users of all workers."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locust.exception import StopUser

from locust_kafka.errors import SettingsError

Row = dict[str, Any]


class _Columns(Row):
    """A row that says which columns there are when it is asked for another."""

    def __missing__(self, name: object) -> Any:
        raise KeyError(f"no column {name!r}: there are {', '.join(map(str, self))}")


class Feed:
    """Gives rows, one at a time, to whichever user asks next; `next(feed)`.

    Args:
        rows: of the file.
        once: whether each row is given once in a run; else they begin again when they are used up.
        place: gives the run's number, this worker's index and how many workers there are.
    """

    def __init__(self, rows: list[Row], place: Any, *, once: bool) -> None:
        self._rows, self._place, self._once = rows, place, once
        self._run = -1
        self._mine: Iterator[Row] = iter(())
        self._lock = threading.Lock()

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Row:
        """The next row.

        Raises:
            StopUser: each row was to be given once, and all have been: the user ends.
        """
        with self._lock:
            run, index, workers = self._place()
            if run != self._run:
                self._run, self._mine = run, self._share(index, workers)
            row = next(self._mine, None)
        if row is None:
            raise StopUser
        return _Columns(row)

    def _share(self, index: int, workers: int) -> Iterator[Row]:
        """Every so-many-th row, so that no two workers have the same one before all have been used."""
        at, rows = index, self._rows
        while not self._once or at < len(rows):
            yield rows[at % len(rows)]
            at += max(1, workers)


def read_rows(path: str) -> list[Row]:
    """The rows of a CSV file with a heading, or of a file with a JSON object in each line.

    Raises:
        SettingsError: it cannot be read, has no row, or a line is no object.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        is_text = not isinstance(error, UnicodeDecodeError)
        words = (isinstance(error, OSError) and error.strerror) or (str(error) if is_text else "it is no UTF-8 text")
        raise SettingsError(f"feed({path!r}) cannot be read: {words}") from error
    rows = _csv_rows(path, text) if path.endswith(".csv") else _json_rows(path, text)
    if not rows:
        raise SettingsError(f"feed({path!r}) has no row: give a .csv file with a heading, or JSON objects, one a line")
    return rows


def _csv_rows(path: str, text: str) -> list[Row]:
    reader, rows = csv.DictReader(io.StringIO(text, newline="")), []
    try:
        for row in reader:
            if None in row:
                raise SettingsError(f"feed({path!r}), line {reader.line_num}: there are more values than columns")
            rows.append(row)
    except csv.Error as error:
        raise SettingsError(f"feed({path!r}), line {reader.line_num}: {error}") from error
    return rows


def _json_rows(path: str, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"feed({path!r}), line {number}: {error}") from error
        if not isinstance(row, dict):
            raise SettingsError(f"feed({path!r}), line {number}: {line[:40]!r} is no JSON object")
        rows.append(row)
    return rows
