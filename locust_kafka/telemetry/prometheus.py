"""The results for Prometheus: read when somebody asks, so that recording costs the measurement nothing.

Served by a run's own process, or by the master, which has the sum of its workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gevent
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.errors import SettingsError

# OpenTelemetry semantic conventions 1.44, messaging metrics: the advised boundaries, in seconds.
BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
YIELD_S = 0.0005
BOUNDARIES_US = tuple(int(boundary * 1e6) for boundary in BOUNDARIES)


class ResultsCollector:
    """A Prometheus collector over the current run's results.

    Args:
        results: gives it; None while there was no run.
    """

    def __init__(self, results: Callable[[], RunResults | None]) -> None:
        self._results = results

    def describe(self) -> Iterable[Metric]:
        """Nothing: asked when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the results."""
        results = self._results() or RunResults()
        requests = CounterMetricFamily("locust_kafka_requests", "Ended requests", labels=["name", "outcome"])
        replies = CounterMetricFamily("locust_kafka_replies", "Replies of our exchanges", labels=["name", "verdict"])
        pending = GaugeMetricFamily("locust_kafka_pending", "Requests without an outcome yet", labels=["name"])
        e2e = HistogramMetricFamily("locust_kafka_e2e_duration_seconds", "What a customer waits", labels=["name"])
        send = HistogramMetricFamily(
            "messaging_client_operation_duration_seconds", "produce() to the broker's ack",
            labels=["messaging_system", "messaging_operation_name", "name"],
        )  # fmt: skip
        for name, entry in sorted(results.names.items()):
            for outcome in Outcome:
                requests.add_metric([name, outcome.name.lower()], entry.books.outcomes[outcome])
            for verdict in Verdict:
                replies.add_metric([name, verdict.name.lower()], entry.books.verdicts[verdict])
            pending.add_metric([name], entry.books.pending)
            e2e.add_metric([name], buckets(entry.e2e), entry.e2e.sum_ns / 1e9)
            send.add_metric(["kafka", "send", name], buckets(entry.send), entry.send.sum_ns / 1e9)
            gevent.sleep(YIELD_S)  # each name sorts its buckets: many at once would hold the hub
        yield from (requests, replies, pending, e2e, send)
        read = CounterMetricFamily("locust_kafka_replies_read", "All replies read, by verdict", labels=["verdict"])
        for verdict in Verdict:
            read.add_metric([verdict.name.lower()], results.total.verdicts[verdict])
        yield read


def buckets(series: LatencySeries) -> list[tuple[str, float]]:
    """Cumulative counts at the boundaries, as Prometheus wants them."""
    counts = series.cumulative(BOUNDARIES_US)
    labelled = [(f"{boundary}", float(count)) for boundary, count in zip(BOUNDARIES, counts, strict=True)]
    return [*labelled, ("+Inf", float(series.count))]


def serve(port: int, results: Callable[[], RunResults | None]) -> Any:
    """Listen on all addresses, `/metrics`.

    Raises:
        SettingsError: it cannot listen there.
    """
    registry = CollectorRegistry()
    registry.register(ResultsCollector(results))
    try:
        return start_http_server(port, registry=registry)[0]
    except OSError as error:
        raise SettingsError(
            f"--kafka-metrics-port {port}: nothing can listen there ({error}); choose another"
        ) from error
