"""The generator's own health in words: what was found, what helps, and when there is nothing to say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.health import MIN_WATCHED_NS, MS, Stall, findings
from locust_kafka.core.results import RunResults
from locust_kafka.report import health
from locust_kafka.report.summary import to_json

S = 1000 * MS


def watched(seconds: float = 10, **lags_ms: list[int]) -> RunResults:
    """A run's results, watched for so long, with these lags."""
    results = RunResults()
    results.health.watched_ns = int(seconds * S)
    for kind, values in lags_ms.items():
        getattr(results.health, kind).extend([value * MS for value in values])
    return results


@pytest.mark.parametrize(
    ("lags", "open_model", "word"),
    [
        ({"hub": [0] * 900 + [50] * 10}, False, "held up"),
        ({"native": [0] * 450 + [30] * 10}, False, "stamps came"),
        ({"start": [0] * 980 + [5] * 20}, True, "arrivals began"),
        ({}, False, "its hub used"),
    ],
    ids=["hub", "native", "start", "saturated"],
)
@pytest.mark.parametrize("busy", [False, True])
def test_each_finding_names_its_remedy(lags: dict[str, list[int]], open_model: bool, word: str, *, busy: bool) -> None:
    """Each way to be the bottleneck is a sentence with figures and with what to do, printed and in the JSON alike."""
    results = watched(10, **lags)
    results.name("n").e2e_matched.record(10 * MS)
    results.health.hub_cpu_ns = (99 if not lags else 60 if busy else 40) * S // 10
    results.bottleneck = findings(results.health, 10 * MS, open_model=open_model)
    (sentence,) = results.bottleneck
    assert word in sentence
    assert re.search(r"\d", sentence)
    remedy = (
        ("--processes", 'producers = "shared"')
        if busy or not lags
        else ("other processes, or a blocking call in a task",)
    )
    assert all(part in sentence for part in remedy)
    assert f"INVALID RUN: the generator was the bottleneck: {sentence}" in health.lines(results)
    data = to_json(results)["self_check"]
    assert (data["ok"], data["findings"]) == (False, [sentence])
    assert "ok: it cannot" not in "\n".join(health.lines(results))


def test_a_good_generator_is_said_to_be_good() -> None:
    """It says so only when it was watched long enough and when there is a p99 that it could have moved."""
    ok = "  ok: it cannot have moved p99 by more than a tenth"
    results = watched(hub=[0] * 900)
    assert ok not in health.lines(results)
    results.name("n").e2e_matched.record(10 * MS)
    assert ok in health.lines(results)
    short = watched(MIN_WATCHED_NS / S / 2, hub=[0] * 90)
    short.name("n").e2e_matched.record(10 * MS)
    assert ok not in health.lines(short)
    assert "  it was watched too briefly to tell whether it could have moved p99" in health.lines(short)
    assert health.lines(RunResults()) == []


@given(
    st.lists(st.integers(0, 3_600_000), max_size=9), st.lists(st.integers(0, 99), max_size=9),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_what_is_printed_is_what_the_json_says(hub: list[int], gc: list[int], cpu: float, hub_cpu: float) -> None:
    """Lags, CPU and the longest stalls, read back from the text, are the figures of the JSON."""
    results = watched(hub=hub, gc=gc)
    results.health.cpu_ns, results.health.hub_cpu_ns = int(cpu * 10 * S), int(hub_cpu * 10 * S)
    for at, length in enumerate(hub):
        results.health.stalled(Stall(at * S, length * MS, "hub"))
    data, lines = health.to_json(results), health.lines(results)
    for name, figures in data["lag_ms"].items():
        rows = [line.split() for line in lines if line.startswith(f"  {name} ")]
        assert len(rows) == bool(figures["count"])
        for row in rows:
            assert int(row[1]) == figures["count"]
            columns = ("mean", "p50", "p90", "p99", "p999", "max")
            assert [float(cell) for cell in row[2:8]] == pytest.approx([figures[c] for c in columns], abs=0.00501)
    used = re.search(r"it used (\d+)% of a core, its hub (\d+)%", "\n".join(lines))
    assert used is not None
    assert [int(used[1]) / 100, int(used[2]) / 100] == pytest.approx([data["cpu"], data["hub_cpu"]], abs=0.00511)
    stalls = [line for line in lines if line.startswith("  its longest stalls: ")]
    assert len(stalls) == bool(hub)
    if hub:
        shown = re.findall(r"(\S+) (\d+) ms \((\w+)\)", stalls[0])
        expected = [(stall["at"], f"{stall['length_ms']:.0f}", stall["kind"]) for stall in data["stalls"][:3]]
        assert shown == expected
