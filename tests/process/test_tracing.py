"""Every exchange's trace, fetched from a real Jaeger."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jaeger.server import Jaeger, Trace
from tests.support import Waiter, assert_well_behaved, create_topics, locust, read_summary

TRACED = "tests/process/locustfiles/traced.py"
COMMON = ["--headless", "--only-summary", "-u", "5", "-r", "5", "--kafka-reply-timeout", "1", "--kafka-settle", "2"]
ALL = ["--kafka-trace-rate", "1000", "--kafka-trace-keep", "1000"]
ROUNDING_US = 1  # Jaeger shows start and duration, each cut to whole microseconds
Rows = dict[str, list[tuple[str, str]]]


def read_log(path: Path) -> Rows:
    """Trace id → (outcome, verdict) of each of its rows."""
    rows: Rows = {}
    for row in csv.DictReader(path.read_text().splitlines()):
        rows.setdefault(row["trace_id"], []).append((row["outcome"], row["verdict"]))
    return rows


def run(
    broker: str, topics: tuple[str, str], tmp_path: Path, options: list[str], environment: dict[str, str]
) -> tuple[Rows, str]:
    log = tmp_path / "x.csv"
    options = [
        *COMMON,
        "-t",
        "3s",
        "--kafka-exchange-log",
        str(log),
        "--kafka-summary",
        str(tmp_path / "s.json"),
        *options,
    ]
    with locust(broker, topics, TRACED, *options, **environment) as process:
        process.wait()
    assert_well_behaved(process.output)
    return read_log(log), process.output


def assert_shape(trace: Trace, topics: tuple[str, str], *, replies: int) -> None:
    """Names, services, parents, links and causal order of a trace whose service took part."""
    root = trace["request "]
    send, consume, wait = trace[f"send {topics[0]}"], trace[f"process {topics[0]}"], trace["wait"]
    answers, received = trace.all(f"send {topics[1]}"), trace.all(f"process {topics[1]}")
    assert len(answers) == len(received) == replies, str(trace)
    assert len(trace.spans) == 4 + 2 * replies, str(trace)
    assert root.parent is None
    assert {span.parent for span in (send, consume, *received)} == {root.id}, str(trace)
    assert consume.links == [root.id]
    assert {span.parent for span in (wait, *answers)} == {consume.id}
    assert {span.links[0] for span in received} == {span.id for span in answers}
    assert {span.service for span in (root, send, *received)} == {"locust-kafka"}
    assert {span.service for span in (consume, wait, *answers)} == {"waiter"}
    for span, kind in (
        (root, "client"),
        (send, "producer"),
        (consume, "consumer"),
        *((s, "consumer") for s in received),
    ):
        assert span.tags["span.kind"] == kind
    # The broker has the request before its ack; the service may read it before, too: it began after the send began.
    assert root.start <= send.start <= consume.start <= wait.start <= wait.end
    for answer in answers:
        assert wait.end <= answer.start <= answer.end <= consume.end + ROUNDING_US
    for span in received:
        assert span.start >= min(answer.start for answer in answers)
        assert "log append" in span.events
    assert consume.tags["messaging.consumer.group.name"] == topics[0]
    assert set(send.events) == {"send start", "produce returned", "broker ack", "log append"}
    assert {"log append", "forwarding message to service"} <= set(consume.events)
    for span in (send, consume, *answers, *received):
        assert span.tags["messaging.system"] == "kafka"
        assert span.tags["messaging.destination.partition.id"].isdigit()


def one(rows: Rows, *wanted: tuple[str, str]) -> str:
    """An exchange with just these rows, from the middle of the run."""
    found = [trace_id for trace_id, told in rows.items() if sorted(told) == sorted(wanted)]
    assert found, f"no exchange with {wanted}"
    return found[len(found) // 2]


def test_every_kind_of_exchange_has_its_trace(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, jaeger: Jaeger
) -> None:
    """Matched, duplicate, late, timed out, undelivered: exactly these spans, one root, no warning on one host."""
    create_topics(broker, topics[0] + "-small", **{"max.message.bytes": "1000"})
    waiter.start(
        "--drop", "10%", "--duplicate", "20%", "--late", "15%:1500ms", wait="uniform:5ms-40ms", **jaeger.environment
    )
    environment = {**jaeger.environment, "SMALL_TOPIC": topics[0] + "-small"}
    rows, output = run(
        broker, topics, tmp_path, [*ALL, "--kafka-trace-url", "http://jaeger.test/trace/{trace_id}"], environment
    )

    matched = jaeger.trace(one(rows, ("MATCHED", "MATCH")), 6)
    assert_shape(matched, topics, replies=1)
    root = matched["request wait"]
    for span in matched.all(""):
        assert root.start <= span.start
        # The service hears of its own ack when it likes: only that may outlast the exchange.
        assert span.end <= root.end + ROUNDING_US or span.service == "waiter"
    assert root.tags["locust_kafka.outcome"] == "MATCHED"
    assert {
        f"locust_kafka.leg.{leg}_ms" for leg in ("schedule", "request", "service", "reply", "ack")
    } <= root.tags.keys()
    assert "error" not in root.tags
    assert abs(matched[f"process {topics[1]}"].end - root.end) <= ROUNDING_US
    assert matched.warnings == []

    duplicate = jaeger.trace(one(rows, ("MATCHED", "MATCH"), ("", "DUPLICATE")), 8)
    assert_shape(duplicate, topics, replies=2)
    assert {span.tags["locust_kafka.verdict"] for span in duplicate.all(f"process {topics[1]}")} == {
        "MATCH", "DUPLICATE",
    }  # fmt: skip
    assert duplicate.warnings == []

    late = jaeger.trace(one(rows, ("TIMED_OUT", ""), ("", "LATE")), 6)
    assert_shape(late, topics, replies=1)
    assert late["request "].tags["error.type"] == "timeout"
    assert late["request "].end - late["request "].start == pytest.approx(1_000_000, abs=ROUNDING_US)
    assert late[f"process {topics[1]}"].tags["locust_kafka.verdict"] == "LATE"
    assert late[f"process {topics[1]}"].start > late["request "].end
    assert late[f"process {topics[0]}"].tags["waiter.faults"] == '["late"]'

    lost = jaeger.trace(one(rows, ("TIMED_OUT", "")), 4)
    assert sorted(span.name for span in lost.spans) == sorted(
        ["request wait", f"send {topics[0]}", f"process {topics[0]}", "wait"]
    )
    assert lost["request "].tags["error"] is True
    assert lost.warnings == []

    refused = jaeger.trace(one(rows, ("UNDELIVERED", "")), 2)
    # Sorted by name: a refused send may begin in the same microsecond as its root.
    assert sorted(span.name for span in refused.spans) == ["request refused", f"send {topics[0]}-small"]
    assert refused["send"].tags["error.type"] == refused["request"].tags["error.type"] == "undelivered"
    assert "broker ack" not in refused["send"].events

    assert f"assigned {topics[0]}" in jaeger.operations("waiter")

    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert summary["notes"]["traces kept: sampled"] == summary["requests"]["registered"]
    assert not [note for note in summary["notes"] if "lost" in note or "dropped" in note]
    for example in summary["examples"]:
        assert example["link"] == f"http://jaeger.test/trace/{example['trace_id']}"
        assert example["link"] in output
        assert jaeger.trace(example["trace_id"], 2)
    assert {example["kind"] for example in summary["examples"]} == {
        "slowest", "timed out", "undelivered", "late reply", "duplicate reply",
    }  # fmt: skip


def test_what_was_not_sampled_is_kept_when_it_matters(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, jaeger: Jaeger
) -> None:
    """Nothing sampled: slow, timed-out and twice answered exchanges are told all the same, the rest is not."""
    waiter.start("--drop", "5%", "--duplicate", "10%", wait="uniform:5ms-60ms", **jaeger.environment)
    environment = {**jaeger.environment, "OTEL_TRACES_SAMPLER": "always_off"}
    options = ["--kafka-trace-keep", "1000", "--kafka-trace-slow", "40", "--tags", "wanted"]
    rows, _output = run(broker, topics, tmp_path, options, environment)
    summary = read_summary(tmp_path / "s.json")
    slow = summary["notes"]["traces kept: slow"]
    assert 0 < slow < summary["requests"]["matched"]
    told = {trace_id: Trace(jaeger._fetch(trace_id)) for trace_id in rows}
    kept = {trace_id: trace for trace_id, trace in told.items() if trace.spans}
    for trace_id, trace in kept.items():
        # The service was told not to record: its half comes from what it says of itself, and nothing hangs in the air.
        assert {span.service for span in trace.spans} == {"locust-kafka"}
        ids = {span.id for span in trace.spans}
        assert all(span.parent in ids for span in trace.spans if span.parent is not None), str(trace)
        assert not any(span.links for span in trace.spans)
        assert trace.warnings == []
        reasons = {"MATCHED": {"SLOW", "DUPLICATE"}, "TIMED_OUT": {"TIMED_OUT"}}
        assert trace["request "].tags["locust_kafka.kept"] in reasons[rows[trace_id][0][0]]
        for span in trace.all(f"process {topics[1]}"):
            assert span.events["service: wait"][1]["server_timing.dur_ms"] > 0
    by_outcome = [trace["request "].tags["locust_kafka.kept"] for trace in kept.values()]
    assert by_outcome.count("SLOW") == slow
    assert by_outcome.count("TIMED_OUT") == summary["requests"]["timed_out"] > 0
    twice = [trace for trace_id, trace in kept.items() if ("", "DUPLICATE") in rows[trace_id]]
    assert len(twice) == summary["replies"]["duplicate"] > 0
    assert len(kept) < len(rows)


def slow_listener(trace: Trace, topics: tuple[str, str]) -> int:
    """µs between the reply's append and its receipt by the tester."""
    received = trace[f"process {topics[1]}"]
    return received.start - received.events["log append"][0]


