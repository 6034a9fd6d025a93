"""What the doctor judges, from plain facts: each limit from both sides, and the laws that all findings keep."""

from __future__ import annotations

import argparse
import json
import math
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.cli.doctor import ask_machine, examine
from locust_kafka.cli.doctor.arguments import add_arguments, read_settings
from locust_kafka.cli.doctor.facts import (
    ClusterFacts,
    CpuTimes,
    EndpointFacts,
    GroupFacts,
    MachineFacts,
    Plan,
    ReadFacts,
    Stamp,
    TopicFacts,
    Unreached,
    Version,
)
from locust_kafka.cli.doctor.findings import Finding, Level, exit_code, split_sentence, worst
from locust_kafka.cli.doctor.judge_cluster import judge_cluster, judge_permissions, judge_settings, judge_versions
from locust_kafka.cli.doctor.judge_group import judge_group
from locust_kafka.cli.doctor.judge_machine import judge_machine, judge_telemetry, shares
from locust_kafka.cli.doctor.judge_topics import judge_topics
from locust_kafka.cli.doctor.report import to_json, to_text
from locust_kafka.core.group import EMPTY, STABLE, GroupSample
from locust_kafka.errors import SettingsError
from locust_kafka.kafka import pool
from locust_kafka.kafka.causes import BrokerError, PartitionState

PLAN = Plan("kafka:9092", "--kafka-bootstrap", "requests", "replies")
SETTINGS = {
    "message.timestamp.type": "LogAppendTime", "min.insync.replicas": "2", "cleanup.policy": "delete",
    "max.message.bytes": "1048588", "retention.ms": "604800000", "retention.bytes": "-1",
}  # fmt: skip
DENIED = BrokerError("TOPIC_AUTHORIZATION_FAILED", "Broker: Topic authorization failed")
SOLID = tuple(PartitionState(number, 1, 3, 3) for number in range(4))


def topic(name: str, **changes: Any) -> TopicFacts:
    whole = TopicFacts(
        name, partitions=SOLID, settings=SETTINGS, operations=frozenset({"READ", "WRITE", "DESCRIBE"})
    )  # fmt: skip
    return replace(whole, **changes)


def cluster(request: TopicFacts | None = None, reply: TopicFacts | None = None, **changes: Any) -> ClusterFacts:
    topics = {"requests": request or topic("requests"), "replies": reply or topic("replies")}
    whole = ClusterFacts(
        None, "id-1", 3, 18, topics, ReadFacts(last=Stamp(100_000, 100_000.4, by_broker=True, live=True)), True
    )  # fmt: skip
    return replace(whole, **changes)


MACHINE = MachineFacts(4.0, 0.1, 0.0, 1.0, 10_000, math.inf)


def everything(plan: Plan, seen: ClusterFacts, machine: MachineFacts = MACHINE) -> list[Finding]:
    return [
        *judge_settings(plan), *judge_cluster(plan, seen), *judge_topics(plan, seen), *judge_permissions(plan, seen),
        *judge_machine(plan, seen, machine),
    ]  # fmt: skip


def levels(findings: list[Finding], pattern: str) -> list[Level]:
    """The levels of the findings whose words match."""
    return [one.level for one in findings if re.search(pattern, f"{one.subject}: {one.words}")]


def requests_with(**settings: str) -> list[Finding]:
    return list(judge_topics(PLAN, cluster(topic("requests", settings={**SETTINGS, **settings}))))


def replies_with(**settings: str) -> list[Finding]:
    return list(judge_topics(PLAN, cluster(reply=topic("replies", settings={**SETTINGS, **settings}))))


STATES = st.builds(PartitionState, st.integers(0, 30), st.integers(-1, 3), st.integers(1, 3), st.integers(0, 3))
ERRORS = st.none() | st.builds(
    BrokerError, st.sampled_from(["TOPIC_AUTHORIZATION_FAILED", "_TIMED_OUT", "ODD"]), st.text()
)
NUMBERS = st.sampled_from(["-1", "0", "1", "2", "999999", "1000000", "odd", ""])
CONFIGS = st.none() | st.fixed_dictionaries({}, optional={
    "message.timestamp.type": st.sampled_from(["CreateTime", "LogAppendTime"]),
    "cleanup.policy": st.sampled_from(["delete", "compact", "compact,delete", ""]),
    "min.insync.replicas": NUMBERS, "max.message.bytes": NUMBERS, "retention.ms": NUMBERS, "retention.bytes": NUMBERS,
})  # fmt: skip
OPERATIONS = st.none() | st.frozensets(st.sampled_from(["READ", "WRITE", "DESCRIBE", "ALL"]), min_size=1)


