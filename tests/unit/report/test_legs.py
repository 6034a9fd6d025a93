"""One rule for legs in all outputs: never more digits than are known, never below 0."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.examples import Example
from locust_kafka.core.legs import MS, Legs
from locust_kafka.core.results import RunResults
from locust_kafka.core.sampling import Reason
from locust_kafka.exchange.measure import single_legs_ms
from locust_kafka.report import console, legs
from locust_kafka.report.exchange_log import _legs
from locust_kafka.report.summary import to_json
from locust_kafka.telemetry.conventions import LEG_MS
from locust_kafka.telemetry.spans import spans_of_exchange
from tests.unit.runs import Planned, exchange_of, results_of

NAMES = ("schedule", "request", "service", "reply", "ack")
TWO_CLOCKS = ("request", "service", "reply")
LEG = st.none() | st.integers(-2 * MS, 10**4 * MS)
STEPS = [*(Fraction(factor, 10**power) for power in (2, 1, 0) for factor in (1, 2, 5)), Fraction(10)]


def known_to(width_ns: int) -> Fraction:
    """The finest of the usual steps that is not finer than the uncertainty."""
    return next((step for step in STEPS if step * MS >= width_ns), STEPS[-1])


def is_whole(value: float, step: Fraction) -> bool:
    return abs(Fraction(str(value)) / step - round(Fraction(str(value)) / step)) < Fraction(1, 100)


def results_with(request: list[int], width_ns: int) -> RunResults:
    results = RunResults()
    entry = results.name("n")
    for series in (entry.request, entry.service, entry.reply):
        series.extend(request)
    entry.send.extend(abs(ns) for ns in request)
    results.leg_count, results.offset_uncertainty_ns = len(request), width_ns * len(request)
    return results


@given(st.lists(st.integers(-2 * MS, 10**3 * MS), min_size=1, max_size=20), st.integers(0, 10 * MS))
def test_no_mean_is_told_finer_than_the_uncertainty(request: list[int], width_ns: int) -> None:
    """Means over two clocks are whole steps of what is known, percentiles of 0.5 ms at least; none is below 0."""
    results = results_with(request, width_ns)
    step = known_to(width_ns)
    data = to_json(results)["legs_ms"]
    for leg in TWO_CLOCKS:
        figures = data[leg]
        assert is_whole(figures["mean"], step)
        assert abs(figures["mean"] - max(0.0, sum(request) / len(request) / 1e6)) <= step / 2 + Fraction(1, 500)
        for name in ("min", "p50", "p90", "p95", "p99", "p999", "max"):
            assert is_whole(figures[name], max(step, Fraction(1, 2)))
        assert min(value for value in figures.values()) >= 0


@given(st.lists(st.integers(-2 * MS, 10**3 * MS), min_size=1, max_size=20), st.integers(0, 10 * MS))
def test_printed_digits_are_known_digits(request: list[int], width_ns: int) -> None:
    """The text has no decimal place that the step does not have, and never calls the uncertainty 0.00."""
    results = results_with(request, width_ns)
    step = known_to(width_ns)
    lines = legs.lines(results, results.whole())
    for leg in TWO_CLOCKS:
        cells = next(line for line in lines if line.startswith(f"  {leg} ")).split()[2:8]
        places = [len(cell.partition(".")[2]) for cell in cells]
        assert places[0] <= max(0, math.ceil(-math.log10(step) - 1e-9))
        assert max(places[1:]) <= 1
        assert is_whole(float(cells[0]), step)
    told = re.search(r"their means are accurate to ([\d.]+) ms", "\n".join(lines))
    assert told is not None
    assert float(told[1]) >= max(0.01, width_ns / 1e6 - 1e-4)
    assert float(told[1]) <= width_ns / 1e6 + 0.0101


@given(st.builds(Legs, LEG, LEG, LEG, LEG, LEG))
def test_one_exchange_is_told_alike_everywhere(told: Legs) -> None:
    """Log, JSON, console and span have the same figures: 0.5 ms over two clocks, 1 µs on ours, none below 0."""
    shown = single_legs_ms(told)
    assert list(shown) == [leg for leg, ns in zip(NAMES, told, strict=True) if ns is not None]
    for leg, ns in zip(NAMES, told, strict=True):
        if ns is not None and leg in TWO_CLOCKS:
            assert is_whole(shown[leg], Fraction(1, 2))
            assert abs(shown[leg] - max(0, ns) / 1e6) <= 0.25
        elif ns is not None:
            assert shown[leg] == pytest.approx(ns / 1e6, abs=0.00051)
    columns = dict(zip(NAMES, _legs(told).split(","), strict=True))
    assert {leg: float(text) for leg, text in columns.items() if text} == shown
    results = RunResults()
    results.examples.add(Example("slowest", "n", MS, "0" * 32, told))
    assert to_json(results)["examples"][0]["legs_ms"] == shown
    (line,) = [line for line in console.lines(results) if line.startswith("  slowest")]
    words = dict(re.findall(r"(\w+) (-?[\d.]+)(?:,|$)", line.partition("0" * 32)[2]))
    assert words.keys() == shown.keys()
    for leg, ms in shown.items():
        assert float(words[leg]) == pytest.approx(ms, abs=0.0501)
    x = exchange_of(0, Planned("n", Outcome.MATCHED, MS, 0, MS, MS))
    attributes = dict(spans_of_exchange(x, told, Reason.SLOW, 0, 0)[0].attributes)
    assert {leg: attributes[LEG_MS[leg]] for leg in NAMES if LEG_MS[leg] in attributes} == shown


def test_what_is_not_known_is_left_out_and_said() -> None:
    """Without legs there is no table; with legs of some, the others and the reason are named."""
    results = RunResults()
    assert legs.lines(results, results.whole()) == []
    assert legs.uncertainty_ms(results) is None
    results = results_with([MS], 0)
    results.legs_unavailable = "because"
    assert "request, service and reply of some exchanges are not known: because" in "\n".join(
        legs.lines(results, results.whole())
    )


def test_the_survivors_are_said_to_be_survivors() -> None:
    """Legs are of matched exchanges alone: how many others there were stands below them."""
    plan = Planned("n", Outcome.MATCHED, MS, 0, MS, 10 * MS)
    results = results_of([plan] * 3 + [plan._replace(outcome=Outcome.TIMED_OUT)] * 2)
    assert "  of the 3 matched exchanges alone; 2 others had no reply in time" in legs.lines(results, results.whole())
    results = results_of([plan] * 3)
    assert "matched exchanges alone" not in "\n".join(legs.lines(results, results.whole()))


@given(st.floats(-1e7, 1e7), st.floats(0, 10))
def test_a_clock_is_printed_as_the_json_has_it(ahead_ms: float, uncertainty_ms: float) -> None:
    """How far a broker's clock is ahead is the same rounded figure in both, and ± is never 0."""
    results = results_with([MS], 0)
    results.clocks["7"] = (ahead_ms, uncertainty_ms)
    text = "\n".join(legs.lines(results, results.whole()))
    found = re.search(r"the clock of broker 7 is ([+-][\d.]+) ms ahead of ours, ±([\d.]+) ms", text)
    assert found is not None
    assert float(found[1]) == to_json(results)["broker_clocks_ms"]["7"]["offset"]
    assert uncertainty_ms / 2 - 1e-6 <= float(found[2])
    assert 0 < float(found[2]) <= uncertainty_ms / 2 + 0.0101
