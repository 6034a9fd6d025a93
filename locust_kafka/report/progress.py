"""One line that says how a run goes, for the console of a headless run."""

from __future__ import annotations

from locust_kafka.core.history import Second


def line(interval: Second, *, open_model: bool) -> str:
    """The last interval in words.

    Args:
        interval: successive seconds, merged.
        open_model: whether arrivals are planned.
    """
    row = interval.row()
    offered = f"offered {row.offered_rate:,.0f}/s, " if open_model else ""
    latency = "no request ended"
    if row.p50_ms is not None and row.p99_ms is not None:
        latency = f"e2e p50 {_ms(row.p50_ms)}, p99 {_ms(row.p99_ms)}"
    wrong = [
        f"{count:,} {what}"
        for count, what in (
            (row.timed_out, "timed out"), (row.undelivered, "undelivered"), (row.late, "late replies"),
            (row.duplicates, "duplicates"), (row.dropped, "arrivals dropped"),
        )
        if count
    ]  # fmt: skip
    last = f"last {row.length_s:.0f} s: {offered}sent {row.achieved_rate:,.0f}/s, {latency}"
    return f"{last}; {row.pending:,} pending; {', '.join(wrong) or 'nothing went wrong'}"


def _ms(value: float) -> str:
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"