def topics_called(name: str) -> st.SearchStrategy[TopicFacts]:
    return st.builds(
        TopicFacts, st.just(name), st.booleans(), ERRORS, st.just(("requests-2", "other")),
        st.lists(STATES, max_size=5).map(tuple), CONFIGS, ERRORS, OPERATIONS,
    )  # fmt: skip


STAMPS = st.builds(Stamp, st.integers(0, 10**13), st.floats(0, 1e13), st.booleans(), st.booleans())
UNREACHED = st.none() | st.builds(Unreached, st.lists(ERRORS.filter(bool), max_size=3).map(tuple), st.floats(0, 9))
CLUSTERS = st.builds(
    ClusterFacts,
    UNREACHED,
    st.text(), st.integers(0, 9), st.none() | st.integers(0, 30),
    st.fixed_dictionaries({"requests": topics_called("requests"), "replies": topics_called("replies")}),
    st.none() | st.builds(ReadFacts, ERRORS, UNREACHED, st.none() | st.integers(0, 9), st.none() | STAMPS),
    st.none() | st.booleans() | ERRORS,
)  # fmt: skip
PLANS = st.builds(
    Plan, st.just("kafka:9092"), st.sampled_from(["the default", "--kafka-bootstrap"]), st.just("requests"),
    st.sampled_from(["requests", "replies"]), st.floats(0.001, 3600), st.none() | st.floats(0, 1e6),
    st.none() | st.integers(1, 10**7), st.integers(1, 10**4), st.sampled_from(["", "SASL_SSL"]),
    st.integers(1, 10**9), st.sampled_from(["all", "0", "1"]), st.sampled_from(["", "acks=1"]),
)  # fmt: skip
SHARES = st.none() | st.floats(0, 1)
LIMITS = st.floats(0, 1e6) | st.just(math.inf)
MACHINES = st.builds(MachineFacts, st.floats(0.1, 256), SHARES, SHARES, st.floats(0, 9), LIMITS, LIMITS)
ENDPOINTS = st.builds(
    EndpointFacts, st.sampled_from(["traces", "metrics"]), st.sampled_from(["grpc", "http/protobuf"]), st.text(),
    st.none() | st.integers(100, 599), st.sampled_from(["", "Connection refused"]),
)  # fmt: skip
FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(["a", "b"]), st.sampled_from(Level), st.text(), st.text(), st.text())
)


@given(PLANS, CLUSTERS, MACHINES, st.lists(ENDPOINTS, max_size=2))
def test_whatever_is_wrong_has_a_remedy(
    plan: Plan, seen: ClusterFacts, machine: MachineFacts, endpoints: list[EndpointFacts]
) -> None:
    """For any facts: no judge fails, each finding has words, and each warning and problem says what to do."""
    for one in [*everything(plan, seen, machine), *judge_telemetry(endpoints)]:
        assert one.words.strip(), one
        assert one.remedy.strip() or one.level < Level.WARNING, one


def test_a_healthy_cluster_has_nothing_to_mend() -> None:
    """A cluster and a machine in order: all is ok."""
    assert {one.level for one in everything(PLAN, cluster())} == {Level.OK}


@given(FINDINGS, st.booleans())
def test_the_exit_code_follows_the_worst_level(findings: list[Finding], strict: bool) -> None:
    """3 for a problem, else 1 for a warning that counts, else 0."""
    found = {one.level for one in findings}
    expected = 3 if Level.PROBLEM in found else int(strict and Level.WARNING in found)
    assert exit_code(findings, strict=strict) == expected
    assert worst(findings) == max(found, default=Level.OK)


@given(FINDINGS)
def test_the_json_holds_every_finding(findings: list[Finding]) -> None:
    """Each finding comes back from the JSON in order, with its five texts; whatever they hold, it is ASCII."""
    text = to_json(findings, ok=True)
    assert text.isascii()
    read = json.loads(text)
    assert read["ok"] is True
    assert [Finding(each["area"], Level[each["level"].upper()], each["subject"], each["words"], each["remedy"])
            for each in read["findings"]] == findings  # fmt: skip


