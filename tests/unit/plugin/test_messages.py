"""Messages between master and workers: they arrive as they were sent, or are refused in words, and stay small."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.history import Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import MAX_NAMES, RunResults
from locust_kafka.errors import NotReady
from locust_kafka.plugin import messages as m
from tests.unit.core.test_history import SECONDS
from tests.unit.plugin.runners import FATES, results_of

PLAN = m.BeginPlan("r", [[1.0, 2.0, 3.0]], 0.5, 0.5, 0.5)
KINDS = m.Message.__subclasses__()
NUMBERS = st.floats(0.0, 1.0).map(lambda number: number if number > 1e-9 else 0.0)
"""Within the bounds of every field."""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(),
    "bool": st.booleans(),
    "float": NUMBERS | st.integers(0, 1),
    "list[list[float]]": st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=4),
    "list[dict[str, Any]]": st.lists(SECONDS.map(Second.to_wire), max_size=3),
    "dict[str, Any] | None": st.none() | FATES.map(lambda fates: results_of(fates).to_wire()),
}
MESSAGES = st.sampled_from(KINDS).flatmap(
    lambda kind: st.builds(kind, **{field.name: VALUES[str(field.type)] for field in dataclasses.fields(kind)})
)


def over_the_network(message: m.Message) -> Any:
    """As Locust's transport hands it over: packed by msgpack, so that a tuple arrives as a list."""
    return msgpack.loads(msgpack.dumps(message.to_wire(), use_bin_type=True), strict_map_key=False)


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(MESSAGES)
def test_every_message_arrives_as_it_was_sent(message: m.Message) -> None:
    """Each type, with any values, through Locust's own packing and back."""
    found = type(message).from_wire(over_the_network(message))
    assert type(found) is type(message)
    assert plain(dataclasses.asdict(found)) == plain(dataclasses.asdict(message))


@given(MESSAGES, st.none() | st.integers() | st.text() | st.floats())
def test_another_version_is_refused_in_a_sentence(message: m.Message, version: Any) -> None:
    """Whatever else is in it: the sentence names the message and the version that is known here."""
    wire = {**over_the_network(message), "version": version}
    if version == m.VERSION:
        return
    with pytest.raises(m.BadMessage, match=f"{message.type}: not of version {m.VERSION}"):
        type(message).from_wire(wire)
    del wire["version"]
    with pytest.raises(m.BadMessage, match="not of version"):
        type(message).from_wire(wire)


@given(MESSAGES, st.data())
def test_a_missing_field_is_refused_by_its_name(message: m.Message, data: st.DataObject) -> None:
    """No field has a default that another version could rely on without knowing."""
    wire = over_the_network(message)
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(message)]))
    del wire[name]
    with pytest.raises(m.BadMessage, match=name):
        type(message).from_wire(wire)


@given(MESSAGES, st.data())
def test_a_value_of_another_type_is_refused_by_its_name(message: m.Message, data: st.DataObject) -> None:
    """A number is no sentence and a sentence is no number: nothing of it is acted on."""
    wire = over_the_network(message)
    field = data.draw(st.sampled_from(dataclasses.fields(message)))
    wire[field.name] = b"bytes"
    with pytest.raises(m.BadMessage, match=f"{field.name} is a bytes"):
        type(message).from_wire(wire)


@pytest.mark.parametrize("data", [None, 5, "text", [], [1, 2], b"", True])
def test_what_is_no_mapping_is_no_message(data: Any) -> None:
    """Another plugin may use a type of ours: what it sends is refused, not looked into."""
    for kind in KINDS:
        with pytest.raises(m.BadMessage, match="not of version"):
            kind.from_wire(data)


@given(MESSAGES)
def test_what_a_newer_version_adds_is_passed_over(message: m.Message) -> None:
    """A field that is not known here changes nothing, as long as the version is the same."""
    found = type(message).from_wire({**over_the_network(message), "added": 1})
    assert plain(dataclasses.asdict(found)) == plain(dataclasses.asdict(message))


def test_every_type_has_a_name_of_its_own() -> None:
    """Locust refuses two listeners for one type, and knows its own types before ours."""
    names = [kind.type for kind in KINDS]
    assert len(set(names)) == len(names) == 12
    locusts = {"spawn", "stop", "quit", "ack", "heartbeat", "stats", "client_ready", "spawning_complete", "exception"}
    assert not locusts & set(names)
    assert all(get_type_hints(kind)["run"] is str for kind in KINDS)


def test_a_regular_report_stays_small() -> None:
    """Every three seconds from every worker: some kilobytes, whatever the run's length; the series go at the end."""
    results, much = RunResults(), RunResults()
    for number in range(20):
        results.name(f"name {number}")
        entry = much.name(f"name {number}")
        entry.books.registered = entry.books.outcomes[0] = 10**9
        entry.e2e_matched = LatencySeries()
        for latency in range(1, 2_000):
            entry.e2e_matched.record(latency * 1_000_000)
        entry.aggregate()
    small = len(msgpack.dumps(m.Report("r" * 32, much.to_wire(latencies=False)).to_wire()))
    whole = len(msgpack.dumps(m.Finished("r" * 32, much.to_wire()).to_wire()))
    none_yet = len(msgpack.dumps(m.Report("r" * 32, results.to_wire(latencies=False)).to_wire()))
    assert small < none_yet + 20 * 100  # the counts' digits, and nothing else
    assert small < 20_000 < whole


def test_names_are_bounded_so_a_report_is() -> None:
    """A locustfile that names each request differently does not fill the network: the rest share one name."""
    results = RunResults()
    for number in range(2 * MAX_NAMES):
        results.name(f"/orders/{number}")
    assert len(results.to_wire(latencies=False)["names"]) <= MAX_NAMES + 1


def test_a_refusal_of_any_length_is_cut_for_the_wire() -> None:
    """MAX_WORDS characters say what is wrong; a traceback of a megabyte goes nowhere."""
    assert m.MAX_WORDS <= 2_000
    assert len(msgpack.dumps(m.Failed("r", str(NotReady("x" * 10**6))[: m.MAX_WORDS], True).to_wire())) < 3_000


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        (m.SetRate("r", 1.0), "rate", float("nan")), (m.SetRate("r", 1.0), "rate", -1.0), (m.SetRate("r", 1.0), "rate", 1e300),
        (m.SetShare("r", 1.0), "share", 1.5), (m.SetShare("r", 1.0), "share", 1e-320), (PLAN, "phase", float("inf")),
        (PLAN, "delay_s", -1.0), (PLAN, "stages", []), (PLAN, "stages", [[1.0, 2.0]]), (PLAN, "stages", [5]),
        (PLAN, "stages", [["1", 2.0, 3.0]]), (PLAN, "stages", [[float("nan"), 2.0, 3.0]]), (PLAN, "stages", [[1.0, 2.0, -3.0]]),
    ],
)  # fmt: skip
def test_a_number_beyond_its_bounds_is_refused(message: m.Message, field: str, value: Any) -> None:
    """A rate that is no number would end the arrivals of all workers, and a stage of two numbers the handler."""
    with pytest.raises(m.BadMessage):
        type(message).from_wire({**over_the_network(message), field: value})


def test_a_ramps_rounding_error_is_within_its_bounds() -> None:
    """What is left of a ramp to nothing may be less than nothing by a rounding error: it is 0."""
    assert m.BeginPlan("r", [[-1e-12, 1e7 + 1e-6, 0.5]], 0.0, 0.5, 0.0).plan() == ((0.0, 1e7, 0.5),)
