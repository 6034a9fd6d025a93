"""Data for requests: every row, in order, to one worker alone."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.exception import StopUser

from locust_kafka import feed
from locust_kafka.errors import SettingsError
from locust_kafka.plugin.feed import Feed, read_rows


def rows_of(count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(count)]


def left(of: Feed) -> list[int]:
    found = []
    try:
        while True:
            found.append(next(of)["n"])
    except StopUser:
        return found


@given(st.integers(1, 40), st.integers(1, 7))
def test_each_row_once_over_all_workers(count: int, workers: int) -> None:
    """Together the workers give every row exactly once, none of them two, and then their users stop."""
    feeds = [Feed(rows_of(count), lambda index=index: (1, index, workers), once=True) for index in range(workers)]
    given_rows = [number for one in feeds for number in left(one)]
    assert sorted(given_rows) == list(range(count))
    assert all(left(one) == [] for one in feeds)


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 60))
def test_rows_begin_again(count: int, workers: int, taken: int) -> None:
    """Without `once` a worker goes round and round: its n-th row is that of a plain cycle over all rows."""
    for index in range(workers):
        one = Feed(rows_of(count), lambda index=index: (1, index, workers), once=False)
        expected = [(index + turn * workers) % count for turn in range(taken)]
        assert [row["n"] for row in islice(one, taken)] == expected


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    """A misspelt column is a sentence, not its bare name."""
    row = next(Feed([{"name": "Ada", "table": "3"}], lambda: (1, 0, 1), once=False))
    assert row == {"name": "Ada", "table": "3"}
    with pytest.raises(KeyError, match="no column 'nam': there are name, table"):
        row["nam"]


def test_another_run_begins_again() -> None:
    """A second run of the process gives the rows from the first one on; a late worker has none of those given once."""
    run = 1
    one = Feed(rows_of(3), lambda: (run, 0, 1), once=True)
    assert left(one) == [0, 1, 2]
    run = 2
    assert left(one) == [0, 1, 2]
    assert left(Feed(rows_of(3), lambda: (1, 5, 2), once=True)) == []


def test_files_are_read_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV with quotes, line ends in cells and a byte order mark; JSON lines with any values; refusals in a sentence."""
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfname,size\r\n"Ada, ""A""\r\nL.",3\r\n')
    assert read_rows(str(tmp_path / "a.csv")) == [{"name": 'Ada, "A"\r\nL.', "size": "3"}]
    (tmp_path / "a.jsonl").write_text('{"name": "Ada", "size": 3}\n\n{"tags": [1, null]}\n')
    assert read_rows(str(tmp_path / "a.jsonl")) == [{"name": "Ada", "size": 3}, {"tags": [1, None]}]
    for text, sentence in (("", "has no row"), ("[1]\n", "line 1: '[1]' is no JSON object"), ("{}\n{\n", "line 2: ")):
        (tmp_path / "bad.jsonl").write_text(text)
        with pytest.raises(SettingsError, match=r"bad\.jsonl") as refused:
            read_rows(str(tmp_path / "bad.jsonl"))
        assert sentence in str(refused.value)
    with pytest.raises(SystemExit) as ended:
        feed(str(tmp_path / "missing.csv"))
    assert ended.value.code == 3
    assert "missing.csv') cannot be read: No such file or directory" in capsys.readouterr().err


@given(st.lists(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5)), min_size=1))
def test_json_lines_come_back(rows: list[dict[str, object]]) -> None:
    """Whatever json.dumps writes, a line each, is read back."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
        file.flush()
        assert read_rows(file.name) == rows


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3: there are more values than columns"),
        ("a.csv", "a\n" + "x" * 140_000 + "\n", "line 1: field larger than field limit"),
        ("a.jsonl", '{"a": ' + "[" * 5000, "line 1: maximum recursion depth"),
        ("a\0.csv", "", "embedded null byte"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_line(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    """More values than columns, a cell beyond the reader's limit, endless brackets, no path: a sentence."""
    if "\0" not in name:
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        read_rows(str(tmp_path / name))