def test_what_is_to_be_mended_stands_last_the_worst_first() -> None:
    """Below the verdict: the problem, then the warning, each with its remedy; notes are not repeated."""
    text = to_text([
        Finding("a", Level.WARNING, "one", "is slow", "hurry"), Finding("b", Level.PROBLEM, "two", "is gone", "find it"),
        Finding("b", Level.NOTE, "three", "is odd"),
    ])  # fmt: skip
    last = text.splitlines()[-5:]
    assert last[0] == "A run cannot begin, or cannot succeed: 1 problem, 1 warning"
    assert last[1:] == ["  1. problem: two: is gone", "     -> find it", "  2. warning: one: is slow", "     -> hurry"]


@pytest.mark.parametrize(
    ("sentence", "words", "remedy"),
    [
        ('no broker ("a:1: refused: x"): start one: now', 'no broker ("a:1: refused: x")', "start one: now"),
        ("topic 'x' does not exist on a:1: create it first", "topic 'x' does not exist on a:1", "create it first"),
        ("nothing is known", "nothing is known", "look at the broker's log"),
    ],
)
def test_a_cause_is_split_behind_its_quotation(sentence: str, words: str, remedy: str) -> None:
    """What librdkafka said may hold colons: the remedy begins behind the quotation."""
    assert split_sentence(sentence) == (words, remedy)


def test_a_missing_topic_is_a_problem_with_a_guess() -> None:
    """The name that was probably meant is asked for; a topic that may not be seen needs DESCRIBE."""
    missing = TopicFacts("requests", missing=True, existing=("request", "other"))
    (found,) = [one for one in judge_topics(PLAN, cluster(missing)) if one.subject == "requests"]
    assert (found.level, found.remedy) == (Level.PROBLEM, "did you mean 'request'?")
    hidden = TopicFacts("requests", error=DENIED)
    (found,) = [one for one in judge_topics(PLAN, cluster(hidden)) if one.subject == "requests"]
    assert found.level is Level.PROBLEM
    assert "DESCRIBE" in found.remedy


@pytest.mark.parametrize(("kind", "level"), [("LogAppendTime", Level.OK), ("CreateTime", Level.WARNING)])
def test_who_stamps_records(kind: str, level: Level) -> None:
    """CreateTime is a warning that names the legs it costs: two of three for each topic."""
    change = {"message.timestamp.type": kind}
    assert levels(requests_with(**change), "^requests: message.timestamp.type") == [level]
    assert levels(replies_with(**change), "^replies: message.timestamp.type") == [level]
    if level is Level.WARNING:
        assert levels(requests_with(**change), "legs request and service") == [level]
        assert levels(replies_with(**change), "legs service and reply") == [level]


@pytest.mark.parametrize(
    ("in_sync", "least", "acks", "requests", "replies"),
    [
        (3, "2", "all", Level.OK, Level.OK),
        (2, "2", "all", Level.WARNING, Level.WARNING),  # one behind, and still enough
        (1, "2", "all", Level.PROBLEM, Level.WARNING),
        (1, "2", "1", Level.NOTE, Level.WARNING),
        (3, "3", "all", Level.NOTE, Level.NOTE),  # enough, until the next broker goes
        (3, "4", "all", Level.PROBLEM, Level.WARNING),
    ],
)
def test_replicas_against_min_insync_replicas(
    in_sync: int, least: str, acks: str, requests: Level, replies: Level
) -> None:
    """Too few for acks=all: the tester's requests are refused; of the service's acks nothing is known."""
    partitions = (*SOLID[:3], PartitionState(3, 1, 3, in_sync))
    settings = {**SETTINGS, "min.insync.replicas": least}
    seen = cluster(*(topic(name, partitions=partitions, settings=settings) for name in ("requests", "replies")))
    found = list(judge_topics(replace(PLAN, acks=acks), seen))
    assert worst(one for one in found if one.subject == "requests") == requests
    assert worst(one for one in found if one.subject == "replies") == replies


def test_a_partition_without_leader_is_a_problem() -> None:
    """It is named by its number."""
    partitions = (*SOLID[:3], PartitionState(3, -1, 3, 3))
    found = list(judge_topics(PLAN, cluster(topic("requests", partitions=partitions))))
    assert levels(found, r"1 partition \(3\) without leader") == [Level.PROBLEM]


def test_one_replica_on_several_brokers_is_noted() -> None:
    """On the only broker there is it is all that there can be."""
    alone = topic(
        "requests", partitions=(PartitionState(0, 1, 1, 1),) * 2, settings=SETTINGS | {"min.insync.replicas": "1"}
    )
    for brokers, level in ((1, Level.OK), (3, Level.NOTE)):
        found = list(judge_topics(PLAN, cluster(alone, brokers=brokers)))
        assert levels(found, "^requests: 1 replica,") == [level]


