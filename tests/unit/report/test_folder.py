"""The folder of a run: every file says the same, and none can be turned against its reader."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from locust_kafka.core.checks import judge, parse_check
from locust_kafka.core.counters import Counters
from locust_kafka.core.examples import Example
from locust_kafka.core.history import History, Row, Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.report import folder, html, page, summary
from tests.unit.core.test_checks import results_of

MS = 1_000_000
HOSTILE = "</script><script>alert(1)</script><!-- \u2028 ' \" & \x00 \x1b"
NAMES = st.sampled_from([HOSTILE, "</script x", "x" * 10_000, "n"]) | st.text(
    st.characters(blacklist_categories=("Cs",)), max_size=20
)


def a_run(name: str = "n") -> tuple[RunResults, History]:
    results = results_of([5 * MS, 7 * MS, 90 * MS], 1, 2, name=name)
    results.examples.add(Example("slowest", name, 90 * MS, "ab" * 16, Legs(0, MS, 88 * MS, MS, 2 * MS), "because"))
    history = History()
    for at_s in range(3):
        latencies = LatencySeries()
        latencies.extend([5 * MS])
        history.add(Second(at_s, 1.0, Counters(registered=2, matched=1), latencies, users=4))
    return results, history


def _shown(run: tuple[RunResults, History]) -> tuple[RunResults, list[Row]]:
    return run[0], run[1].rows()


class Elements(HTMLParser):
    """Which elements a document has, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href", "data", "srcset", "poster")]


@settings(max_examples=30)
@given(NAMES)
def test_no_name_becomes_markup(name: str) -> None:
    """Whatever a request is called, the document has the same elements, loads nothing, and its data is read back."""
    results, history = a_run(name)
    data = page.data(results, history.rows(), judge([parse_check("duplicates == 0")], results), {"topic": name})
    text = html.document(data, name)
    benign = page.data(*_shown(a_run("n")), judge([parse_check("duplicates == 0")], results), {"topic": "n"})
    seen, plain = Elements(text), Elements(html.document(benign, "n"))
    assert seen.tags == plain.tags
    assert seen.loads == []
    embedded = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1]) == json.loads(json.dumps(data))


def test_only_its_own_script_and_style_may_run() -> None:
    """The policy admits what the file holds by its hash and nothing else, no network at all."""
    results, history = a_run()
    text = html.document(page.data(results, history.rows(), [], {}), "t")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]


def test_every_file_tells_the_same_run(tmp_path: Path) -> None:
    """Counts and percentiles of JSON, CSV, JUnit and HdrHistogram's file agree; the JSON keeps its schema."""
    results, history = a_run()
    judged = judge([parse_check("duplicates == 0"), parse_check("e2e.p99 < 2s")], results)
    folder.write(tmp_path / "new", results, history.rows(), judged, {"cluster": "c"})
    whole = json.loads((tmp_path / "new" / "summary.json").read_text())
    jsonschema.validate(whole, json.loads(html.asset("summary.schema.json")))
    assert whole["run"] == {"cluster": "c"}
    assert [check["passed"] for check in whole["checks"]] == [False, True]
    with (tmp_path / "new" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["achieved_rate"]) for row in rows] == [2.0] * 3
    assert [row["service_ms"] for row in rows] == [""] * 3
    lines = (tmp_path / "new" / "percentiles.hgrm").read_text().splitlines()
    counts = [int(line.split()[2]) for line in lines if re.match(r"\s+[0-9.]+\s+[01]\.", line)]
    assert counts[-1] == whole["latency_ms"]["e2e"]["count"] == 4
    assert 'failures="1"' in (tmp_path / "new" / "junit.xml").read_text()
    assert whole["verdict"] in (tmp_path / "new" / "report.html").read_text()


def test_a_run_of_nothing_keeps_the_schema() -> None:
    """Figures that do not exist are null, and that is in the schema; another key is not."""
    schema = json.loads(html.asset("summary.schema.json"))
    whole = json.loads(json.dumps(summary.to_json(RunResults())))
    jsonschema.validate(whole, schema)
    whole["requests"]["late"] = 1
    assert not jsonschema.Draft202012Validator(schema).is_valid(whole)
