"""A worker that is broken or hostile can send wrong figures: it never makes the master fail or write elsewhere."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.before_wire import Waits
from locust_kafka.core.books import Outcome
from locust_kafka.core.bounds import MAX_DEPTH, MAX_ITEMS, MAX_TEXT
from locust_kafka.core.checks import judge, parse_check
from locust_kafka.core.examples import Example
from locust_kafka.core.health import Stall
from locust_kafka.core.history import History, Second
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.plugin import messages as m
from locust_kafka.report import console, folder, html, junit, page, summary, verdict
from locust_kafka.telemetry.prometheus import ResultsCollector
from tests.unit.plugin.runners import results_of

RUN = "r" * 32
TEXT = "../../../etc/passwd\ud800\x00<script>" + "x" * 10**6
HOSTILE = (
    None, True, -1, 2**63, 10**400, 1.5, -1e308, math.nan, math.inf, "", TEXT, b"bytes", [], {}, {"a": 1}, [1, 2, 3],
    [["a", "b"]], {1: 2}, {"../x": {}},
)  # fmt: skip
CHECKS = [parse_check("e2e.p99 < 1s"), parse_check("duplicates == 0"), parse_check("rate > 1/s")]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def with_one_changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return changed


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def write_all(results: RunResults, history: History) -> None:
    """Everything that a run writes or shows."""
    judged = judge(CHECKS, results)
    total = RunResults()
    total.add(results)
    assert console.lines(total, judged)
    assert verdict.sentence(total, judged)
    verdict.markdown(total, judged)
    json.dumps(page.data(total.copy(), history.rows(), judged, {}, ended=False, max_names=5), allow_nan=False)
    json.dumps(summary.to_json(total, judged), allow_nan=False)
    drawn = page.data(total, history.rows(), judged, {})
    html.document(drawn, "title").encode()
    junit.to_xml(judged, total).encode("utf-8", "xmlcharrefreplace")
    folder.write_history(history.rows(), io.StringIO())
    list(ResultsCollector(lambda: total).collect())


def a_workers_results() -> RunResults:
    """Something in each field."""
    results = results_of([("a", Outcome.MATCHED), ("a", Outcome.TIMED_OUT)])
    for series in ("e2e_matched", "timed_out", "service"):
        getattr(results.name("a"), series).extend([5_000_000, 70_000_000])
    results.examples.add(Example("slowest", "a", 70_000_000, "ab" * 16, Legs(0, 1, 2, 3, 4), "why", (("db", 1.5),)))
    results.clocks["1"] = (0.5, 0.1)
    results.before_wire.queue, results.before_wire.buffer = Waits(3, 600, 400, 100, 400), Waits(2, 30, 20, 10, 20)
    results.before_wire.watched, results.before_wire.producers = 1, 2
    results.health.watched_ns = 10**10
    results.health.hub.extend([1_000_000])
    results.health.stalled(Stall(1, 2, "hub"))
    results.note("something")
    results.invalid.append("a sentence")
    results.open_model = True
    return results


KNOWN = a_workers_results().to_wire()
RESULTS = plain(KNOWN)
SECOND = plain(Second(1_700_000_000, 1.0).to_wire())


@pytest.mark.parametrize("place", list(places(RESULTS)), ids=lambda place: ".".join(map(str, place)))
def test_results_are_refused_or_can_be_written(place: tuple[Any, ...]) -> None:
    """Any one value may be anything: the message is refused, or what it says can be added, shown and written."""
    for value in HOSTILE:
        wire = m.Finished(RUN, None).to_wire() | {"results": with_one_changed(RESULTS, place, value)}
        try:
            message = m.Finished.from_wire(wire)
            results = RunResults.from_wire(message.results or RunResults().to_wire())
        except (m.BadMessage, LookupError, TypeError, ValueError, AttributeError):
            continue
        if results.to_wire() != KNOWN:
            write_all(results, History())


@pytest.mark.parametrize("place", list(places(SECOND)), ids=lambda place: ".".join(map(str, place)))
def test_seconds_are_refused_or_can_be_written(place: tuple[Any, ...]) -> None:
    """The same for a worker's history."""
    for value in HOSTILE:
        wire = {**m.Seconds(RUN, []).to_wire(), "seconds": [SECOND, with_one_changed(SECOND, place, value)]}
        history = History()
        try:
            for one in m.Seconds.from_wire(wire).seconds:
                history.add(Second.from_wire(one))
        except (m.BadMessage, LookupError, TypeError, ValueError, AttributeError):
            continue
        write_all(RunResults(), history)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(m.Message.__subclasses__()), st.dictionaries(st.text(max_size=8), JUNK, max_size=3), st.data())