@pytest.mark.parametrize(
    ("partitions", "users", "rate", "level"),
    [(1, None, None, Level.NOTE), (2, None, None, Level.OK), (4, 4, None, Level.OK), (4, 3, None, Level.NOTE), (4, 3, 9.0, Level.OK)],
)  # fmt: skip
def test_request_partitions_against_users(partitions: int, users: int | None, rate: float | None, level: Level) -> None:
    """One partition lets one member work; fewer users than partitions leave some idle in the closed model."""
    plan = replace(PLAN, users=users, peak_rate=rate)
    found = list(judge_topics(plan, cluster(topic("requests", partitions=SOLID[:partitions]))))
    assert levels(found, r"^requests: \d+ partitions?\b(?! \()") == [level]


@pytest.mark.parametrize(
    ("workers", "level"), [(4, Level.OK), (5, Level.NOTE), (500, Level.NOTE), (501, Level.WARNING)]
)
def test_workers_want_as_many_reply_partitions(workers: int, level: Level) -> None:
    """How often a reply leaves the cluster is said, four partitions serve four workers, and 2000 readers are the limit."""
    found = list(judge_topics(replace(PLAN, workers=workers), cluster()))
    assert levels(found, f"leaves the cluster {workers} times") == [level]
    assert len(levels(found, "each reads its own")) == (workers <= 4)


@pytest.mark.parametrize(("policy", "request_level", "reply_level"), [
    ("delete", [], []), ("compact", [Level.WARNING], [Level.NOTE]), ("compact,delete", [Level.WARNING], [Level.NOTE]),
])  # fmt: skip
def test_compaction(policy: str, request_level: list[Level], reply_level: list[Level]) -> None:
    """A compacted request topic may lose requests."""
    change = {"cleanup.policy": policy}
    assert levels(requests_with(**change), "^requests: cleanup.policy") == request_level
    assert levels(replies_with(**change), "^replies: cleanup.policy") == reply_level


@pytest.mark.parametrize(("limit", "level"), [("1000000", Level.OK), ("999999", Level.WARNING)])
def test_the_largest_request(limit: str, level: Level) -> None:
    """A topic that takes less than the producer is a warning; the reply topic is not ours to fill."""
    assert levels(requests_with(**{"max.message.bytes": limit}), "max.message.bytes") == [level]
    assert levels(replies_with(**{"max.message.bytes": limit}), "^replies: max.message.bytes") == []


@pytest.mark.parametrize(
    ("kept_ms", "kept_bytes", "level"),
    [("70000", "-1", Level.OK), ("69999", "-1", Level.WARNING), ("-1", "-1", Level.NOTE), ("70000", "0", Level.NOTE)],
)
def test_retention_against_the_reply_timeout(kept_ms: str, kept_bytes: str, level: Level) -> None:
    """Records must outlast the reply timeout of 10 s and the minute in which late replies are known."""
    change = {"retention.ms": kept_ms, "retention.bytes": kept_bytes}
    assert levels(requests_with(**change), "^requests: (records|retention)") == [level]
    assert levels(replies_with(**change), "^replies: (records|retention)") == [level]


def test_settings_that_were_not_told() -> None:
    """They are a note; who stamps replies shows in the latest of them."""
    hidden = topic("replies", settings=None, settings_error=DENIED)
    seen = cluster(reply=hidden, read=ReadFacts(last=Stamp(1, 1, by_broker=False, live=True)))
    found = list(judge_topics(PLAN, seen))
    assert levels(found, r"^replies: its settings are not known \(.*authorization failed") == [Level.NOTE]
    assert levels(found, "^replies: message.timestamp.type CreateTime") == [Level.WARNING]
    assert levels(found, "^replies: records are kept") == []


@pytest.mark.parametrize(
    ("operations", "level", "said"),
    [
        (frozenset({"WRITE"}), Level.OK, "allowed, as the broker says"),
        (frozenset({"ALL"}), Level.OK, "allowed, as the broker says"),
        (frozenset({"DESCRIBE", "READ"}), Level.PROBLEM, "the broker allows DESCRIBE, READ"),
        (None, Level.NOTE, "not known"),
    ],
)
def test_whether_requests_may_be_written(operations: frozenset[str] | None, level: Level, said: str) -> None:
    """As the broker says; when it does not say, that is said, for a trial would write a record."""
    found = list(judge_permissions(PLAN, cluster(topic("requests", operations=operations))))
    assert levels(found, f"^WRITE requests: .*{said}") == [level]


