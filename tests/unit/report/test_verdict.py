"""What stands first: the verdict in plain words, the progress line, a CI job's page, and JUnit's document."""

from __future__ import annotations

import re
from pathlib import Path

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import Judged, judge, parse_check
from locust_kafka.core.counters import Counters
from locust_kafka.core.history import Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.report import junit, progress, verdict
from tests.unit.core.test_checks import results_of

MS = 1_000_000
ANY_TEXT = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", "a|b`c", "\x00\x1b[31m", "\ud800", "q\"'&"]
)


def judged_of(results: RunResults, *texts: str) -> list[Judged]:
    return judge(map(parse_check, texts), results)


def test_the_verdict_follows_the_gravest() -> None:
    """An invalid run before a bottleneck, before a failed check, before a good one."""
    results = results_of([5 * MS] * 9, 1, 0)
    judged = judged_of(results, "e2e.p50 < 10ms", "timeouts == 0", "duplicates > 0")
    assert verdict.sentence(results, judged[:1]) == (
        "PASSED: the check holds; 90.00 % of 10 requests were answered in time, p99 1,000.0 ms"
    )
    assert verdict.sentence(results, []).startswith("VALID: 90.00 % of 10")
    assert verdict.sentence(results, judged) == "FAILED: timeouts == 0: 1 and 1 more"
    results.total.outcomes[Outcome.UNFINISHED] = 3
    assert verdict.sentence(results, judged).startswith("CUT SHORT: 3 of the requests are UNFINISHED; 90.00 %")
    results.bottleneck.append("its hub used 99% of a core")
    assert verdict.sentence(results, judged).endswith("the generator was the bottleneck")
    results.invalid.append("the books do not balance")
    assert verdict.sentence(results, judged) == "INVALID, do not use these figures: the books do not balance"


def test_almost_all_is_not_all() -> None:
    """One timeout in a million is never rounded away; a run without a request says so."""
    results = results_of([MS], 0, 0)
    assert "VALID: all of 1 requests" in verdict.sentence(results, [])
    results.total.registered = 10**6
    results.total.outcomes[0] = 10**6 - 1
    assert "99.99 % of 1,000,000" in verdict.sentence(results, [])
    assert verdict.sentence(RunResults(), []) == "NO REQUESTS: none was registered"


def test_the_progress_line_has_what_one_asks_for() -> None:
    """Offered and sent rate, pending, p50 and p99 of the interval, and only what did go wrong."""
    latencies = LatencySeries()
    latencies.extend([5 * MS] * 99 + [1500 * MS])
    counters = Counters(registered=1000, due=1010, timed_out=2, duplicates=3)
    interval = Second(9, 10.0, counters, latencies, pending=7)
    assert progress.line(interval, open_model=True) == (
        "last 10 s: offered 101/s, sent 100/s, e2e p50 5.00 ms, p99 5.00 ms; 7 pending; 2 timed out, 3 duplicates"
    )
    assert progress.line(Second(9), open_model=False) == (
        "last 1 s: sent 0/s, no request ended; 0 pending; nothing went wrong"
    )


@given(ANY_TEXT, ANY_TEXT)
def test_junit_is_read_back_whatever_is_in_it(name: str, sentence: str) -> None:
    """One case for the run and one for each check, with expected and actual; hostile text stays text."""
    results = results_of([5 * MS], 0, 2, name="n")
    judged = [*judged_of(results, "e2e.p99 < 1s"), Judged(f"duplicates[{name}] == 0", "2", passed=False)]
    suites = junitparser.JUnitXml.fromstring(junit.to_xml(judged, results))
    assert (suites.tests, suites.failures, suites.errors) == (3, 1, 0)
    good, passed, failed = next(iter(suites))
    assert (good.name, good.result, passed.result) == ("the run is valid", [], [])
    (failure,) = failed.result
    assert "expected: duplicates[" in failure.text
    assert "actual:   2" in failure.text
    results.invalid.append(sentence or "x")
    again = junitparser.JUnitXml.fromstring(junit.to_xml(judged, results))
    assert (again.tests, again.failures, again.errors) == (3, 1, 1)


def test_junit_is_a_file_with_its_encoding(tmp_path: Path) -> None:
    """The file is UTF-8 and says so."""
    junit.write(judged_of(RunResults(), "e2e.p99 < 1µs"), RunResults(), tmp_path / "junit.xml")
    text = (tmp_path / "junit.xml").read_text("utf-8")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert "1µs" in text


@pytest.mark.parametrize("text", ["duplicates[<b>|`x`] == 0", "duplicates[a\nb] == 0"])
def test_the_page_of_a_ci_job_is_one_table(text: str) -> None:
    """No name breaks a cell out of its row."""
    results = results_of([5 * MS], 0, 0)
    page = verdict.markdown(results, judged_of(results, text))
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == 1
    assert rows[0].count("|") == 4
    assert re.search(r"^\| e2e \| 1 \| 5\.00 \|", page, re.MULTILINE)
    assert "<b>" not in page.splitlines()[2]
