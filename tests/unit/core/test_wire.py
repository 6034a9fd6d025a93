"""Another process's values: what is accepted can be summed, shown and written, whatever was sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from locust_kafka.core.books import Outcome
from locust_kafka.core.examples import Example
from locust_kafka.core.results import RunResults
from tests.unit.plugin.runners import results_of


def a_report() -> dict[str, Any]:
    results = results_of([("a", Outcome.MATCHED), ("b", Outcome.TIMED_OUT)])
    results.names["a"].e2e_matched.extend([1_000_000, 2_500_000])
    results.examples.add(Example("late reply", "a", 5, "ab" * 16, None, "", (("wait", 1.5),)))
    results.note("pauses", 2)
    results.clocks = {"1": (-0.25, 0.1)}
    return results.to_wire()


SERIES = ("names", "a", "series", "e2e_matched")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("total", "requests", "registered"), "3"), (("total", "requests", "registered"), -1),
        (("total", "replies", "match"), 1.0), (("names", "a", "rejected"), None), ((*SERIES, "count"), 7),
        ((*SERIES, "min_ns"), 10**10), ((*SERIES, "buckets"), [["5", 2]]), ((*SERIES, "sum_ns"), float("inf")),
        (("arrivals",), [1, 2, 3, "4"]), (("notes",), {"pauses": "2"}), (("notes",), {b"pauses": 2}), (("invalid",), "why"),
        (("invalid",), [5]), (("bottleneck",), {"a": 1}), (("examples", 0, 2), float("inf")),
        (("examples", 0, 6), [["wait", float("inf")]]), (("examples", 0, 0), 5), (("trace_url",), 5), (("since",), b"x"),
        (("load_s",), float("nan")), (("duration_s",), -1.0), (("offset_uncertainty_ns",), 1e300), (("open_model",), "no"),
        (("clocks",), {"1": [0.1, 1e300]}), (("clocks",), {"1": [0.1]}), (("health", "stalls"), [[1, 2]]),
        (("health", "watched_ns"), "5"), (("names",), {5: {}}), (("names",), []),
    ],
)  # fmt: skip
def test_a_report_with_another_value_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    """A text for a number, infinity, a series that contradicts itself: the worker is unreadable, the summary is not."""
    wire = a_report()
    assert RunResults.from_wire(copy.deepcopy(wire)).to_wire() == wire
    node: Any = wire
    for step in path[:-1]:
        node[step] = list(node[step]) if isinstance(node[step], tuple) else node[step]
        node = node[step]
    node[path[-1]] = value
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        RunResults.from_wire(wire)


def test_what_is_nearly_nothing_is_nothing() -> None:
    """A duration of 1e-320 s would make a rate infinite, which JSON cannot hold."""
    assert RunResults.from_wire({**a_report(), "load_s": 1e-320}).load_s == 0.0