@pytest.mark.parametrize(
    ("read", "level", "said"),
    [
        (ReadFacts(), Level.OK, "up to its end"),
        (ReadFacts(DENIED), Level.PROBLEM, "not allowed to read replies"),
        (ReadFacts(silent=2), Level.PROBLEM, "partition 2"),
        (ReadFacts(unreached=Unreached((), 3.0)), Level.NOTE, "not known"),
        (None, Level.NOTE, "not known"),
    ],
)
def test_whether_replies_may_be_read(read: ReadFacts | None, level: Level, said: str) -> None:
    """What reading brought, and what could not be tried."""
    assert levels(list(judge_permissions(PLAN, cluster(read=read))), f"^READ replies: .*{said}") == [level]


@pytest.mark.parametrize(
    ("got", "because", "level"),
    [
        (True, "", Level.OK), (None, "", Level.NOTE), (None, "acks=1", Level.OK),
        (BrokerError("CLUSTER_AUTHORIZATION_FAILED", "denied"), "", Level.PROBLEM),
    ],
)  # fmt: skip
def test_whether_the_producer_may_be_idempotent(got: bool | BrokerError | None, because: str, level: Level) -> None:
    """An id that was refused is a problem; one that did not come is not known; a plain producer needs none."""
    plan = replace(PLAN, not_idempotent=because)
    assert levels(list(judge_permissions(plan, cluster(producer_id=got))), "^idempotent producer") == [level]


@pytest.mark.parametrize(
    ("stamp", "level", "said"),
    [
        (Stamp(101_000, 100_000, by_broker=True, live=True), Level.OK, "1.000 s ahead"),
        (Stamp(101_001, 100_000, by_broker=True, live=True), Level.WARNING, "1.001 s ahead"),
        (Stamp(98_999, 100_000, by_broker=True, live=True), Level.WARNING, "1.001 s behind"),
        (Stamp(101_000, 100_000, by_broker=True, live=False), Level.OK, "at least 1.000 s ahead"),
        (Stamp(101_001, 100_000, by_broker=True, live=False), Level.WARNING, "at least 1.001 s ahead"),
        (Stamp(40_000, 100_000, by_broker=True, live=False), Level.OK, "at most 60.000 s behind"),
        (Stamp(39_000, 100_000, by_broker=True, live=False), Level.NOTE, "61 s old"),
        (Stamp(100_000, 100_000, by_broker=False, live=True), Level.NOTE, "CreateTime"),
        (None, Level.NOTE, "not known"),
    ],
)
def test_the_brokers_clock(stamp: Stamp | None, level: Level, said: str) -> None:
    """A record that comes just now tells it, an older one bounds it on one side, any other does not tell it."""
    assert levels(list(judge_cluster(PLAN, cluster(read=ReadFacts(last=stamp)))), f"^broker clock: .*{said}") == [level]


@pytest.mark.parametrize(
    ("fetch", "said"),
    [(18, "Apache Kafka 4.1 or newer"), (17, "Apache Kafka 3.9"), (11, "Apache Kafka 2.3"), (99, "4.1"), (3, "not known"), (None, "not known")],
)  # fmt: skip
def test_the_brokers_version(fetch: int | None, said: str) -> None:
    """From the requests that it takes: at least the release that first took them."""
    assert levels(list(judge_cluster(PLAN, cluster(fetch_version=fetch))), f"^broker version: .*{said}")


def test_no_broker_is_a_problem_and_nothing_else_is_guessed() -> None:
    """Its words stand in the sentence; topics and permissions are not judged."""
    refused = BrokerError("_TRANSPORT", "kafka:9092/bootstrap: Connect to ipv4#1.2.3.4:9092 failed: Connection refused")
    seen = ClusterFacts(Unreached((refused,), 5.0))
    (found,) = [*judge_cluster(PLAN, seen), *judge_topics(PLAN, seen), *judge_permissions(PLAN, seen)]
    assert found.level is Level.PROBLEM
    assert "Connection refused" in found.words
    assert found.remedy.startswith("start one")


@pytest.mark.parametrize(("stolen", "level"), [
    (0.01, Level.OK), (0.011, Level.NOTE), (0.05, Level.NOTE), (0.051, Level.WARNING), (None, Level.NOTE),
])  # fmt: skip
def test_stolen_time(stolen: float | None, level: Level) -> None:
    """More than 1 % is noted, more than 5 % is a warning; on a system without /proc it is not known."""
    assert levels(list(judge_machine(PLAN, cluster(), replace(MACHINE, stolen=stolen))), "^CPU steal") == [level]


