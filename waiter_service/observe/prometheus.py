"""`/metrics` for Prometheus and `/healthz` for whatever starts and stops services.

Counters and depths are read at each scrape; only the two histograms cost something for each request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Histogram, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from waiter_service.pipeline.observer import REBALANCE_MS

# OpenTelemetry semantic conventions 1.44, messaging metrics: the advised boundaries, in seconds.
BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_TOTALS = {
    "requests": "Requests read",
    "replies": "Replies acknowledged by the broker",
    "commits": "Partition offsets committed",
    "rebalances": "Assignments received from the group",
}
_FAULT = "fault: "


class PortTaken(Exception):
    """The port for metrics cannot be listened on; the message is for the user."""


class Timings:
    """Histograms of durations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._process = Histogram(
            "messaging_process_duration_seconds", "From a request's receipt to its last reply's ack",
            ["messaging_system", "messaging_operation_name"], buckets=BOUNDARIES, registry=registry,
        ).labels("kafka", "process")  # fmt: skip
        self._wait = Histogram("waiter_wait_seconds", "Time waited", buckets=BOUNDARIES, registry=registry)

    def record_processed(self, nanoseconds: int) -> None:
        """Record the time from a request's receipt to the end of its processing."""
        self._process.observe(nanoseconds / 1e9)

    def record_wait(self, nanoseconds: int) -> None:
        """Record the time that a request was held on purpose."""
        self._wait.observe(nanoseconds / 1e9)


class Bounded(Protocol):
    """What holds a limited number of items."""

    capacity: int
    blocked_ns: int

    @property
    def depth(self) -> int:
        """How many items it holds now."""


class Observed(Protocol):
    """What the metrics are read from."""

    @property
    def in_flight(self) -> int:
        """Requests read and not yet answered."""

    @property
    def bounded(self) -> Mapping[str, Bounded]:
        """Queues and the timer, by the value of the label `queue`."""

    def snapshot(self) -> dict[str, int]:
        """All counters that are not zero, by name."""


class Collector:
    """A Prometheus collector over what the service counts anyway."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry asks for this once, before anything is counted."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read everything."""
        observed = self._observed
        counts = observed.snapshot()
        for name, words in _TOTALS.items():
            yield CounterMetricFamily(f"waiter_{name}", words, value=counts.pop(name, 0))
        yield CounterMetricFamily(
            "waiter_rebalance_seconds", "Time from joining, or from giving partitions back, to the next assignment",
            value=counts.pop(REBALANCE_MS, 0) / 1000,
        )  # fmt: skip
        faults = CounterMetricFamily("waiter_faults", "Faults injected on purpose", labels=["fault"])
        events = CounterMetricFamily("waiter_events", "Anomalies, errors and pauses, by kind", labels=["event"])
        for name, count in counts.items():
            if name.startswith(_FAULT):
                faults.add_metric([name.removeprefix(_FAULT)], count)
            else:
                events.add_metric([name], count)
        yield faults
        yield events
        depth = GaugeMetricFamily("waiter_queue_depth", "Items in the queue now", labels=["queue"])
        capacity = GaugeMetricFamily("waiter_queue_capacity", "Items it can hold", labels=["queue"])
        held = CounterMetricFamily("waiter_held_back_seconds", "Time the stage before had to wait", labels=["queue"])
        for name, items in observed.bounded.items():
            depth.add_metric([name], items.depth)
            capacity.add_metric([name], items.capacity)
            held.add_metric([name], items.blocked_ns / 1e9)
        yield from (depth, capacity, held)
        yield GaugeMetricFamily("waiter_in_flight", "Requests read and not yet answered", value=observed.in_flight)


class Endpoint:
    """The HTTP server, in a thread of its own.

    Args:
        port: where it listens, on all addresses; 0 picks a free one.
        registry: what `/metrics` shows.
        health: returns whether the service works, and a word about it.

    Raises:
        PortTaken: the port cannot be listened on.
    """

    def __init__(self, port: int, registry: CollectorRegistry, health: Callable[[], tuple[bool, str]]) -> None:
        metrics = make_wsgi_app(registry)

        def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/metrics":
                return metrics(environ, start_response)  # type: ignore[no-any-return] # prometheus_client's WSGI app
            found = environ["PATH_INFO"] == "/healthz"
            well, word = health() if found else (False, "try /metrics or /healthz")
            status = "200 OK" if well else "503 Service Unavailable" if found else "404 Not Found"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [word.encode() + b"\n"]

        try:
            self._server = make_server("", port, application, _Server, _Quiet)
        except OSError as error:
            raise PortTaken(
                f"metrics cannot be served on port {port}: {error}; choose another with --metrics-port"
            ) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    """One thread for each connection: a silent one must delay neither the others nor the end of the service."""

    daemon_threads = True
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    timeout = 10  # seconds that a connection may be silent

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there is a scrape every few seconds."""
