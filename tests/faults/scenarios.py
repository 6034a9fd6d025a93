"""The faults, each with what a person must be told of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from tests.faults.rig import AFTER, Rig, await_true
from tests.support import create_topics

Fault = Callable[[Rig], None]
AWAY_S = 10
STOPPED_S = 3
FOREIGN_RATE, FOREIGN_S = 10_000, 5
LARGE_FOREIGN = 150


@dataclass(frozen=True)
class Scenario:
    """A fault and what must come of it.

    Attributes:
        name: of the test.
        title: of the row in the table.
        inject: puts the fault in, and takes it away.
        brokers: 1 or 3.
        codes: the exit codes that may come.
        says: what the run's output must hold.
        undelivered: whether requests may be reported undelivered.
        provable: whether the topics still tell all (those that were deleted do not).
        invalid: whether the run must be called invalid by its own sentence.
        named: whether customers felt it, so that the report must name its window.
        max_latency_ms: above which a latency would be the tester's invention; None for no such limit.
        options: Locust's.
        topic_config: of both topics.
        environment: of Locust.
        client_config: of the tester's `--kafka-config` file.
        transactional: whether the service answers in transactions, and aborts some.
        in_ci: whether `make test` runs it too.
    """

    name: str
    title: str
    inject: Fault
    brokers: int = 1
    codes: frozenset[int] = frozenset({0, 1})
    says: tuple[str, ...] = ()
    undelivered: bool = False
    provable: bool = True
    invalid: bool = False
    named: bool = True
    max_latency_ms: float | None = None
    options: tuple[str, ...] = ()
    topic_config: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    client_config: str = ""
    transactional: bool = False
    in_ci: bool = False


def kill_and_restart_broker(rig: Rig) -> None:
    """`kill -9` of one broker of three; it comes back."""
    rig.begin_fault()
    rig.kafka.kill_brokers(2)
    rig.await_replies(rig.written(rig.topics[1]) + AFTER)
    rig.kafka.restart_brokers(2)
    rig.end_fault()
    rig.await_recovery()


def lose_leader(rig: Rig) -> None:
    """The broker that leads the first reply partition is killed, and stays away."""
    leader = rig.leader(rig.topics[1])
    rig.begin_fault()
    rig.kafka.kill_brokers(leader)
    await_true(lambda: rig.leader(rig.topics[1]) not in (leader, -1), "a new leader", 60, rig.run)
    rig.end_fault()
    rig.await_recovery()
    rig.kafka.restart_brokers(leader)


def all_brokers_away(rig: Rig) -> None:
    """All brokers are killed, and come back ten seconds later."""
    rig.begin_fault()
    everyone = range(1, rig.brokers + 1)
    rig.kafka.kill_brokers(*everyone)
    time.sleep(AWAY_S)  # the fault's own length
    rig.kafka.restart_brokers(*everyone)
    rig.end_fault()
    rig.await_recovery()


def delete_request_topic(rig: Rig) -> None:
    """The request topic is deleted while the load goes on."""
    rig.begin_fault()
    rig.admin.delete_topics([rig.topics[0]])[rig.topics[0]].result(30)
    await_true(lambda: "was deleted during the run" in rig.output, "the sentence", 60, rig.run)
    rig.end_fault()


def recreate_reply_topic(rig: Rig) -> None:
    """The reply topic is deleted and created again."""
    rig.begin_fault()
    rig.admin.delete_topics([rig.topics[1]])[rig.topics[1]].result(30)
    await_true(lambda: rig.topics[1] not in rig.admin.list_topics(timeout=10).topics, "the deletion", 30)
    create_topics(rig.kafka.bootstrap, rig.topics[1])
    rig.end_fault()
    await_true(lambda: "created anew" in rig.output or "begun again" in rig.output, "the sentence", 60, rig.run)


def add_reply_partitions(rig: Rig) -> None:
    """The reply topic gains eight partitions."""
    rig.begin_fault()
    rig.admin.create_partitions([NewPartitions(rig.topics[1], 12)])[rig.topics[1]].result(30)
    await_true(lambda: "has gained partitions" in rig.output, "the sentence", 60, rig.run)
    rig.end_fault()
    rig.await_recovery()


def kill_waiter(rig: Rig) -> None:
    """The only instance of the service is killed by `kill -9`; another one is started."""
    rig.begin_fault()
    rig.waiter.processes[0].signal(signal.SIGKILL)
    rig.start_waiter()
    rig.end_fault()
    rig.await_recovery()


def scale_waiter(rig: Rig) -> None:
    """Two more instances come, and go again."""
    rig.begin_fault()
    more = [rig.start_waiter(), rig.start_waiter()]
    rig.await_recovery()
    for process in more:
        process.signal(signal.SIGTERM)
        assert process.wait(60) == 0, process.output
    rig.end_fault()
    rig.await_recovery()


def miss_replicas(rig: Rig) -> None:
    """The request topic wants three replicas in sync, and one of three brokers is away for ten seconds."""
    rig.alter_topic(rig.topics[0], "min.insync.replicas", "3")
    leaders = {rig.leader(rig.topics[0], number) for number in range(4)}
    rig.begin_fault()
    rig.kafka.kill_brokers(max(leaders))
    time.sleep(AWAY_S)
    rig.kafka.restart_brokers(max(leaders))
    rig.end_fault()
    rig.await_recovery()


def too_large(rig: Rig) -> None:
    """The topic's max.message.bytes is lowered below the size of the requests, and raised again."""
    rig.begin_fault()
    rig.alter_topic(rig.topics[0], "max.message.bytes", "1000")
    await_true(lambda: rig.count("undelivered") > 0, "a refusal", 30, rig.run)
    rig.alter_topic(rig.topics[0], "max.message.bytes", "2000000")
    rig.end_fault()
    rig.await_recovery()