@pytest.mark.parametrize(("busy", "level"), [(0.5, Level.OK), (0.51, Level.WARNING), (None, Level.NOTE)])
def test_what_else_runs_here(busy: float | None, level: Level) -> None:
    """A machine that is half busy before the test is a warning."""
    assert levels(list(judge_machine(PLAN, cluster(), replace(MACHINE, busy=busy))), "^CPU in use") == [level]


@pytest.mark.parametrize(("cores", "workers", "level"), [
    (4.0, 4, Level.OK), (4.0, 5, Level.WARNING), (0.5, 1, Level.WARNING), (1.0, 1, Level.OK),
])  # fmt: skip
def test_cores_against_workers(cores: float, workers: int, level: Level) -> None:
    """A process uses one core; less than one whole core is never enough."""
    found = list(judge_machine(replace(PLAN, workers=workers), cluster(), replace(MACHINE, cores=cores)))
    assert levels(found, "^cores") == [level]


@pytest.mark.parametrize(
    ("users", "workers", "files", "threads"),
    [(100, 1, 100 * 7 + 64, 100 * 7), (199, 2, 100 * 7 + 64, 100 * 7)],
)
def test_files_and_threads_against_users(users: int, workers: int, files: int, threads: int) -> None:
    """The pool's own reckoning, from both sides: with 3 brokers a producer takes 7 files and 7 threads."""
    plan = replace(PLAN, users=users, workers=workers)
    enough = list(judge_machine(plan, cluster(), replace(MACHINE, open_files=files, threads=threads)))
    short = list(judge_machine(plan, cluster(), replace(MACHINE, open_files=files - 1, threads=threads - 1)))
    for subject in ("^open files", "^threads"):
        assert levels(enough, subject) == [Level.OK]
        assert levels(short, subject) == [Level.WARNING]


@pytest.mark.parametrize(("rate", "workers", "level"), [
    (5000.0, 1, Level.OK), (5001.0, 1, Level.WARNING), (10000.0, 2, Level.OK), (10001.0, 2, Level.WARNING),
])  # fmt: skip
def test_the_rate_of_a_process(rate: float, workers: int, level: Level) -> None:
    """More than 5000 a second for each process is a warning that says how many to take."""
    found = list(judge_machine(replace(PLAN, peak_rate=rate, workers=workers), cluster(), MACHINE))
    assert levels(found, "^rate") == [level]
    assert level is Level.OK or [one.remedy for one in found if one.subject == "rate"] == [
        f"take {workers + 1} workers or more"
    ]


@pytest.mark.parametrize(("users", "level"), [(2000, Level.OK), (1999, Level.NOTE)])
def test_users_against_rate_and_timeout(users: int, level: Level) -> None:
    """At 200 a second with 10 s of patience 2000 users are never all taken."""
    found = list(judge_machine(replace(PLAN, peak_rate=200.0, users=users), cluster(), MACHINE))
    assert levels(found, "^users") == [level]


@pytest.mark.parametrize(
    ("endpoint", "level", "said"),
    [
        (EndpointFacts("traces", "http/protobuf", "http://c:4318/v1/traces", 200), Level.OK, "answers"),
        (EndpointFacts("traces", "http/protobuf", "http://c:4318/v1/traces", 300), Level.WARNING, "status 300"),
        (EndpointFacts("traces", "http/protobuf", "http://c:4318/v1/traces", 401), Level.WARNING, "status 401"),
        (EndpointFacts("traces", "http/protobuf", "http://c:4318", None, "refused"), Level.WARNING, "refused"),
        (EndpointFacts("traces", "grpc", "http://c:4317"), Level.WARNING, "grpc"),
    ],
)
def test_where_traces_go(endpoint: EndpointFacts, level: Level, said: str) -> None:
    """Only an answer of success is ok; a run goes on without a collector, so nothing here is a problem."""
    assert levels(list(judge_telemetry([endpoint])), f"^traces: .*{said}") == [level]


@pytest.mark.parametrize(("found", "level"), [
    ("2.47.0", Level.OK), ("2.46.9", Level.WARNING), ("2.100", Level.OK), ("", Level.PROBLEM),
])  # fmt: skip
def test_versions_against_the_lowest(found: str, level: Level) -> None:
    """Compared by their numbers; what is not installed is a problem."""
    assert [one.level for one in judge_versions([Version("locust", found, "2.47.0")])] == [level]