def test_no_message_does_more_than_be_refused(kind: type[m.Message], more: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in it: a message of the kind, or BadMessage with a short sentence."""
    fields: dict[str, Callable[[], Any]] = {name: lambda: data.draw(JUNK) for name in kind.__dataclass_fields__}
    wire = {"version": m.VERSION, **{name: draw() for name, draw in fields.items()}, **more}
    sentence = ""
    try:
        assert type(kind.from_wire(wire)) is kind
    except m.BadMessage as refused:
        sentence = str(refused)
    assert len(sentence) < 300
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nested(MAX_DEPTH + 5), "deep"),
        ({str(number): {} for number in range(MAX_ITEMS + 1)}, "items: more than"),
        (["x"] * (MAX_ITEMS + 1), "items: more than"),
    ],
)
def test_what_is_too_deep_or_too_much_is_refused(value: Any, words: str) -> None:
    """Before anything of it is looked into."""
    with pytest.raises(m.BadMessage, match=words):
        m.Finished.from_wire({**m.Finished(RUN, None).to_wire(), "results": {"names": value}})


def test_no_name_opens_a_way_round_the_bounds() -> None:
    """A row may be called as a latency series' fields are: what stands in it is looked at all the same."""
    entry = RESULTS["names"]["a"]
    for place in (("books", "requests", "registered"), ("rejected",)):
        huge = with_one_changed(entry, place, 10**400)
        names = {"count": entry, "sum_ns": entry, "min_ns": entry, "max_ns": entry, "buckets": huge}
        wire = {**m.Finished(RUN, None).to_wire(), "results": RESULTS | {"names": names}}
        with pytest.raises((m.BadMessage, ValueError), match=r"2\*\*63"):
            RunResults.from_wire(m.Finished.from_wire(wire).results or {})


def test_ten_thousand_names_are_refused_and_long_ones_cut() -> None:
    """A worker of ours sends no more than a thousand names, and none of a megabyte."""
    entry = RESULTS["names"][next(iter(RESULTS["names"]))]
    many = RESULTS | {"names": {str(number): entry for number in range(10_000)}}
    with pytest.raises(ValueError, match="items: more than"):
        RunResults.from_wire(many)
    wire = {**m.Finished(RUN, None).to_wire(), "results": RESULTS | {"names": {"x" * 10**6: entry}}}
    (name,) = RunResults.from_wire(m.Finished.from_wire(wire).results or {}).names
    assert len(name) == MAX_TEXT


@pytest.mark.parametrize("rate", [-1, math.nan, math.inf, 1e300, 10**400, "5", [5]])
def test_a_rate_that_nobody_could_give_is_refused(rate: Any) -> None:
    """A worker's locustfile may set the rate for all: within the bounds of everybody's."""
    with pytest.raises(m.BadMessage):
        m.SetRate.from_wire({"version": m.VERSION, "run": RUN, "rate": rate})


def test_a_report_of_hostile_names_stays_in_its_folder(tmp_path: Path) -> None:
    """Names that look like paths, of rows, examples, brokers and counters: five files, and nothing beside them."""
    wire = with_one_changed(RESULTS, ("notes",), {TEXT: 1}) | {"clocks": {TEXT: [1.0, 1.0]}, "cluster": TEXT}
    wire["names"] = {TEXT: wire["names"]["a"]}
    wire["examples"][0][1] = wire["examples"][0][3] = TEXT
    message = m.Finished.from_wire({**m.Finished(RUN, None).to_wire(), "results": wire})
    folder.write(tmp_path / "report", RunResults.from_wire(message.results or {}), [], [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert len(list((tmp_path / "report").iterdir())) == 5
