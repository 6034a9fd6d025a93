"""The exchange log: nothing is left out, nothing is written before it is known, and no file takes another's place."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.legs import MS
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.report.exchange_log import COLUMNS, ExchangeLog, numbered
from locust_kafka.report.summary import to_json
from tests.support import ROOT
from tests.unit.records import CountedRows
from tests.unit.runs import PLANS, Planned, acknowledge, end, exchange_of, played, reply_later, trace_id_of

MATCHED = Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)


def read(path: Path) -> list[dict[str, str]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def logged(plans: list[Planned], file_name: str) -> tuple[list[dict[str, str]], Recorder]:
    """The rows of a run's log, and its recorder; instants are those of the plan."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file_name
        recorder = Recorder(CountedRows(), "traceparent")
        log = ExchangeLog(str(path), recorder.measure)
        log._wall_offset_ns = 0
        recorder.observe(log)
        played(recorder, plans)
        return read(path), recorder


@given(PLANS)
def test_a_row_for_each_end_and_each_later_reply(plans: list[Planned]) -> None:
    """Each exchange has one row with its outcome; each later reply has one without, under the same id and after it."""
    rows, _recorder = logged(plans, "x.csv")
    ends = {row["trace_id"]: row for row in rows if row["outcome"]}
    assert len(ends) == sum(bool(row["outcome"]) for row in rows) == len(plans)
    assert len(rows) == len(plans) + sum(len(plan.later) for plan in plans)
    for number, plan in enumerate(plans):
        mine = [row for row in rows if row["trace_id"] == trace_id_of(number).decode()]
        assert {row["name"] for row in mine} == {plan.name}
        assert [row["verdict"] for row in mine if not row["outcome"]] == [verdict.name for verdict in plan.later]
        row = ends[trace_id_of(number).decode()]
        assert row["outcome"] == plan.outcome.name
        assert row["verdict"] == ("MATCH" if plan.outcome is Outcome.MATCHED else "")
        assert {row["intended_ns"] for row in mine} == {str(plan.start_ns)}


@given(PLANS)
def test_gz_and_csv_hold_the_same(plans: list[Planned]) -> None:
    """The end of the file's name decides how it is written, not what."""
    assert logged(plans, "x.csv.gz")[0] == logged(plans, "x.csv")[0]


@given(PLANS)
def test_the_summary_can_be_computed_from_it(plans: list[Planned]) -> None:
    """Counts by outcome and verdict, the fastest, the slowest and the mean are those of the summary."""
    rows, recorder = logged(plans, "x.csv")
    data = to_json(recorder.results)
    outcomes, verdicts = Counter(row["outcome"] for row in rows), Counter(row["verdict"] for row in rows)
    for outcome in Outcome:
        assert outcomes[outcome.name] == data["requests"][outcome.name.lower()]
    for verdict in Verdict:
        assert verdicts[verdict.name] == data["replies"][verdict.name.lower()]
    matched = [int(row["received_ns"]) - int(row["intended_ns"]) for row in rows if row["outcome"] == "MATCHED"]
    figures = data["latency_ms"]["e2e_matched"]
    assert figures["count"] == len(matched)
    if matched:
        assert (figures["min"], figures["max"]) == (min(matched) / 1e6, max(matched) / 1e6)
        assert figures["mean"] == pytest.approx(sum(matched) / len(matched) / 1e6, abs=1e-6)
    sends = [int(row["acked_ns"]) - int(row["sent_ns"]) for row in rows if row["acked_ns"] and row["outcome"]]
    assert data["latency_ms"]["send"]["count"] == len(sends)


def test_what_never_came_is_empty() -> None:
    """Of an undelivered request no ack, no reply and no place is told; 0 or 1970 would be taken for an instant."""
    rows, _recorder = logged([MATCHED._replace(outcome=Outcome.UNDELIVERED, ack_ns=0)], "x.csv")
    empty = {name for name, value in rows[0].items() if not value}
    assert empty == {
        "acked_ns", "received_ns", "request_partition", "request_offset", "request_append_ms", "reply_partition",
        "reply_offset", "reply_append_ms", "verdict", "request_ms", "service_ms", "reply_ms", "ack_ms",
    }  # fmt: skip


