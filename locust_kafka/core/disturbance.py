"""Finds the times in which a run was disturbed, from its seconds alone: what a customer felt of a fault, and how long.

A second is disturbed when it stands out from the other seconds of the same run: a service that always loses two in a
hundred is not disturbed, it is as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import mean, median

from locust_kafka.core.events import Disturbance, Event
from locust_kafka.core.history import Row

MIN_ROWS = 5
"""Fewer rows have nothing to stand out from."""
FACTOR = 3.0
"""How many times the median of the run's rows a figure must be to stand out."""
MIN_RISE_MS = 100.0
"""And by how much a latency must be above that median."""
MIN_SHARE = 0.05
"""And what share of its second's exchanges a count must be."""
MIN_MATCHED = 5
"""Replies that a row has on average before a row without any is a silence."""
JOIN_S = 2.5
"""Disturbed rows that are no farther apart are one disturbance."""
MAX_DISTURBANCES = 20
"""The longest ones are kept."""
BEFORE_S, AFTER_S = 5.0, 1.0
"""Events so long before a disturbance, and after its end, may have to do with it."""
_COUNTS = (
    ("timed_out", "timed out"), ("undelivered", "undelivered"), ("late", "answered late"),
    ("duplicates", "duplicates"), ("dropped", "arrivals dropped"),
)  # fmt: skip


def find_disturbances(rows: Sequence[Row], events: Iterable[Event] = ()) -> list[Disturbance]:
    """The disturbances of a run, the earliest first.

    Args:
        rows: its history.
        events: what is known to have happened.
    """
    rows = _under_load(rows)
    if len(rows) < MIN_ROWS:
        return []
    disturbed = _judge_of(rows)
    groups: list[list[Row]] = []
    for row in rows:
        if not disturbed(row):
            continue
        if groups and row.at_s - row.length_s - groups[-1][-1].at_s <= JOIN_S:
            groups[-1].append(row)
        else:
            groups.append([row])
    known = list(events)
    found = [_described(group, rows, known) for group in groups]
    longest = sorted(found, key=lambda one: -one.length_s)[:MAX_DISTURBANCES]
    return sorted(longest, key=lambda one: one.from_s)


def _under_load(rows: Sequence[Row]) -> list[Row]:
    """Without the begin, until the first second with a reply has passed, and without what is drained after the load."""
    began = next((index for index, row in enumerate(rows) if row.matched), len(rows))
    return [row for row in rows[began + 1 :] if row.users]


def _judge_of(rows: Sequence[Row]) -> Callable[[Row], bool]:
    """Whether a row stands out from the others."""
    # The mean, for in a short run most seconds may be silent.
    usual_p95, usual_matched = _median_p95(rows), mean(row.matched for row in rows)
    usual = {name: median(getattr(row, name) for row in rows) for name, _words in _COUNTS}

    def stands_out(row: Row) -> bool:
        if row.p95_ms is not None and row.p95_ms > max(FACTOR * usual_p95, usual_p95 + MIN_RISE_MS):
            return True
        if not row.matched and row.pending and usual_matched >= MIN_MATCHED:
            return True
        least = MIN_SHARE * max(row.matched, row.registered, usual_matched, 1)
        return any(getattr(row, name) > max(FACTOR * usual[name], least) for name, _words in _COUNTS)

    return stands_out


def _described(group: list[Row], rows: Sequence[Row], events: list[Event]) -> Disturbance:
    from_s, to_s = group[0].at_s - group[0].length_s, float(group[-1].at_s)
    within = [row for row in rows if from_s < row.at_s <= to_s]
    parts = []
    silent_s = sum(row.length_s for row in within if not row.matched)
    if silent_s:
        parts.append(f"no reply for {silent_s:.0f} s")
    highest = max((row.p95_ms for row in within if row.p95_ms is not None), default=None)
    if highest is not None:
        usual = _median_p95(rows)
        parts.append(f"e2e p95 of a second up to {highest:,.0f} ms (median of all seconds: {usual:,.0f} ms)")
    for name, words in _COUNTS:
        if count := sum(getattr(row, name) for row in within):
            parts.append(f"{count:,} {words}")
    near = [event for event in events if from_s - BEFORE_S <= event.at_s <= to_s + AFTER_S]
    return Disturbance(from_s, to_s, ", ".join(parts), near)


def _median_p95(rows: Sequence[Row]) -> float:
    return median([row.p95_ms for row in rows if row.p95_ms is not None] or [0.0])
