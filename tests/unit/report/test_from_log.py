"""A report from exchange logs says what the run itself said."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.legs import MS
from locust_kafka.report.exchange_log import COLUMNS
from locust_kafka.report.from_log import LogError, LoggedRun, read_rows
from locust_kafka.report.summary import to_json
from tests.unit.report.test_exchange_log import MATCHED, logged
from tests.unit.runs import PLANS, TIMEOUT_NS, Planned

SAME = ("requests", "latency_ms", "rejected")


@given(PLANS, st.integers(1, 4), st.randoms())
def test_the_summary_comes_back(plans: list[Planned], workers: int, random: object) -> None:
    """Outcomes, verdicts and all latencies of the run, from its rows in any order and in any number of files."""
    rows, recorder = logged(plans, "x.csv")
    random.shuffle(rows)  # type: ignore[attr-defined]
    run = LoggedRun(TIMEOUT_NS / 1e9)
    for worker in range(workers):
        run.add(rows[worker::workers])
    results, history = run.finish()
    found, expected = to_json(results), to_json(recorder.results)
    assert found["requests"] == expected["requests"]
    assert found["replies"] == expected["replies"]
    for name in ("e2e", "e2e_matched", "late", "duplicate"):
        assert found["latency_ms"][name] == expected["latency_ms"][name], name
    assert found["latency_ms"]["send"]["count"] == expected["latency_ms"]["send"]["count"]
    for leg, figures in expected["legs_ms"].items():
        assert found["legs_ms"][leg]["count"] == figures["count"]
    assert {name: entry["requests"] for name, entry in found["names"].items()} == {
        name: entry["requests"] for name, entry in expected["names"].items()
    }
    assert results.balanced(closed=True)
    assert sum(row.registered for row in history.rows()) == len(plans)
    assert sum(row.matched for row in history.rows()) == found["requests"]["matched"]


def test_a_timeout_that_nobody_said_is_not_guessed() -> None:
    """The log does not hold how long a request was waited for: without it e2e is of the matched, and says so."""
    rows, _recorder = logged([MATCHED, MATCHED._replace(outcome=Outcome.TIMED_OUT)], "x.csv")
    run = LoggedRun(None)
    run.add(rows)
    results, _history = run.finish()
    assert results.whole().e2e.count == 1
    assert results.notes == {"timeouts that e2e is without: give --reply-timeout": 1}


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("x.csv", b"a,b\n1,2\n", "is no exchange log"),
        ("x.csv", b"", "is no exchange log"),
        ("x.csv", b"\xff\xfe", "cannot be read"),
        ("x.csv.gz", b"no gzip", "cannot be read"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, name: str, data: bytes, sentence: str) -> None:
    """Another CSV, an empty file, no text, no gzip: a sentence with the file's name."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(LogError, match=f"{name} {sentence}"):
        list(read_rows(tmp_path / name))
    with pytest.raises(LogError, match="cannot be read"):
        list(read_rows(tmp_path / "missing.csv"))


@given(st.sampled_from(["intended_ns", "received_ns", "outcome", "verdict", "service_ms"]))
def test_a_damaged_value_is_named_by_its_trace(column: str) -> None:
    """A row that was cut or edited is refused with the trace id that leads to it."""
    rows, _recorder = logged([MATCHED._replace(took_ns=9 * MS)], "x.csv")
    rows[0][column] = "?"
    with pytest.raises(LogError, match="the row of trace 'abcd1234"):
        LoggedRun(1.0).add(rows)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    """Bytes that were changed on the way are named with their file, whatever part of the stream they hit."""
    rows = "".join(f"{number}," * 18 + f"{number * number}\n" for number in range(2_000))
    packed = bytearray(gzip.compress(f"{COLUMNS}\n{rows}".encode()))
    for at in range(10, len(packed), len(packed) // 40):
        damaged = bytearray(packed)
        damaged[at] ^= 0xFF
        (tmp_path / "x.csv.gz").write_bytes(damaged)
        with pytest.raises(LogError, match=r"x\.csv\.gz"):
            list(read_rows(tmp_path / "x.csv.gz"))


def test_a_row_with_more_values_than_columns_is_refused(tmp_path: Path) -> None:
    """A comma too many moves every value after it."""
    (tmp_path / "x.csv").write_text(f"{COLUMNS}\n{',' * 19}\n")
    with pytest.raises(LogError, match="line 2: the row has more or fewer values"):
        list(read_rows(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("intended_ns", ""), ("intended_ns", "-5"), ("intended_ns", "9" * 400), ("sent_ns", "9" * 20), ("received_ns", "1"),
        ("received_ns", ""), ("ack_ms", "inf"), ("ack_ms", "nan"), ("ack_ms", "1e999"), ("schedule_ms", "-5"),
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_is_refused_by_its_trace(column: str, text: str) -> None:
    """No instant beyond 64 bits or before 1970, no reply before its request, no leg that is infinite or negative."""
    rows, _recorder = logged([MATCHED._replace(took_ns=9 * MS)], "x.csv")
    rows[0][column] = text
    with pytest.raises(LogError, match="the row of trace 'abcd1234"):
        LoggedRun(1.0).add(rows)
