"""Judges a run by what lies on both topics and in the exchange log, without the product's own code."""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

APPENDED_BEFORE_DEADLINE_MS = 1_000
"""A reply that lay on its topic for so long before the deadline should have been received."""
LAST_MS = 200
"""What is appended in the last moments of a run may stay unread."""
READ_S = 60
NORMAL_MS = 250
"""An exchange that took so much longer than the median before the fault was disturbed by it."""


class Record(NamedTuple):
    """What the oracle has read: where it lies, whose it is (its traceparent's trace id), when it was appended."""

    partition: int
    offset: int
    trace_id: str
    append_ms: int


@dataclass
class Proof:
    """What the topics and the log prove.

    Attributes:
        findings: what is wrong, in sentences; empty for a good run.
        recovered_s: from the fault's begin until the last disturbed exchange had ended.
        unanswered: requests on their topic without any reply.
        longest_gap_s: the longest time in which no reply was received.
    """

    findings: list[str] = field(default_factory=list)
    recovered_s: float = 0.0
    unanswered: int = 0
    longest_gap_s: float = 0.0


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of an exchange log."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Every record from the beginning to the present end; those of aborted transactions are not there."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "oracle", "isolation.level": "read_committed",
        "enable.partition.eof": True, "fetch.message.max.bytes": 10_000_000, "log_level": 0,
    })  # fmt: skip
    try:
        numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
        open_ones, found = set(numbers), []
        deadline = time.monotonic() + READ_S
        while open_ones:
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end in {READ_S} s"
            for message in consumer.consume(1000, 0.2):
                error = message.error()
                if error is None:
                    found.append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_ones.discard(message.partition())
        return found
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    headers = dict(message.headers() or [])
    parts = (headers.get("traceparent") or b"---").decode("ascii", "replace").split("-")
    return Record(message.partition(), message.offset(), parts[1], message.timestamp()[1])


def prove(
    log: list[dict[str, str]], requests: list[Record], replies: list[Record], summary: Mapping[str, Any], *,
    timeout_s: float, fault_ms: float,
) -> Proof:  # fmt: skip
    """Compare the three.

    Args:
        log: the rows of all processes' exchange logs.
        requests: what lies on the request topic.
        replies: what lies on the reply topic.
        summary: the run's own.
        timeout_s: the reply timeout.
        fault_ms: when the fault began, on the wall clock.
    """
    proof = Proof()
    ended = {row["trace_id"]: row for row in log if row["outcome"]}
    _compare_with_summary(proof, log, ended, summary)
    _compare_requests(proof, ended, requests)
    _compare_replies(proof, log, ended, replies)
    _find_invented_timeouts(proof, ended, replies, timeout_s)
    proof.unanswered = len({record.trace_id for record in requests} - {record.trace_id for record in replies})
    proof.recovered_s, proof.longest_gap_s = _recovery(ended.values(), fault_ms)
    return proof


def _compare_with_summary(
    proof: Proof, log: list[dict[str, str]], ended: dict[str, dict[str, str]], summary: Mapping[str, Any]
) -> None:
    outcomes = Counter(row["outcome"].lower() for row in ended.values())
    verdicts = Counter(row["verdict"].lower() for row in log if row["verdict"])
    if sum(1 for row in log if row["outcome"]) != len(ended):
        proof.findings.append("an exchange ended twice in the log")
    for name, count in outcomes.items():
        if summary["requests"][name] != count:
            proof.findings.append(f"the summary says {summary['requests'][name]} {name}, the log {count}")
    if summary["requests"]["registered"] != len(ended):
        proof.findings.append(f"{summary['requests']['registered']} registered, {len(ended)} in the log")
    for name in ("match", "late", "duplicate", "unexpected"):
        if summary["replies"][name] != verdicts[name]:
            proof.findings.append(f"the summary says {summary['replies'][name]} {name}, the log {verdicts[name]}")