def foreign_replies(rig: Rig) -> None:
    """Ten thousand records a second that are not ours are written to the reply topic, for five seconds."""
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "linger.ms": 5})
    rig.begin_fault()
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < FOREIGN_S:
        while sent < elapsed * FOREIGN_RATE:
            trace = f"00-{sent + 1:032x}-{sent + 1:016x}-01".encode()
            producer.produce(rig.topics[1], b"not yours", headers={"traceparent": trace} if sent % 2 else {})
            sent += 1
        producer.poll(0.001)
    assert producer.flush(30) == 0
    rig.end_fault()
    rig.foreign = sent
    rig.await_replies(rig.written(rig.topics[0]) + sent + AFTER)


def stop_tester(rig: Rig) -> None:
    """The tester is stopped for three seconds (SIGSTOP)."""
    assert rig.run is not None
    rig.begin_fault()
    rig.run.signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    rig.run.signal(signal.SIGCONT)
    rig.end_fault()
    rig.await_recovery()


def fill_fetch_queue(rig: Rig) -> None:
    """Large records that are not ours lie between the replies: the tester's fetch queue is full again and again."""
    producer = Producer({"bootstrap.servers": rig.kafka.bootstrap, "linger.ms": 0})
    rig.begin_fault()
    for number in range(LARGE_FOREIGN):
        producer.produce(rig.topics[1], b"x" * 900_000)
        producer.poll(1 / 30)
        rig.foreign = number + 1
    assert producer.flush(30) == 0
    rig.end_fault()
    rig.await_replies(rig.written(rig.topics[0]) + rig.foreign + AFTER)


def break_tester(words: str) -> Fault:
    """The locustfile breaks the tester's own reply consumer a few seconds into the run (BREAK)."""

    def inject(rig: Rig) -> None:
        rig.begin_fault()
        await_true(lambda: words in rig.output, "the sentence", 60, rig.run)
        rig.end_fault()

    return inject


