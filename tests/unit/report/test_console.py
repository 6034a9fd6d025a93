"""What is printed: every number in it is the one of the JSON, and what went wrong is said with its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.legs import MS
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Counts
from locust_kafka.report import console
from locust_kafka.report.summary import to_json
from tests.unit.runs import PLANS, Planned, results_of

COLUMNS = ("p50", "p90", "p95", "p99", "p999", "max")
NUMBER = r"(?:-|-?\d+(?:\.\d+)?)"


def table(lines: list[str], heading: str) -> dict[str, list[str]]:
    """The rows of a table by their names: the count, and one cell a column."""
    at = next(number for number, line in enumerate(lines) if line.startswith(heading))
    rows: dict[str, list[str]] = {}
    for line in lines[at + 1 :]:
        if not line:
            break
        if found := re.match(rf"  (\S.*?)\s+(\d+)((?:\s+{NUMBER}){{6}})(?:\s|$)", line):
            rows[found[1]] = [found[2], *found[3].split()]
    return rows


def assert_row(cells: list[str], figures: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> None:
    assert int(cells[0]) == figures["count"]
    for cell, column in zip(cells[1:], columns, strict=True):
        if figures[column] is None:
            assert cell == "-"
        else:
            assert float(cell) == pytest.approx(figures[column], abs=0.5000001 * 10 ** -len(cell.partition(".")[2]))


def counted(lines: list[str], heading: str) -> dict[str, int]:
    """The counts of a list by their words."""
    at = lines.index(heading)
    found = {}
    for line in lines[at + 1 :]:
        if not line:
            break
        if match := re.match(r"  ([a-z ]+?)\s{2,}(\d+)  ", line):
            found[match[1].replace(" ", "_")] = int(match[2])
    return found


@given(PLANS, st.booleans())
def test_what_is_printed_is_what_the_json_says(plans: list[Planned], open_model: bool) -> None:
    """Latencies, legs, outcomes, verdicts and laws, read back from the text, are the figures of the JSON."""
    results = results_of(plans, open_model=open_model)
    lines, data = console.lines(results), to_json(results)
    rows = table(lines, "Latency, ms")
    assert rows.keys() == data["latency_ms"].keys() - (set() if open_model else {"from_send"})
    for name, cells in rows.items():
        assert_row(cells, data["latency_ms"][name])
    if len(data["names"]) > 1:
        by_name = table(lines, "E2E by request name, ms")
        assert by_name.keys() == data["names"].keys()
        for name, cells in by_name.items():
            assert_row(cells, data["names"][name]["latency_ms"]["e2e"])
    if data["legs_ms"]:
        legs = table(lines, "Where the time went, ms")
        assert legs.keys() == data["legs_ms"].keys()
        for name, cells in legs.items():
            assert_row(cells, data["legs_ms"][name], ("mean", "p50", "p90", "p99", "p999", "max"))
    outcomes = counted(lines, "Outcomes, one per request")
    assert outcomes == {outcome.name.lower(): data["requests"][outcome.name.lower()] for outcome in Outcome}
    assert counted(lines, "Verdicts, one per reply") == {
        verdict.name.lower(): data["replies"][verdict.name.lower()] for verdict in Verdict
    }
    assert [f"  ok  {law['text']}" for law in data["equations"]] == [
        line for line in lines if line.startswith("  ok  ")
    ]
    assert "The books balance" in lines


@given(st.integers(0, 10**6), st.floats(0.5, 1000), st.floats(0, 100), st.booleans())
def test_the_headline_tells_the_rate_of_the_load(count: int, load_s: float, rest_s: float, open_model: bool) -> None:
    """Requests, seconds of load, seconds after it and the rates stand in the headline as in the JSON."""
    results = RunResults()
    results.load_s, results.duration_s, results.total.registered = load_s, load_s + rest_s, count
    results.open_model, results.arrivals, results.offered = open_model, Counts(count + 5, count, 3, 2), 12.34
    data, text = to_json(results), "\n".join(console.lines(results)[:7])
    found = re.search(r"(\d+) requests in ([\d.]+) s of load(?:, then ([\d.]+) s of drain and settle)?", text)
    assert found is not None
    assert int(found[1]) == count
    assert float(found[2]) == pytest.approx(data["load_s"], abs=0.051)
    assert float(found[3] or 0) == pytest.approx(data["duration_s"] - data["load_s"], abs=0.052)
    rates = [float(rate) for rate in re.findall(r"(?:rate|offered|achieved) ([\d.]+)/s", text)]
    expected = [data["offered_rate"], data["achieved_rate"]] if open_model else [data["achieved_rate"]]
    assert rates == pytest.approx(expected, abs=0.051)
    if open_model:
        assert f"{count + 5} due, {count} started, 3 dropped, 2 given back" in text
        assert ("of the arrivals were dropped" in text) == (count + 5 < 300)


def test_the_longest_latencies_stay_apart() -> None:
    """Figures of an hour, the longest timeout there is, are as wide as a column and still read apart."""
    results = RunResults()
    entry = results.name("n")
    for series in (entry.e2e_matched, entry.late):
        series.record(3_600_000 * MS)
    rows = table(console.lines(results), "Latency, ms")
    assert rows["late"] == ["1", *["3600000.00"] * 6]


def test_why_a_request_was_not_delivered_is_printed() -> None:
    """The first three undelivered requests stand under `Worth a look`, each with the reason and its trace id."""
    results = results_of([Planned("pay", Outcome.UNDELIVERED, MS, 0, 0, MS)] * 5)
    examples = [line for line in console.lines(results) if line.startswith("  undelivered  ")]
    shown = [line for line in examples if "trace" not in line and "refused number" in line]
    assert len(shown) == 3
    for line, example in zip(shown, to_json(results)["examples"], strict=True):
        assert line.endswith(example["reason"])
        assert example["trace_id"] in line
        assert float(line.split(" ms ")[0].split()[-1]) == pytest.approx(example["latency_ms"], abs=0.051)


def test_what_became_of_the_timed_out_is_said() -> None:
    """How many were answered after all, and how many never: together they are those that timed out."""
    late = Planned("n", Outcome.TIMED_OUT, MS, 0, MS, MS, (Verdict.LATE,))
    text = "\n".join(console.lines(results_of([late] * 3 + [late._replace(later=())] * 2)))
    assert "of the timed out, 3 were answered late and 2 not by the end" in text
    assert "timed out" in text
    assert "answered late" not in "\n".join(console.lines(results_of([])))


def test_workers_own_replies_do_not_frighten() -> None:
    """Replies of this run's other workers are told apart from those of strangers."""
    results = RunResults()
    results.total.verdicts[Verdict.FOREIGN] = results.replies_read = 9
    results.routing.siblings = 7
    text = "\n".join(console.lines(results))
    assert "7 belong to this run's other workers" in text
    assert "and 2 to others" in text
    assert to_json(results)["replies_of_other_workers"] == 7