def _compare_requests(proof: Proof, ended: dict[str, dict[str, str]], requests: list[Record]) -> None:
    found = Counter(record.trace_id for record in requests)
    for what, ids in (
        ("requests lie twice on their topic", [one for one, times in found.items() if times > 1]),
        ("requests on the topic are in no log", [one for one in found if one not in ended]),
        ("acknowledged or answered requests are not on the topic", [
            one for one, row in ended.items() if (row["acked_ns"] or row["received_ns"]) and one not in found
        ]),
    ):  # fmt: skip
        if ids:
            proof.findings.append(f"{len(ids)} {what}, such as {ids[0]}")


def _compare_replies(
    proof: Proof, log: list[dict[str, str]], ended: dict[str, dict[str, str]], replies: list[Record]
) -> None:
    """Each reply on the topic was judged once, and nothing else was."""
    judged = Counter(
        (int(row["reply_partition"]), int(row["reply_offset"]), row["trace_id"]) for row in log if row["reply_offset"]
    )
    lying = {(r.partition, r.offset, r.trace_id): r for r in replies if r.trace_id in ended}
    last_ms = max((int(row["received_ns"]) // 1_000_000 for row in log if row["received_ns"]), default=0)
    lost = [r for place, r in lying.items() if place not in judged and r.append_ms < last_ms - LAST_MS]
    invented = [place for place, times in judged.items() if place not in lying or times > 1]
    if lost:
        proof.findings.append(f"{len(lost)} replies on the topic were not judged, such as {lost[0]}")
    if invented:
        proof.findings.append(f"{len(invented)} judged replies are not on the topic, or twice, such as {invented[0]}")
    matches = Counter(row["trace_id"] for row in log if row["verdict"] == "MATCH")
    if any(times > 1 for times in matches.values()):
        proof.findings.append("a request was matched twice")
    firsts = Counter(row["trace_id"] for row in log if row["verdict"] in ("MATCH", "LATE", "UNEXPECTED"))
    odd = [row["trace_id"] for row in log if row["verdict"] == "DUPLICATE" and not firsts[row["trace_id"]]]
    if odd:
        proof.findings.append(f"{len(odd)} duplicates of requests that have no first reply, such as {odd[0]}")


def _find_invented_timeouts(
    proof: Proof, ended: dict[str, dict[str, str]], replies: list[Record], timeout_s: float
) -> None:
    first: defaultdict[str, int] = defaultdict(lambda: 1 << 62)
    for record in replies:
        first[record.trace_id] = min(first[record.trace_id], record.append_ms)
    invented = [
        one for one, row in ended.items()
        if row["outcome"] == "TIMED_OUT"
        and first[one] < int(row["intended_ns"]) / 1e6 + timeout_s * 1e3 - APPENDED_BEFORE_DEADLINE_MS
    ]  # fmt: skip
    if invented:
        proof.findings.append(f"{len(invented)} timeouts whose reply had long been appended, such as {invented[0]}")


def _recovery(rows: Iterable[Mapping[str, str]], fault_ms: float) -> tuple[float, float]:
    """From the fault until the last disturbed exchange had ended, and the longest time without a reply (s)."""
    sent_failed, matched = [], []
    for row in rows:
        intended_ms = int(row["intended_ns"]) / 1e6
        if row["outcome"] == "MATCHED":
            received_ms = int(row["received_ns"]) / 1e6
            matched.append((received_ms, received_ms - intended_ms))
        else:
            sent_failed.append(intended_ms)
    matched.sort()
    before = sorted(latency for received, latency in matched if received < fault_ms)
    normal_ms = before[len(before) // 2] + NORMAL_MS if before else NORMAL_MS
    slow = [received for received, latency in matched if received >= fault_ms and latency > normal_ms]
    times = [received for received, _latency in matched]
    gap_ms = max((after - one for one, after in pairwise(times)), default=0.0)
    return max(0.0, (max([*slow, *sent_failed, fault_ms]) - fault_ms) / 1e3), gap_ms / 1e3