def test_settings_that_a_run_would_regret() -> None:
    """The default broker, one topic for both, and acks that give up something, are said."""
    found = list(judge_settings(replace(PLAN, bootstrap_source="the default", reply_topic="requests", acks="0")))
    assert [one.level for one in found] == [Level.NOTE, Level.PROBLEM, Level.WARNING]
    (noted,) = judge_settings(replace(PLAN, acks="1", not_idempotent="acks=1"))
    assert (noted.level, noted.subject) == (Level.NOTE, "enable.idempotence")


def test_the_cores_times() -> None:
    """Shares of the time between two looks; text that is not Linux's is not known."""
    before = ask_machine.parse_cpu_times("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2\n")
    after = ask_machine.parse_cpu_times("cpu  130 0 100 730 100 10 0 30 5 0\n")
    assert (before, after) == (CpuTimes(1000, 200, 0), CpuTimes(1100, 240, 30))
    assert shares(before, after) == (0.4, 0.3)
    assert shares(after, after) is None
    assert shares(None, after) is None
    for text in ("", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h"):
        assert ask_machine.parse_cpu_times(text) is None


def test_the_doctor_and_the_pool_see_the_same_limit_of_threads() -> None:
    """Where the pool would refuse a producer, the doctor has warned."""
    assert ask_machine.thread_limit() == pool._most_threads()


def chosen(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_flags_go_before_variables_before_the_file(tmp_path: Path) -> None:
    """The plugin's order; the plan says who named the brokers; variables of other options are validated too."""
    file = tmp_path / "client.properties"
    file.write_text("bootstrap.servers=file:1\nproducer.acks=1\nproducer.message.max.bytes=5\n")
    environ = {"LOCUST_KAFKA_REPLY_TIMEOUT": "3", "LOCUST_KAFKA_REQUEST_TOPIC": "of-variable"}
    _, plan = read_settings(chosen("--kafka-config", str(file), "--kafka-request-topic", "of-flag"), environ)
    assert (plan.bootstrap, plan.bootstrap_source) == ("file:1", "line 1 of the --kafka-config file")
    assert (plan.request_topic, plan.reply_topic, plan.reply_timeout_s) == ("of-flag", "Waiter-Responses", 3.0)
    assert (plan.acks, plan.not_idempotent, plan.message_max_bytes) == ("1", "acks=1", 5)
    with pytest.raises(SettingsError, match="LOCUST_KAFKA_SETTLE"):
        read_settings(chosen(), {"LOCUST_KAFKA_SETTLE": "soon"})


def test_the_peak_of_a_rate_and_the_count_of_workers() -> None:
    """The highest rate of all stages counts; without --workers there is one process."""
    _, plan = read_settings(chosen("--kafka-rate", "100/30s,900:2000/60s,50", "--users", "7"), {})
    assert (plan.peak_rate, plan.users, plan.workers) == (2000.0, 7, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--users", "0"], ["--users", "1.5"], ["--users", "x"], ["--workers", "10001"], ["--kafka-reply-timeout", "-1"],
        ["--kafka-rate", "fast"], ["--kafka-bootstrap", ""], ["--kafka-bootstrap", "\udcff:1"], ["--kafka-request-topic", "a b"],
        ["--kafka-config", "/nowhere"], ["--kafka-config", "/"],
    ],
)  # fmt: skip
def test_what_is_refused_names_its_option(arguments: list[str]) -> None:
    """Each refusal is one sentence that begins with the option."""
    with pytest.raises(SettingsError) as refused:
        read_settings(chosen(*arguments), {})
    assert str(refused.value).startswith(arguments[0])


def test_a_secret_is_masked_wherever_it_stands() -> None:
    """In each of a finding's texts, as the configuration file's own rule says what is secret."""
    finding = Finding("a", Level.NOTE, "of hunter2", "hunter2 is wrong", "change hunter2")
    shown = examine._masked(finding, {"sasl.password": "hunter2", "client.id": "wrong"})
    assert shown == Finding("a", Level.NOTE, "of ***", "*** is wrong", "change ***")


def test_what_nobody_foresaw_costs_its_own_findings_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception from the cluster is a problem in a sentence; from the machine a warning; the rest is judged."""

    def fail(*_: object) -> None:
        raise RuntimeError("the moon is full")

    monkeypatch.setattr(examine, "ask_cluster", fail)
    monkeypatch.setattr(examine, "ask_machine", fail)
    monkeypatch.setattr(examine, "environment", dict)
    monkeypatch.setattr(examine, "WATCH_S", 0.0)
    assert examine.run_doctor(chosen("--json")) == 3
    found = json.loads(capsys.readouterr().out)["findings"]
    unforeseen = {one["area"]: one["level"] for one in found if "the moon is full" in one["words"]}
    assert unforeseen == {"cluster": "problem", "machine": "warning"}
    assert {"versions", "settings", "telemetry"} <= {one["area"] for one in found}


def test_a_variable_of_kubernetes_is_passed_over() -> None:
    """As the plugin does, with a note."""
    _, plan = read_settings(chosen(), {"LOCUST_KAFKA_METRICS_PORT": "tcp://10.0.0.1:9092"})
    (note,) = plan.notes
    assert "LOCUST_KAFKA_METRICS_PORT" in note


class _Collector(BaseHTTPRequestHandler):
    """Takes traces from whoever knows the key, and nothing else."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers.get("api-key") == "hunter2-key" and body == b""
        self.send_response(404 if self.path != "/v1/traces" else 200 if known else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_collector_is_asked_as_the_exporter_would() -> None:
    """With its path and its headers; no header and no password comes back, whatever the answer is."""
    with HTTPServer(("127.0.0.1", 0), _Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"127.0.0.1:{server.server_port}"
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:hunter2-pw@{base}",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=hunter2-key,x=1",
        }
        traces, metrics = ask_machine.ask_endpoints(environ)
        (stranger, _) = ask_machine.ask_endpoints({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{base}"})
        server.shutdown()
    assert (traces.status, metrics.status, stranger.status) == (200, 404, 401)
    assert traces.url == f"http://{base}/v1/traces"
    assert "hunter2" not in f"{traces}{metrics}{stranger}"
    assert {value for value in ask_machine.endpoint_secrets(environ).values() if value} == {"hunter2-pw", "hunter2-key"}


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:1", "Connection refused"), ("ftp://127.0.0.1", "no http or https URL"), ("file:///etc", "no http"),
        ("nonsense", "no http"), ("http://[::1", "no URL"), ("http://a:port", "no URL"),
    ],
)  # fmt: skip
def test_an_endpoint_that_cannot_be_used(endpoint: str, said: str) -> None:
    """Each is a warning that says why, never an exception."""
    facts = ask_machine.ask_endpoints({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})
    (found,) = judge_telemetry(facts)
    assert found.level is Level.WARNING
    assert said in found.words
    assert ask_machine.endpoint_secrets({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}) is not None


@pytest.mark.parametrize("word", ["²", "9" * 5000, "-1", "x"])
def test_what_is_no_time_is_not_read(word: str) -> None:
    """A line of /proc/stat that no kernel writes tells nothing."""
    assert ask_machine.parse_cpu_times(f"cpu 1 2 3 4 5 6 7 {word} 0 0\n") is None


def sample(state: str = STABLE, members: int = 1, lag: int | None = 0) -> GroupFacts:
    one = GroupSample(1.0, state, {str(number): frozenset({"requests[0]"}) for number in range(members)}, lag)
    return GroupFacts(("service",), one)


@pytest.mark.parametrize(
    ("group", "level", "words"),
    [
        (sample(), Level.OK, "stable, 1 member, lag 0 records"),
        (sample(lag=1000), Level.OK, "lag 1,000 records"),
        (sample(lag=1001), Level.WARNING, "lag 1,001 records, more than 1,000"),
        (sample(members=2, lag=None), Level.OK, "2 members, its lag is not known"),
        (sample(EMPTY, 0), Level.WARNING, "nobody reads the requests"),
        (sample("COMPLETING_REBALANCING"), Level.NOTE, "a rebalance is under way"),
        (sample("DEAD", 0), Level.WARNING, "there is no such consumer group"),
        (GroupFacts(), Level.NOTE, "no consumer group reads it"),
        (GroupFacts(("a", "b")), Level.NOTE, "2 consumer groups read it: a, b"),
        (GroupFacts(trouble=BrokerError("GROUP_AUTHORIZATION_FAILED", "no")), Level.NOTE, 'looked at ("no")'),
    ],
)
def test_the_group_of_the_service_is_judged(group: GroupFacts, level: Level, words: str) -> None:
    """Whoever reads the requests, how many members there are and how far behind, each limit from both sides."""
    (found,) = judge_group(PLAN, group)
    assert found.level is level
    assert words in found.words
    assert bool(found.remedy) == (level is not Level.OK)
    assert judge_group(PLAN, None) == []