def slow_service(trace: Trace, _topics: tuple[str, str]) -> int:
    """µs that the service worked on it."""
    return trace["wait"].end - trace["wait"].start


def saturated_queue(trace: Trace, topics: tuple[str, str]) -> int:
    """µs that the request was held back before the queue, and lay in it."""
    held = trace[f"process {topics[0]}"].events["forwarding message to service"][1]["waiter.held_back_ms"]
    return int(1000 * (held + trace["wait"].tags["waiter.queued_ms"]))


CAUSES: list[Callable[[Trace, tuple[str, str]], int]] = [slow_listener, slow_service, saturated_queue]


@pytest.mark.parametrize("cause", CAUSES)
def test_the_trace_alone_tells_who_held_the_reply_back(
    broker: str,
    topics: tuple[str, str],
    waiter: Waiter,
    tmp_path: Path,
    jaeger: Jaeger,
    cause: Callable[[Trace, tuple[str, str]], int],
) -> None:
    """A tester that fetches lazily, a service that works long, a queue that is full: the longest piece is the cause."""
    config = tmp_path / "client.properties"
    # The broker holds the fetch back until so many bytes have gathered, or the time is over.
    lazy = "consumer.fetch.min.bytes=1000000\nconsumer.fetch.wait.max.ms=400\n"
    config.write_text(lazy if cause is slow_listener else "")
    options = {
        slow_listener: ("5ms", []),
        slow_service: ("200ms", []),
        saturated_queue: ("30ms", ["--waiters", "1", "--request-queue", "1"]),
    }
    wait, more = options[cause]
    waiter.start(*more, wait=wait, **jaeger.environment)
    users = ["-u", "12", "-r", "12", "--kafka-reply-timeout", "5", "--tags", "wanted", "--kafka-config", str(config)]
    rows, _output = run(broker, topics, tmp_path, [*ALL, *users], jaeger.environment)
    traces = [jaeger.trace(trace_id, 6) for trace_id, told in rows.items() if told == [("MATCHED", "MATCH")]][12:60]
    verdicts = [max(CAUSES, key=lambda piece: piece(trace, topics)) for trace in traces]
    assert verdicts.count(cause) > 0.8 * len(verdicts) > 5, [str(trace) for trace in traces[:3]]
