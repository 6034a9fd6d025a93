"""What the page is sent: the whole run first, then what changed, in bounds."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.history import Row
from locust_kafka.core.results import RunResults
from locust_kafka.report import page
from locust_kafka.web import live
from locust_kafka.web.tab import COLUMNS, rows
from tests.unit.core.test_checks import results_of


def data_of(run: str, seconds: list[int]) -> dict[str, Any]:
    return {
        "run": run,
        "history": {"columns": ["at_s"], "rows": [[at_s] for at_s in seconds]},
        "summary": {"names": {}},
    }


def decoded(event: str) -> dict[str, Any]:
    assert event.startswith("data: ")
    assert event.endswith("\n\n")
    data: dict[str, Any] = json.loads(event[6:])
    return data


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 29))
def test_a_reader_has_every_second(steps: list[int], joins_at: int) -> None:
    """Whoever merges the events of any stretch has all rows of the run, whenever he came and however it grew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "EVERY_S", 0)
        snapshots = []
        seconds = 0
        for step in steps:
            seconds += step
            snapshots.append(data_of("1", list(range(1, seconds + 1))))
        joined = snapshots[min(joins_at, len(snapshots) - 1) :]
        coming = iter(joined)
        seen: dict[int, list[int]] = {}
        for event in islice(live.events(lambda: next(coming)), len(joined)):
            for row in decoded(event)["history"]["rows"]:
                seen[row[0]] = row
        assert sorted(seen) == list(range(1, seconds + 1))


def test_only_what_may_have_changed_is_sent_again() -> None:
    """After the first event the older seconds stay away; another run, or other rows, begin again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "EVERY_S", 0)
        coming = iter([data_of("1", list(range(1, 2001))), data_of("1", list(range(1, 2003))), data_of("2", [1, 2])])
        first, second, third = (decoded(event) for event in islice(live.events(lambda: next(coming)), 3))
    assert len(first["history"]["rows"]) == 2000
    assert [row[0] for row in second["history"]["rows"]] == list(range(2000 - live.REPEATED_S + 1, 2003))
    assert [row[0] for row in third["history"]["rows"]] == [1, 2]


def test_readers_share_one_snapshot() -> None:
    """However many look, the page is computed once in a while."""
    now, made = 0.0, []

    def make() -> Any:
        made.append(now)
        return lambda: data_of("1", [1])

    cached = live.Cached(make, lambda: now)
    assert all(cached() == data_of("1", [1]) for _ in range(10))
    assert made == [0.0]
    now = live.EVERY_S
    cached()
    assert made == [0.0, live.EVERY_S]


def test_many_names_are_the_most_used() -> None:
    """Of many names the page has so many, those with the most requests, each with its e2e and nothing dearer."""
    results = RunResults()
    for number in range(500):
        results.name(str(number)).books.registered = number
    names = page.data(results, [], [], {}, ended=False, max_names=live.MAX_NAMES)["summary"]["names"]
    assert sorted(map(int, names)) == list(range(500 - live.MAX_NAMES, 500))
    assert all(one["latency_ms"].keys() == {"e2e"} for one in names.values())
    assert page.data(results, [], [], {}, ended=False)["summary"]["names"].keys() == results.names.keys()


def test_the_page_says_where_a_run_stands() -> None:
    """Not begun, going on with something pending (no broken law), refused, ended: each in its own words."""
    results = results_of([1_000_000], 0, 0)
    results.total.registered += 1
    going = page.data(results, [Row(*[0] * len(Row._fields))], [], {}, ended=False)  # type: ignore[arg-type]
    assert going["verdict"] == "The run goes on."
    starting = page.data(RunResults(), [], [], {}, ready=False, ended=False)
    assert starting["verdict"] == "The run is being made ready."
    assert not [law for law in going["summary"]["equations"] if "at the end" in law["text"]]
    assert page.data(RunResults(), [], [], {}, begun=False, ended=False)["verdict"] == "No run has begun."
    assert page.data(RunResults(), [], [], {}, ended=False, refusal="why")["verdict"] == "The run could not begin."
    assert page.data(results, [], [], {})["verdict"] == results_verdict(results)


def results_verdict(results: RunResults) -> str:
    from locust_kafka.report.verdict import sentence

    return sentence(results, [])


def test_the_tab_has_every_series_and_every_count() -> None:
    """A row for each latency with its figures, and one for each outcome and verdict."""
    found = {row["name"]: row for row in rows(results_of([5_000_000] * 3, 1, 2))}
    assert (found["e2e_matched"]["count"], found["e2e_matched"]["p50"], found["late"]["p99"]) == (3, 5.0, "-")
    assert (found["requests: timed out"]["count"], found["replies: duplicate"]["count"]) == (1, 2)
    assert all(row.keys() <= COLUMNS.keys() for row in found.values())
