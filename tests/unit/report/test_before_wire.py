"""Waits before the wire, as they are told: what is not known is no 0, and a share is of the leg that is shown."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from locust_kafka.core.before_wire import Waits
from locust_kafka.core.results import RunResults
from locust_kafka.report import console
from locust_kafka.report.html import asset
from locust_kafka.report.summary import to_json

SCHEMA = json.loads(asset("summary.schema.json"))
LAYOUT = jsonschema.Draft202012Validator({**SCHEMA["properties"]["before_the_wire"], "$defs": SCHEMA["$defs"]})
WAITS = st.lists(st.integers(0, 5_000_000), max_size=50).map(
    lambda values: Waits(len(values), sum(values), *[max(values, default=0)] * 3)
)


def results_of(
    queue: Waits, buffer: Waits, request_ms: float | None, watched: int = 8, producers: int = 8
) -> RunResults:
    results = RunResults()
    waits = results.before_wire
    waits.queue, waits.buffer, waits.watched, waits.producers = queue, buffer, watched, producers
    if request_ms is not None:
        results.name("n").request.record(int(request_ms * 1e6))
        results.leg_count, results.offset_uncertainty_ns = 1, 100_000
    return results


def shown(results: RunResults) -> str:
    return "\n".join(console.lines(results)).partition("Before the wire, ms")[2].partition("\n\n")[0]


@given(WAITS, WAITS, st.none() | st.floats(0, 1_000), st.integers(1, 50))
@settings(max_examples=30)
def test_what_is_not_known_is_none(queue: Waits, buffer: Waits, request_ms: float | None, watched: int) -> None:
    """Without a single window all is None and nothing is printed; else each figure is there, and follows the schema."""
    results = results_of(queue, buffer, request_ms, watched, 50)
    data: Any = to_json(results)["before_the_wire"]
    LAYOUT.validate(data)
    if not queue.number:
        assert data is None
        assert not shown(results)
        return
    for name, waits in (("queue", queue), ("buffer", buffer)):
        assert data[name]["count"] == waits.number
        for figure in ("mean", "window_p50_max", "window_p99_max", "max"):
            assert (data[name][figure] is None) == (not waits.number)
        row = re.search(rf"  {name} +(\d+)((?: +(?:-|[\d.]+)){{4}})  ", shown(results))
        assert row is not None
        assert int(row[1]) == waits.number
        assert row[2].split()[-1] == (f"{waits.max_us / 1e3:.2f}" if waits.number else "-")
    assert (f"of {watched} of 50 producers" in shown(results)) == (watched < 50)
    share = data["share_of_request"]
    assert share is None if not buffer.number or request_ms is None else share is None or 0 <= share <= 1
    assert ("on the wire" in shown(results)) == (share is not None)


def test_a_share_is_of_the_mean_leg() -> None:
    """6 ms in the queue and 2 in the buffer of a leg of 10 ms are 80 %; more than all of it is all of it; of nothing there is none."""
    queue, buffer = Waits(2, 12_000, 7_000, 5_000, 7_000), Waits(1, 2_000, 2_000, 2_000, 2_000)
    for request_ms, share in ((10, 0.8), (5, 1.0), (0, None), (None, None)):
        data: Any = to_json(results_of(queue, buffer, request_ms))["before_the_wire"]
        assert data["share_of_request"] == share
    text = shown(results_of(queue, buffer, 10))
    assert "80% of the request leg's mean passed before the request was on the wire" in text
