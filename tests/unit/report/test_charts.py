"""Laws of the picture: bars are as long as their figures, in text and in SVG."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.report.charts import stacked_bars

ROWS = st.lists(
    st.tuples(st.text("abc<&>", min_size=1, max_size=8), st.lists(st.floats(0, 1e4), min_size=3, max_size=3)),
    min_size=1,
    max_size=6,
)


@given(ROWS)
def test_bars_are_as_long_as_their_figures(rows: list[tuple[str, list[float]]]) -> None:
    """Widths are in proportion to the longest row, parts in their order, names escaped."""
    text, svg = stacked_bars(rows, ("one", "two", "three"), "A title")
    longest = max(sum(lengths) for _, lengths in rows) or 1.0
    shapes = ElementTree.fromstring(svg)
    bars = [shape for shape in shapes if shape.tag.endswith("rect") and shape.get("height") == "22"]
    assert len(bars) == 3 * len(rows)
    for number, (_, lengths) in enumerate(rows):
        for bar, length in zip(bars[3 * number : 3 * number + 3], lengths, strict=True):
            assert abs(float(bar.get("width") or 0) - length / longest * 560) < 0.06
    for line, (name, lengths) in zip(text.splitlines()[1:], rows, strict=True):
        assert line.strip().startswith(name.strip())
        assert abs(sum(line.count(mark) for mark in "░▒█") - sum(lengths) / longest * 60) <= 0.51