def test_an_offset_of_zero_is_a_place() -> None:
    """The first record of a partition has the offset 0, which is no missing value."""
    rows, _recorder = logged([MATCHED], "x.csv")
    assert rows[0]["reply_offset"] == "0"


def test_a_row_waits_for_its_ack(tmp_path: Path) -> None:
    """A reply may beat its ack: the row is written when the ack has come, and in any case at the end."""
    recorder = Recorder(CountedRows(), "traceparent")
    recorder.observe(ExchangeLog(str(tmp_path / "x.csv"), recorder.measure))
    early, never = (exchange_of(number, MATCHED._replace(ack_ns=0)) for number in range(2))
    end(recorder, early)
    end(recorder, never)
    recorder.flush()

    def rows() -> list[dict[str, str]]:
        for observer in recorder._observers:
            observer._observer._file.flush()  # type: ignore[attr-defined] # the guarded log's
        return read(tmp_path / "x.csv")

    assert rows() == []
    acknowledge(early, MS)
    recorder.flush()
    assert [row["trace_id"] for row in rows()] == [early.trace_id.decode()]
    assert rows()[0]["acked_ns"]
    recorder.close(0)
    last = read(tmp_path / "x.csv")
    assert [(row["trace_id"], bool(row["acked_ns"])) for row in last] == [
        (early.trace_id.decode(), True), (never.trace_id.decode(), False),
    ]  # fmt: skip


def test_a_later_reply_comes_after_its_exchange() -> None:
    """What is gathered of ends is written before a later reply: a reader can go through the file from the top."""
    recorder = Recorder(CountedRows(), "traceparent")
    with tempfile.TemporaryDirectory() as folder:
        recorder.observe(ExchangeLog(f"{folder}/x.csv", recorder.measure))
        x = exchange_of(0, MATCHED._replace(outcome=Outcome.TIMED_OUT))
        end(recorder, x)
        reply_later(recorder, x, Verdict.LATE, x.ended_ns + MS)
        recorder.close(0)
        rows = read(Path(folder, "x.csv"))
    assert [row["outcome"] for row in rows] == ["TIMED_OUT", ""]
    assert rows[1]["verdict"] == "LATE"
    assert int(rows[1]["received_ns"]) - int(rows[1]["intended_ns"]) == x.ended_ns + MS - x.intended_ns
    assert rows[1]["request_offset"] == rows[0]["request_offset"] == "7"


@given(st.text(min_size=1), st.binary(min_size=1, max_size=40))
def test_any_name_and_any_id_can_be_read_back(name: str, correlation_id: bytes) -> None:
    """Commas, quotes, line ends and bytes beyond ASCII move no column."""
    recorder = Recorder(CountedRows(), "key")
    with tempfile.TemporaryDirectory() as folder:
        recorder.observe(ExchangeLog(f"{folder}/x.csv", recorder.measure))
        x = exchange_of(0, MATCHED)
        x.name, x.correlation_id = name, correlation_id
        end(recorder, x)
        recorder.close(0)
        (row,) = read(Path(folder, "x.csv"))
    assert row["name"] == name
    assert row["trace_id"] == correlation_id.decode("ascii", "backslashreplace")
    assert (row["outcome"], row["verdict"]) == ("MATCHED", "MATCH")


def test_the_columns_are_those_of_the_documentation() -> None:
    """docs/report.md has the heading, letter by letter."""
    assert f"`{COLUMNS}`" in (ROOT / "docs" / "report.md").read_text("utf-8")


@given(
    st.sampled_from(["", "logs/", "/tmp/a.b/", "./"]), st.sampled_from(["x", "x.csv", "x.y.csv.gz", ".x"]),
    st.lists(st.integers(0, 99) | st.sampled_from(["run2", "run3"]), unique=True, min_size=2, max_size=6),
)  # fmt: skip
def test_no_file_takes_anothers_place(folder: str, name: str, indices: list[int | str]) -> None:
    """Each worker, and each run of a process, writes a file of its own beside the others, of the same kind."""
    paths = [numbered(folder + name, index) for index in indices]
    assert len({*paths, folder + name}) == len(paths) + 1
    for path, index in zip(paths, indices, strict=True):
        assert path.startswith(folder)
        assert "/" not in path[len(folder) :]
        assert path.endswith(name[name.index(".") :] if "." in name else f"-{index}")
