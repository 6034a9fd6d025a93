"""The results as OTLP metrics: the same figures as `/metrics`, pushed at OpenTelemetry's intervals.

The SDK's instruments would want each latency recorded a second time; its data classes and exporter take our buckets
as they are.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import gevent
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import LaterReply
from locust_kafka.hub.share import HubShare
from locust_kafka.telemetry import conventions as c
from locust_kafka.telemetry.environment import HTTP, by_otlp, resource, say_once
from locust_kafka.telemetry.export import SCOPE
from locust_kafka.telemetry.prometheus import BOUNDARIES, BOUNDARIES_US

logger = logging.getLogger("locust_kafka")

_CUMULATIVE = AggregationTemporality.CUMULATIVE
DEFAULT_INTERVAL_MS = 60_000  # OpenTelemetry's
LAST_S = 2.5


class Push:
    """Pushes a run's results until it is closed.

    Args:
        results: gives it.
        sender: who sends.
    """

    def __init__(self, results: Callable[[], RunResults], sender: Resource) -> None:
        self._results = results
        self._sender = sender
        self._began_ns = self._latencies_began_ns = time.time_ns()
        self._exporter = OTLPMetricExporter()
        say_once(OTLPMetricExporter.__module__)
        self._interval_s = _interval_s(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", ""))
        self._failed = False
        self._greenlet = gevent.spawn(self._run)

    each = False

    def ended(self, exchange: Exchange) -> None:
        """Nothing: the results have it."""

    def complete(self, batch: list[Exchange]) -> None:
        """Nothing: the results have them."""

    def later_reply(self, later: LaterReply) -> str | None:
        """Nothing: the results have it."""

    def flush(self) -> None:
        """Nothing: it pushes at its own interval."""

    def reset(self) -> None:
        """The latencies were reset: by the data model a series that falls back has a new start; the counts have not."""
        self._latencies_began_ns = time.time_ns()

    def close(self) -> None:
        """Push a last time, for at most LAST_S; not when the last time failed."""
        self._greenlet.kill()
        if not self._failed:
            last = gevent.spawn(self._push)
            last.join(LAST_S)
            last.kill(block=False)
        self._exporter.shutdown(timeout_millis=100)

    def _run(self) -> None:
        while True:
            gevent.sleep(self._interval_s)
            self._push()

    def _push(self) -> None:
        now_ns = time.time_ns()
        metrics = list(_metrics(self._results(), self._began_ns, self._latencies_began_ns, now_ns))
        scope = ScopeMetrics(InstrumentationScope(*SCOPE), metrics, "")
        data = MetricsData([ResourceMetrics(self._sender, [scope], "")])
        failed = self._exporter.export(data) is not MetricExportResult.SUCCESS
        if failed and not self._failed:
            logger.warning("the collector takes no metrics from us: OTEL_METRICS_EXPORTER=none turns them off")
        self._failed = failed


def start(results: Callable[[], RunResults]) -> Push | None:
    """Push where the environment says; None when it says nowhere."""
    wanted, protocol = by_otlp(os.environ, "METRICS")
    if wanted and protocol != HTTP:
        logger.warning("OTLP by %r is not used inside Locust: no metrics are pushed; set http/protobuf", protocol)
    return Push(results, resource()) if wanted and protocol == HTTP else None


def _interval_s(text: str) -> float:
    try:
        interval_s = float(text or DEFAULT_INTERVAL_MS) / 1000
    except ValueError:
        interval_s = 0
    if 0.001 <= interval_s < math.inf:
        return interval_s
    logger.warning("OTEL_METRIC_EXPORT_INTERVAL %r is no number of milliseconds: %d is used", text, DEFAULT_INTERVAL_MS)
    return DEFAULT_INTERVAL_MS / 1000


def _metrics(results: RunResults, began_ns: int, latencies_began_ns: int, now_ns: int) -> Iterator[Metric]:
    def number(value: float, **attributes: str) -> NumberDataPoint:
        return NumberDataPoint(attributes, began_ns, now_ns, value)

    def histogram(series: LatencySeries, attributes: dict[str, Any]) -> HistogramDataPoint:
        cumulative = [0, *series.cumulative(BOUNDARIES_US), series.count]
        counts = [after - before for before, after in pairwise(cumulative)]
        share()
        low_s, high_s = series.min_ns / 1e9, series.max_ns / 1e9
        return HistogramDataPoint(
            attributes, latencies_began_ns, now_ns, series.count, series.sum_ns / 1e9, counts, BOUNDARIES, low_s, high_s
        )

    names, share = sorted(results.names.items()), HubShare()
    requests = [
        number(entry.books.outcomes[outcome], name=name, outcome=outcome.name.lower())
        for name, entry in names
        for outcome in Outcome
    ]
    yield Metric("locust_kafka.requests", "Ended requests", "{request}", Sum(requests, _CUMULATIVE, True))
    replies = [number(results.total.verdicts[verdict], verdict=verdict.name.lower()) for verdict in Verdict]
    yield Metric("locust_kafka.replies", "Replies read", "{reply}", Sum(replies, _CUMULATIVE, True))
    pending = [number(entry.books.pending, name=name) for name, entry in names]
    yield Metric("locust_kafka.pending", "Requests without an outcome yet", "{request}", Gauge(pending))
    e2e = [histogram(entry.e2e, {"name": name}) for name, entry in names]
    yield Metric("locust_kafka.e2e.duration", "What a customer waits", "s", Histogram(e2e, _CUMULATIVE))
    common = {c.SYSTEM: "kafka", c.OPERATION_NAME: "send"}
    sends = [histogram(entry.send, {**common, "name": name}) for name, entry in names]
    yield Metric("messaging.client.operation.duration", "produce() to the ack", "s", Histogram(sends, _CUMULATIVE))
