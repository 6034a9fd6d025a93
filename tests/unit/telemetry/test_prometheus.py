"""What /metrics says: the figures of the results, in Prometheus' own format."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable
from socketserver import BaseServer
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults
from locust_kafka.errors import SettingsError
from locust_kafka.telemetry import prometheus
from locust_kafka.telemetry.prometheus import BOUNDARIES, ResultsCollector, buckets, serve
from tests.unit.runs import PLANS, Planned, results_of

LATENCIES = st.lists(st.integers(0, 20_000_000_000), max_size=40)
Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause between two names is for users, of whom there are none here."""
    monkeypatch.setattr(prometheus, "YIELD_S", 0)


def scraped(results: Callable[[], RunResults | None]) -> Samples:
    """All samples by metric, as a Prometheus server reads them."""
    registry = CollectorRegistry()
    registry.register(ResultsCollector(results))
    found: Samples = defaultdict(dict)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in found[sample.name], "a series is there once"
            found[sample.name][labels] = sample.value
    return found


def of(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


@given(PLANS)
def test_the_counts_are_those_of_the_results(plans: list[Planned]) -> None:
    """Each outcome and each verdict of each name, what is pending, and all replies read, whoever they belong to."""
    results = results_of(plans)
    results.name("pending").books.registered += 3
    results.total.verdicts[Verdict.FOREIGN] += 5
    samples = scraped(lambda: results)
    for name, entry in results.names.items():
        for outcome in Outcome:
            labels = of(name=name, outcome=outcome.name.lower())
            assert samples["locust_kafka_requests_total"][labels] == entry.books.outcomes[outcome]
        for verdict in Verdict:
            labels = of(name=name, verdict=verdict.name.lower())
            assert samples["locust_kafka_replies_total"][labels] == entry.books.verdicts[verdict]
        assert samples["locust_kafka_pending"][of(name=name)] == entry.books.pending
        for metric, series, labels in (
            ("locust_kafka_e2e_duration_seconds", entry.e2e, of(name=name)),
            ("messaging_client_operation_duration_seconds", entry.send,
             of(name=name, messaging_system="kafka", messaging_operation_name="send")),
        ):  # fmt: skip
            assert samples[f"{metric}_count"][labels] == series.count
            assert samples[f"{metric}_sum"][labels] == pytest.approx(series.sum_ns / 1e9)
    assert len(samples["locust_kafka_requests_total"]) == len(Outcome) * len(results.names)
    for verdict in Verdict:
        read = samples["locust_kafka_replies_read_total"][of(verdict=verdict.name.lower())]
        assert read == results.total.verdicts[verdict]


@given(LATENCIES)
def test_buckets_are_cumulative(latencies: list[int]) -> None:
    """Each bucket has what is at most so long, to a bucket's three digits; they rise, and the last has all."""
    series = LatencySeries()
    series.extend(latencies)
    found = buckets(series)
    assert [label for label, _count in found] == [*map(str, BOUNDARIES), "+Inf"]
    counts = [count for _label, count in found]
    assert counts == sorted(counts)
    assert counts[-1] == len(latencies)
    for boundary, count in zip(BOUNDARIES, counts, strict=False):
        assert count >= sum(ns <= boundary * 1e9 for ns in latencies)
        assert count <= sum(ns <= boundary * 1e9 * 1.001 + 1000 for ns in latencies)


def test_before_the_first_run_there_is_nothing_and_no_error() -> None:
    """A scrape before a run finds the replies read at 0, and no name."""
    samples = scraped(lambda: None)
    assert set(samples["locust_kafka_replies_read_total"].values()) == {0}
    assert samples.keys() == {"locust_kafka_replies_read_total"}


@given(st.text(max_size=12))
def test_any_name_is_a_label(name: str) -> None:
    """Quotes, backslashes and line ends in a request's name break no line."""
    results = RunResults()
    results.name(name).books.registered = 2
    assert scraped(lambda: results)["locust_kafka_pending"] == {of(name=name): 2}


def test_a_name_that_comes_meanwhile_breaks_no_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the collector lets users go on, names may be added: the scrape has those that were there."""
    results = RunResults()
    for name in ("a", "b"):
        results.name(name)
    monkeypatch.setattr(prometheus.gevent, "sleep", lambda _s: results.name(f"new{len(results.names)}"))
    assert {dict(labels)["name"] for labels in scraped(lambda: results)["locust_kafka_pending"]} == {"a", "b"}


def test_it_is_served_and_a_taken_port_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """/metrics answers over HTTP; a second server on the port is refused by the flag, the port and the reason."""
    monkeypatch.setattr(BaseServer.serve_forever, "__defaults__", (0.01,))  # how often it looks for its end
    results = RunResults()
    results.name("n").books.registered = 7
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = serve(port, lambda: results)
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            assert b'locust_kafka_pending{name="n"} 7.0' in answer.read()
        with pytest.raises(SettingsError, match=f"--kafka-metrics-port {port}: nothing can listen there"):
            serve(port, lambda: results)
    finally:
        server.shutdown()
        server.server_close()