def test_what_cannot_be_trusted_is_shouted() -> None:
    """Books that do not balance, and each reason why the run is invalid, stand at the end in capitals."""
    results = results_of([Planned("n", Outcome.MATCHED, MS, 0, MS, MS)])
    results.total.registered += 1
    results.invalid.append("the reply consumer died")
    text = "\n".join(console.lines(results))
    assert "THE BOOKS DO NOT BALANCE" in text
    assert text.count("  BAD ") == sum(not law["holds"] for law in to_json(results)["equations"]) == 2
    assert text.rstrip().endswith("INVALID RUN: the reply consumer died")


def test_a_stall_that_kept_users_from_sending_is_shown() -> None:
    """In a closed model whose users all waited, the corrected percentiles stand beside the raw ones; else never."""
    results = RunResults()
    series = results.name("n").e2e_matched
    series.extend([MS] * 2000 + [5_000 * MS] * 3)
    results.total.registered, results.user_s = 2003, 20.0
    corrected = console.corrected(results, results.whole())
    assert len(corrected) == 1
    assert "e2e corrected" in corrected[0]
    assert float(corrected[0].split()[5]) > 1000  # the p95; as measured it is 1 ms
    for attribute, value in (("open_model", True), ("all_waited", False), ("user_s", 0.0)):
        before = getattr(results, attribute)
        setattr(results, attribute, value)
        assert console.corrected(results, results.whole()) == []
        setattr(results, attribute, before)


def test_ten_thousand_names_are_bounded_and_said() -> None:
    """The first thousand stand alone, the rest together; nothing is lost from the books, and a sentence says it."""
    results = RunResults()
    for number in range(10_000):
        for books in (results.total, results.name(f"order {number}").books):
            books.registered += 1
            books.outcomes[Outcome.MATCHED] += 1
            books.verdicts[Verdict.MATCH] += 1
        results.replies_read += 1
    found = console.lines(results)
    assert len(found) < 1100
    assert sum("more than 1000 request names" in line for line in found) == 1
    assert results.names["(more names)"].books.registered == 9_000
    assert "The books balance" in found
    results.names.pop("(more names)")
    assert not any("request names" in line for line in console.lines(results))
