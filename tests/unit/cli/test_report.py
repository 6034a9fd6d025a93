"""`locust-kafka report`: one run again, several side by side, and a sentence for what is neither."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from locust_kafka.cli.report import run_report
from locust_kafka.core.checks import judge, parse_check
from locust_kafka.report import folder
from tests.unit.report.test_exchange_log import COLUMNS
from tests.unit.report.test_folder import a_run


def embedded(path: Path) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def written(path: Path) -> Path:
    results, history = a_run()
    folder.write(path, results, history.rows(), judge([parse_check("duplicates == 0")], results), {"cluster": "c"})
    return path


def test_a_folder_gives_its_report_again(tmp_path: Path) -> None:
    """The same document as on the day of the run, from its summary alone."""
    before = embedded(written(tmp_path / "run") / "report.html")
    assert run_report([str(tmp_path / "run")], str(tmp_path / "again.html"), None) == 0
    assert embedded(tmp_path / "again.html") == before
    assert run_report([str(tmp_path / "run" / "summary.json")], str(tmp_path / "again.html"), None) == 0
    assert embedded(tmp_path / "again.html") == before


def test_runs_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two folders and the logs of one more run are three runs, each under its name."""
    first, second = written(tmp_path / "one"), written(tmp_path / "two")
    logs = [tmp_path / "x-0.csv", tmp_path / "x-1.csv"]
    for log in logs:
        log.write_text(COLUMNS + "\n")
    out = tmp_path / "both.html"
    assert run_report([str(first), *map(str, logs), str(second)], str(out), None) == 0
    compared = embedded(out)["compare"]
    assert isinstance(compared, list)
    assert [one["label"] for one in compared] == [str(first), str(second), f"{logs[0]}, {logs[1]}"]
    assert "3 runs" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"run": {}, "history": 3}'])
def test_what_is_no_summary_is_a_sentence(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, the file's name, no file written."""
    bad = tmp_path / "summary.json"
    bad.write_text(text)
    assert run_report([str(bad)], str(tmp_path / "out.html"), None) == 3
    assert f"{bad} is no summary of --kafka-report" in capsys.readouterr().err
    assert run_report([str(tmp_path / "missing")], str(tmp_path / "out.html"), None) == 3
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verdict",), 5), (("verdict",), "\ud800"), (("checks",), 5), (("checks",), [5]), (("checks", 0, "passed"), "no"),
        (("checks", 0, "found"), None), (("history",), []), (("history", "rows"), "ab"), (("history", "rows", 0), [1]),
        (("history", "rows", 0, 5), "5"), (("history", "columns", 0), 5), (("load_s",), float("nan")),
        (("load_s",), float("inf")), (("requests",), 5), (("workers",), 5), (("run",), 5), (("load_s",), "DEEP"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_summary_that_was_changed_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: tuple[str | int, ...], value: object
) -> None:
    """Of another type, no number, no UTF-8, too deep: a sentence with the file, and no report that shows nothing."""
    file = written(tmp_path / "run") / "summary.json"
    whole = json.loads(file.read_text())
    node = whole
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    file.write_text(json.dumps(whole).replace('"DEEP"', "[" * 5000 + "]" * 5000))
    assert run_report([str(file)], str(tmp_path / "out.html"), None) == 3
    assert "summary.json is no summary of --kafka-report" in capsys.readouterr().err
    assert not (tmp_path / "out.html").exists()