def step_clock(rig: Rig) -> None:
    """The tester's wall clock goes an hour ahead, and back (the locustfile does it: BREAK=clock)."""
    rig.begin_fault()
    await_true(lambda: "the clock is right again" in rig.output, "the clock", 60, rig.run)
    rig.end_fault()
    rig.await_recovery()


def nothing(rig: Rig) -> None:
    """No fault but what the set-up holds (compression, 1 MB, transactions)."""
    rig.begin_fault()
    rig.await_replies(rig.written(rig.topics[1]) + 2 * AFTER)
    rig.end_fault()


_LOST = ("the reply consumer has lost every broker", "the reply consumer has a broker again")
_INVALID = frozenset({4})

SCENARIOS = (
    Scenario("broker-killed", "one broker of three killed by -9 and restarted", kill_and_restart_broker, 3, in_ci=True),
    Scenario("leader-lost", "the leader of a reply partition killed under load", lose_leader, 3),
    Scenario("cluster-away", "all three brokers away for 10 s", all_brokers_away, 3, says=_LOST),
    Scenario("min-insync", "min.insync.replicas not met for 10 s", miss_replicas, 3),
    Scenario("service-scaled", "the service scaled from one instance to three and back", scale_waiter, 3, named=False),
    Scenario("broker-away", "the only broker away for 10 s", all_brokers_away, says=_LOST, in_ci=True),
    Scenario(
        "too-large", "requests refused as too large", too_large, undelivered=True,
        says=("a request was not delivered: ", "larger than the broker takes"), environment={"VALUE_BYTES": "5000"},
    ),
    Scenario(
        "topic-deleted", "the request topic deleted", delete_request_topic, codes=_INVALID, provable=False,
        invalid=True, undelivered=True, says=("was deleted during the run",),
    ),
    Scenario(
        "topic-recreated", "the reply topic deleted and created again", recreate_reply_topic, codes=_INVALID,
        provable=False, invalid=True, named=False,
    ),
    Scenario("partitions-added", "the reply topic gains partitions", add_reply_partitions, named=False),
    Scenario("service-killed", "the service killed by -9 and started again", kill_waiter, in_ci=True),
    Scenario(
        "consumer-dies", "the tester's reply consumer dies", break_tester("the reply consumer died"), codes=_INVALID,
        invalid=True, environment={"BREAK": "die"}, named=False,
    ),
    Scenario(
        "consumer-stuck", "the tester's reply consumer hangs", break_tester("the reply consumer is stuck"),
        codes=_INVALID, invalid=True, environment={"BREAK": "hang"},
    ),
    Scenario("foreign", "10 000 foreign replies a second for 5 s", foreign_replies, named=False),
    Scenario(
        "clock-stepped", "the tester's wall clock an hour ahead for 5 s", step_clock, environment={"BREAK": "clock"},
        named=False,
    ),
    Scenario(
        "transactional", "a service that answers in transactions and aborts one in five", nothing, transactional=True,
        named=False,
    ),
    Scenario("compressed", "compressed topics", nothing, topic_config={"compression.type": "zstd"}, named=False),
    Scenario(
        "large", "records of 0.9 MB", nothing, topic_config={"max.message.bytes": "2000000"}, named=False,
        environment={"VALUE_BYTES": "900000"}, options=("--kafka-rate", "20"),
    ),
    Scenario(
        "fetch-queue", "the tester's fetch queue full of large foreign records", fill_fetch_queue,
        topic_config={"max.message.bytes": "2000000"}, client_config="consumer.queued.max.messages.kbytes=1024\n",
        named=False, max_latency_ms=3_000,
    ),
    Scenario(
        "tester-stopped", "the tester stopped for 3 s", stop_tester, codes=frozenset({5}),
        options=("--kafka-self-check", "fail"), says=("the process stood still for 3",), in_ci=True,
    ),
)  # fmt: skip
