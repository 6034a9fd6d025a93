"""How long requests waited in librdkafka before they reached the socket: the part of the request leg that is ours."""

from __future__ import annotations

from typing import Any

from locust_kafka.core.before_wire import Waits
from locust_kafka.core.name_results import NameResults
from locust_kafka.core.results import RunResults
from locust_kafka.report import legs

_PHRASES = {
    "queue": "a record, until it is in a request: for instance while an earlier one has no answer",
    "buffer": "a request, until it is written to the connection",
}
_COLUMNS = {"mean": "mean", "window_p50_max": "p50", "window_p99_max": "p99", "max": "max"}


def to_json(results: RunResults, whole: NameResults) -> dict[str, Any] | None:
    """Figures in ms; None when librdkafka told nothing.

    Args:
        results: of a run.
        whole: all its names added up.
    """
    waits = results.before_wire
    if not waits.queue.number:
        return None
    return {
        **{name: _figures(getattr(waits, name)) for name in _PHRASES},
        "share_of_request": _share(results, whole),
        "producers": {"watched": waits.watched, "all": waits.producers},
    }


def lines(results: RunResults, whole: NameResults) -> list[str]:
    """The same for people."""
    figures = to_json(results, whole)
    if figures is None:
        return []
    out = ["", f"{'Before the wire, ms':<22}{'count':>9}" + "".join(f"{title:>10}" for title in _COLUMNS.values())]
    for name, phrase in _PHRASES.items():
        row = figures[name]
        cells = "".join("         -" if row[column] is None else f" {row[column]:>9.2f}" for column in _COLUMNS)
        out.append(f"  {name:<20}{row['count']:>9}{cells}  {phrase}")
    share, watched, every = figures["share_of_request"], results.before_wire.watched, results.before_wire.producers
    if share is not None:
        out.append(f"  {share:.0%} of the request leg's mean passed before the request was on the wire")
    whose = "" if watched == every else f"; of {watched} of {every} producers"
    return [*out, f"  p50 and p99 are those of the window of librdkafka's statistics in which each was largest{whose}"]


def _figures(waits: Waits) -> dict[str, float | int | None]:
    """Where there was none, no other figure than the count."""
    mean_ms = waits.mean_ms
    return {
        "count": waits.number,
        "mean": None if mean_ms is None else round(mean_ms, 6),
        **{
            name: us / 1e3 if waits.number else None
            for name, us in (("window_p50_max", waits.p50_us), ("window_p99_max", waits.p99_us), ("max", waits.max_us))
        },
    }


def _share(results: RunResults, whole: NameResults) -> float | None:
    """How much of the mean request leg it is; None when either is not known, or the leg is shorter than its step."""
    request_ms = legs.request_mean_ms(results, whole)
    queue_ms, buffer_ms = results.before_wire.queue.mean_ms, results.before_wire.buffer.mean_ms
    if not request_ms or queue_ms is None or buffer_ms is None:
        return None
    # Not of quite the same requests: the leg is of matched ones, the waits are of all that watched producers sent.
    return round(min(1.0, (queue_ms + buffer_ms) / request_ms), 4)
