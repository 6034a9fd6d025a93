"""The summary as data: every key is there, no figure is invented, and the counts are those of the results."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.legs import MS
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Counts
from locust_kafka.report.summary import to_json, write
from tests.support import ROOT
from tests.unit.core.test_before_wire import Broker, statistics_of
from tests.unit.runs import PLANS, Planned, results_of

FIGURES = {"count", "mean", "min", "p50", "p90", "p95", "p99", "p999", "max"}
SERIES = {"e2e", "e2e_matched", "from_send", "send", "late", "duplicate"}
REQUESTS = {"registered", "matched", "timed_out", "undelivered", "unfinished", "lost", "pending"}
REPLIES = {"read", "match", "late", "duplicate", "unexpected", "orphan", "foreign", "malformed"}
MEASURED = {"requests", "replies", "rejected", "legs_ms", "latency_ms"}
TOP = MEASURED | {
    "schema_version", "verdict", "checks", "before_the_wire",
    "balanced", "valid", "invalid", "load_s", "duration_s", "offered_rate", "achieved_rate", "arrivals",
    "replies_of_other_workers", "reply_routing", "names", "self_check", "legs_uncertainty_ms", "legs_unavailable", "broker_clocks_ms",
    "notes", "examples", "payload_bytes", "group", "events", "disturbances", "latency_since", "equations",
}  # fmt: skip
EXAMPLE = {
    "kind", "name", "reason", "latency_ms", "trace_id", "link", "legs_ms", "service_ms", "request_at", "reply_at",
}  # fmt: skip
SELF_CHECK = {"ok", "findings", "watched_s", "cpu", "hub_cpu", "lag_ms", "stalls"}


def assert_layout(data: dict[str, Any]) -> None:
    assert data.keys() == TOP
    for entry in (data, *data["names"].values()):
        assert entry.keys() >= MEASURED
        assert entry["requests"].keys() == REQUESTS
        assert entry["replies"].keys() == REPLIES
        assert entry["latency_ms"].keys() == SERIES
        for figures in (*entry["latency_ms"].values(), *entry["legs_ms"].values()):
            assert figures.keys() == FIGURES
    assert data["self_check"].keys() == SELF_CHECK
    assert data["self_check"]["lag_ms"].keys() == {"hub", "native", "start", "gc"}
    assert all(example.keys() == EXAMPLE for example in data["examples"])
    assert all(law.keys() == {"text", "holds"} for law in data["equations"])


def expanded(path: str) -> list[str]:
    """`a.{b,c.{d,e}}` as `a.b`, `a.c.d`, `a.c.e`."""
    if (braces := re.search(r"\{([^{}]*)\}", path)) is None:
        return [path]
    return [
        one for part in braces[1].split(",") for one in expanded(path[: braces.start()] + part + path[braces.end() :])
    ]


def test_every_documented_key_is_there_and_every_key_is_documented() -> None:
    """The table in docs/report.md names each key of the top, and each of its paths leads to something."""
    plans = [Planned("n", Outcome.MATCHED, MS * (1 + 20 * n), 0, MS, 10 * MS, (Verdict.DUPLICATE,)) for n in range(9)]
    results = results_of(plans, open_model=True)
    results.before_wire.add_statistics(statistics_of(Broker([1_000], [10])))
    data = to_json(results)
    chapter = (
        (ROOT / "docs" / "report.md").read_text("utf-8").partition("## The summary as JSON")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (`.*?) \| ", chapter, re.MULTILINE)
    paths = [path for row in rows for code in re.findall(r"`([^`]+)`", row) for path in expanded(code)]
    assert {path.partition(".")[0] for path in paths} == data.keys()
    for path in paths:
        found: Any = data
        for key in path.replace("<broker>", "").replace("<name>", "n").split("."):
            found = found[key]


@given(PLANS, st.booleans())
def test_the_layout_never_changes(plans: list[Planned], open_model: bool) -> None:
    """Every documented key is there whatever the run did, and the text is JSON without NaN."""
    data = to_json(results_of(plans, open_model=open_model))
    assert_layout(data)
    assert json.loads(json.dumps(data, allow_nan=False)) == json.loads(json.dumps(data))
    assert (data["arrivals"] is None) == (data["offered_rate"] is None) == (not open_model)


@given(PLANS, st.booleans())
def test_a_figure_that_does_not_exist_is_null(plans: list[Planned], open_model: bool) -> None:
    """Of no exchange at all there is a count of 0 and no other figure; of one or more there is each of them."""
    data = to_json(results_of(plans, open_model=open_model))
    for entry in (data, *data["names"].values()):
        for figures in (*entry["latency_ms"].values(), *entry["legs_ms"].values()):
            assert {name for name, value in figures.items() if value is None} == (
                set() if figures["count"] else FIGURES - {"count"}
            )
    assert all(figures["max"] is None for figures in data["self_check"]["lag_ms"].values())
    assert data["self_check"]["cpu"] is data["self_check"]["hub_cpu"] is None
    assert (data["legs_uncertainty_ms"] is None) == ("request" not in data["legs_ms"])


@given(PLANS)
def test_the_counts_are_those_of_the_run(plans: list[Planned]) -> None:
    """Outcomes and verdicts in all and by name, and as many latencies as there are exchanges that have one."""
    data = to_json(results_of(plans))
    for name in ("", *data["names"]):
        some = [plan for plan in plans if name in ("", plan.name)]
        entry = data["names"][name] if name else data
        outcomes = Counter(plan.outcome for plan in some)
        later = Counter(verdict for plan in some for verdict in plan.later)
        assert entry["requests"]["registered"] == len(some)
        assert entry["requests"]["pending"] == 0
        for outcome in Outcome:
            assert entry["requests"][outcome.name.lower()] == outcomes[outcome]
        assert entry["replies"]["match"] == outcomes[Outcome.MATCHED]
        for verdict in (Verdict.LATE, Verdict.DUPLICATE, Verdict.UNEXPECTED):
            assert entry["replies"][verdict.name.lower()] == later[verdict]
        counts = {series: figures["count"] for series, figures in entry["latency_ms"].items()}
        assert counts["e2e_matched"] == outcomes[Outcome.MATCHED]
        assert counts["e2e"] == outcomes[Outcome.MATCHED] + outcomes[Outcome.TIMED_OUT]
        assert counts["send"] == sum(plan.ack_ns > 0 and plan.outcome is not Outcome.UNDELIVERED for plan in some)
        assert (counts["late"], counts["duplicate"]) == (later[Verdict.LATE], later[Verdict.DUPLICATE])
        matched = [plan.wait_ns + plan.took_ns for plan in some if plan.outcome is Outcome.MATCHED]
        if matched:
            figures = entry["latency_ms"]["e2e_matched"]
            assert (figures["min"], figures["max"]) == (min(matched) / 1e6, max(matched) / 1e6)
            assert figures["mean"] == pytest.approx(sum(matched) / len(matched) / 1e6, abs=1e-6)
    assert data["names"].keys() == {plan.name for plan in plans}
    assert data["balanced"]
    assert all(law["holds"] for law in data["equations"])


@given(st.integers(1, 10**6), st.floats(0.5, 1000), st.floats(0, 100))
def test_the_rate_is_that_of_the_load(count: int, load_s: float, rest_s: float) -> None:
    """Offered and achieved are per second in which users could send: drain and settle dilute neither of them."""
    results = RunResults()
    results.load_s, results.duration_s = load_s, load_s + rest_s
    results.total.registered = count
    closed = to_json(results)
    assert closed["achieved_rate"] == round(count / load_s, 3)
    assert (closed["load_s"], closed["duration_s"]) == (round(load_s, 3), round(load_s + rest_s, 3))
    results.open_model, results.arrivals, results.offered = True, Counts(count + 5, count, 3, 2), (count + 5) / load_s
    opened = to_json(results)
    assert opened["achieved_rate"] == round(count / load_s, 3)
    assert opened["offered_rate"] == round((count + 5) / load_s, 3)
    assert opened["arrivals"] == {"due": count + 5, "started": count, "dropped": 3, "given_back": 2}


def test_a_second_request_of_a_task_is_no_arrival() -> None:
    """In the open model the achieved rate counts the arrivals that began, not the requests of their tasks."""
    results = results_of([Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)] * 4, open_model=True, load_s=2)
    results.arrivals = Counts(2, 2, 0, 0)
    assert to_json(results)["achieved_rate"] == 1


@pytest.mark.parametrize("spoil", ["invalid", "bottleneck"])
def test_a_run_with_a_reason_is_not_valid(spoil: str) -> None:
    """One sentence of either kind is enough, and it stands in the data."""
    results = results_of([])
    assert to_json(results)["valid"]
    getattr(results, spoil).append("because")
    data = to_json(results)
    assert not data["valid"]
    assert "because" in (data["invalid"] + data["self_check"]["findings"])


def test_the_file_holds_the_same(tmp_path: Path) -> None:
    """What is written can be read back, names beyond ASCII and lone surrogates included; links lead to the trace."""
    results = results_of([Planned("nä\udc80me", Outcome.TIMED_OUT, MS, 0, MS, 10 * MS)])
    results.trace_url = "http://jaeger/trace/{trace_id}"
    write(results, str(tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == json.loads(json.dumps(to_json(results)))
    (example,) = to_json(results)["examples"]
    assert example["link"] == f"http://jaeger/trace/{example['trace_id']}"
    assert "no reply within 4 s" in example["reason"]


@given(st.floats(-1e9, 1e9), st.floats(0, 20))
def test_a_clock_is_told_no_finer_than_it_is_known(ahead_ms: float, uncertainty_ms: float) -> None:
    """A broker's clock is rounded to the step that its uncertainty allows, and is off by no more than half of it."""
    results = RunResults()
    results.clocks["1"] = (ahead_ms, uncertainty_ms)
    told = to_json(results)["broker_clocks_ms"]["1"]
    step = next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if s >= uncertainty_ms), 10)
    assert abs(told["offset"] - ahead_ms) <= step / 2 + 0.001
    assert abs(told["offset"] / step - round(told["offset"] / step)) < 1e-3
