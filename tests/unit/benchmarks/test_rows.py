"""Laws of the generator's table: one window for all columns, one line for each row, and a picture with all of them."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import psutil
import pytest

from benchmarks import probe
from benchmarks.cases import CASES, chosen
from benchmarks.picture import picture
from benchmarks.probe import Reading, Usage
from benchmarks.rows import COLUMNS, HEADING, Latency, Row, by_threads, read_rows, row, to_json, to_markdown

BEGIN = Reading(
    10.0, 1.0, {7: 100, 8: 50}, {7: (10**9, 10**8), 9: (0, 0)}, 80.0,
    {7: ("hub", 1.0, 0.5), 8: ("librdkafka", 3.0, 3.0)},
)  # fmt: skip
END = Reading(
    12.0, 2.0, {7: 300, 11: 40}, {7: (2 * 10**9, 3 * 10**8), 9: (10**8, 10**9)}, 90.0,
    {7: ("hub", 1.5, 0.75), 9: ("hub", 0.25, 0.0), 11: ("librdkafka", 0.125, 0.125)},
)  # fmt: skip
SERVICE = Usage(2.0, 0.5, 0, 0.0, 0.0, 0.0)


def found(name: str = "closed", rate: float = 1000.0, cpu_us: float = 100.0) -> Row:
    return row(name, "closed", 1000, Latency(1.0, 2.0), probe.between(BEGIN, END), SERVICE, SERVICE, hub=True)._replace(
        rate=rate, cpu_us=cpu_us
    )


def test_a_usage_is_what_two_readings_differ_by() -> None:
    """CPU and switches are sums, a new thread counts whole, and the hub is that of the busiest process."""
    usage = probe.between(BEGIN, END)
    kinds = {"hub": (0.75, 0.25), "librdkafka": (0.125, 0.125)}
    assert usage == Usage(2.0, 1.0, 240, 0.5, pytest.approx(0.1), 90.0, kinds)
    assert by_threads(usage, 1000).endswith("hub 750.0 + 250.0, librdkafka 125.0 + 125.0")


def test_every_column_is_of_one_exchange_in_the_same_window() -> None:
    """What tool, broker and echo used is divided by the same count, and the rate by the same seconds."""
    one = row("closed", "closed", 1000, Latency(1.0, 2.0), probe.between(BEGIN, END), SERVICE, SERVICE, hub=True)
    assert (one.rate, one.cpu_us, one.broker_cpu_us, one.echo_cpu_us) == (500, 1000, 500, 500)
    assert (one.hub_run, one.switches, one.rss_mb) == (0.5, 0.24, 90.0)


def test_a_reading_grows_with_the_work_of_its_process() -> None:
    """This process's own CPU and main thread go up, and no thread that stays has fewer switches than before."""
    this = [psutil.Process(os.getpid())]
    begin = end = probe.read(this)
    while end.cpu_s - begin.cpu_s < 0.05:
        sum(range(10_000))
        end = probe.read(this)
    usage = probe.between(begin, end)
    assert usage.hub_run > 0
    assert sum(usage.by_kind["hub"]) > 0
    stayed = begin.switches.keys() & end.switches.keys()
    assert sum(end.switches[thread] for thread in stayed) > 0
    assert all(end.switches[thread] >= begin.switches[thread] for thread in stayed)


def test_services_get_their_cores_back() -> None:
    """Apart they have the last core and what is started meanwhile the first; afterwards each has all again."""
    everything = os.sched_getaffinity(0)
    child = psutil.Popen(["sleep", "60"])
    try:
        with probe.cores_apart([child]):
            assert os.sched_getaffinity(child.pid) == {max(everything)}
            assert os.sched_getaffinity(0) == {min(everything)}
        assert os.sched_getaffinity(child.pid) == os.sched_getaffinity(0) == everything
    finally:
        child.kill()
        child.wait()


def test_a_line_has_a_cell_for_every_column() -> None:
    """Heading, rule and row have the same number of cells; what does not exist is empty."""
    title, rule = HEADING.splitlines()
    assert title.count("|") == rule.count("|") == to_markdown(found()).count("|") == len(COLUMNS) + 2
    assert "None" not in to_markdown(found()._replace(hub_run=None, hub_wait=None))


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    """What `--json` wrote is read as it was, and another file is refused by its name."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{to_json(found())}\n{to_json(found('open'))}\n")
    assert read_rows(path) == [found(), found("open")]
    for other in ('{"a": 1}', "[1]", "{"):
        path.write_text(other)
        with pytest.raises(ValueError, match=r"rows\.jsonl"):
            read_rows(path)


def test_the_picture_has_every_row() -> None:
    """Each has a point within the axes and its name in the list, also when names hold markup and points coincide."""
    rows = [found("a < b", 20.0, 3000.0), found("same"), found("same too"), found("last", 50_000.0, 20.0)]
    tree = ET.fromstring(picture(rows))
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {one.name for one in rows} <= set(texts)
    circles = list(tree.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 2 * len(rows)
    assert all(0 < float(circle.get("cx", 0)) < float(tree.get("width", 0)) for circle in circles)
    assert all(0 < float(circle.get("cy", 0)) < float(tree.get("height", 0)) for circle in circles)


def test_names_tell_rows_apart() -> None:
    """No two cases have one name, and a part of a name chooses those that have it."""
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert [case.name for case in chosen("arrivals()")] == [name for name in names if "arrivals()" in name]
    assert chosen(None) == list(CASES)
    assert chosen("no such row") == []
