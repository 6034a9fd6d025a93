"""A *Kafka* tab in Locust's own page, by its extension points: what fits into a table, and the way to our page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, json, request

from locust_kafka.core.results import RunResults
from locust_kafka.report import legs
from locust_kafka.web.live import apart

KEY = "kafka"
COLUMNS = {
    "name": "", "count": "Count", "mean": "Mean (ms)", "p50": "50%ile (ms)", "p95": "95%ile (ms)", "p99": "99%ile (ms)",
    "max": "Max (ms)",
}  # fmt: skip
PATH = "kafka/"
"""Of our page, relative to Locust's, which may be served below a path of its own."""


def add_tab(web_ui: Any, copied: Callable[[], RunResults], *, needs_host: bool) -> None:
    """Add the tab.

    Args:
        web_ui: Locust's.
        copied: gives a copy of the figures up to now, to be read in another thread.
        needs_host: whether a user class has a use for Locust's host; without one the form need not ask for it.
    """
    structure = [{"key": key, "title": title} for key, title in COLUMNS.items()]
    web_ui.template_args["extended_tabs"] = [{"title": "Kafka", "key": KEY}]
    web_ui.template_args["extended_tables"] = [{"key": KEY, "structure": structure}]
    web_ui.template_args["extended_csv_files"] = [{"href": PATH, "title": "Kafka: charts, exchanges, the books"}]

    def with_our_rows(response: Response) -> Response:
        if request.path.endswith("/stats/requests") and response.is_json and response.status_code == 200:
            extended = [{"key": KEY, "data": apart(rows, copied())}]
            response.set_data(json.dumps({**response.json, "extended_stats": extended}))  # type: ignore[dict-item]
        return response

    web_ui.app.after_request(with_our_rows)
    if not needs_host:
        web_ui.update_template_args = _without_host(web_ui, web_ui.update_template_args)


def rows(results: RunResults) -> list[dict[str, Any]]:
    """Latencies, legs and counts, a row each."""
    whole = results.whole()
    figures = {name: series.summary() for name, series in whole.shown().items()} | legs.to_json(results, whole)
    found: list[dict[str, Any]] = []
    for name, one in figures.items():
        cells = {column: "-" if one[column] is None else one[column] for column in COLUMNS if column != "name"}
        found.append({"name": name, **cells})
    for kind, counts in results.total.to_dict().items():
        found += [{"name": f"{kind}: {name.replace('_', ' ')}", "count": count} for name, count in counts.items()]
    return found


def _without_host(web_ui: Any, update: Callable[[], None]) -> Callable[[], None]:
    def updated() -> None:
        update()
        web_ui.template_args["missing_host_warning"] = False

    return updated
