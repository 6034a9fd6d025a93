"""The waiter as a process on a real Kafka."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.process.raw_produce import Record, produce_raw
from tests.secured import PASSWORD, UNREACHABLE, UNRESOLVABLE, USER, SecuredKafka
from tests.support import NO_BROKER, Process, Waiter, assert_well_behaved, create_topics, read, send
from waiter_service.core.offsets import OffsetTracker
from waiter_service.core.request import Reply, Request
from waiter_service.kafka.producer import ReplyProducer
from waiter_service.kafka.topics import TopicChecker
from waiter_service.observe.counters import Counters
from waiter_service.pipeline.job import Answer, Finished, Job
from waiter_service.pipeline.queue import BoundedQueue

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(number: int, **more: Any) -> dict[str, Any]:
    trace_id = f"{number + 1:032x}"
    record = {"key": f"k{number}", "value": "Ada", "headers": [("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01")]}
    return record | more


def committed(broker: str, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group})
    offsets = consumer.committed([TopicPartition(topic, number) for number in range(4)], timeout=10)
    consumer.close()
    return sum(max(0, partition.offset) for partition in offsets)


def test_poison_never_stops_it(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Each kind of poison is counted and logged once; all that can be answered is; the good ones are."""
    small = f"{topics[1]}-small"
    create_topics(broker, small, **{"max.message.bytes": "20000"})
    process = waiter.start()
    poison: list[dict[str, Any]] = [
        request(0, headers=[]),
        request(1, headers=[("traceparent", "00-zzz")]),
        request(2, value=None),
        request(3, value=b"\xff"),
        request(4, key=None),
        request(5, headers=[*request(5)["headers"], ("reply-to", "no-such-topic")]),
        request(6, headers=[*request(6)["headers"], ("reply-partition", "99")]),
        request(7, headers=[*request(7)["headers"], ("reply-to", "b\xf6se")]),
        request(8, value=b"x" * 100_000, headers=[*request(8)["headers"], ("reply-to", small)]),
    ]
    good = [request(number) for number in range(100, 150)]
    send(broker, topics[0], [*poison, *good, request(9, headers=[])])
    replies = read(broker, topics[1], len(poison) - 2 + len(good) + 1)
    assert len(replies) == len(poison) - 2 + len(good) + 1  # no-such-topic got none, one reply went to `small`
    by_key = {message.key(): message for message in replies}
    assert by_key[b"k100"].value() == b"I have been waiting 0 ms for Ada"
    (cut,) = read(broker, small, 1)
    assert ("error", b"reply too large") in cut.headers()
    time.sleep(1.5)  # commits come each second
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    for kind in (
        "no traceparent", "bad traceparent", "null body", "body is not UTF-8", "empty key", "unknown reply-to topic",
        "reply-partition does not exist", "bad reply-to", "reply too large",
    ):  # fmt: skip
        assert process.output.count(f"WARNING {kind}: ") == 1, f"{kind}\n{process.output}"
    assert_well_behaved(process.output)
    assert committed(broker, topics[0], topics[0]) == len(poison) + len(good) + 1


def test_sigterm_drains_from_left_to_right(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """What was read is answered and committed before it ends with 0; late replies are waited for."""
    process = waiter.start("--late", "50%:1s", "--waiters", "20", wait="300ms")
    send(broker, topics[0], [request(number) for number in range(100)])
    read(broker, topics[1], 1)
    process.signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert_well_behaved(process.output)
    answered = len(read(broker, topics[1], 1))
    assert committed(broker, topics[0], topics[0]) == answered
    assert "not answered" not in process.output


def test_what_cannot_be_drained_is_told_and_not_committed(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """A shutdown timeout shorter than the wait: told with the number, exit 0, offsets left to the next owner."""
    process = waiter.start("--shutdown-timeout", "500ms", wait="20s")
    send(broker, topics[0], [request(number) for number in range(10)])
    time.sleep(2)
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "10 requests were read and not answered within the shutdown timeout" in process.output
    assert committed(broker, topics[0], topics[0]) == 0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_nothing_unanswered_is_committed(
    broker: str, topics: tuple[str, str], waiter: Waiter, protocol: str, tmp_path: Any
) -> None:
    """Kill -9 and a rebalance under load, both group protocols: every request is answered at least once."""
    config = tmp_path / "client.properties"
    # The dead are missed sooner; with the consumer protocol that is the broker's setting (see conftest).
    config.write_text("consumer.session.timeout.ms=6000\n" if protocol == "classic" else "")
    options = ["--group-protocol", protocol, "--waiters", "10", "--config", str(config)]
    victim = waiter.start(*options, wait="20ms")
    total = 2000
    send(broker, topics[0], [request(number) for number in range(total // 2)])
    read(broker, topics[1], 100)
    joiner = waiter.start(*options, wait="5ms", ready=False)  # a rebalance takes partitions from the victim
    joiner.await_line("was assigned")
    victim.signal(signal.SIGKILL)
    send(broker, topics[0], [request(number) for number in range(total // 2, total)])
    deadline = time.monotonic() + 100
    while len({m.key() for m in read(broker, topics[1], 1)}) < total:
        assert time.monotonic() < deadline, "some requests were never answered"
        time.sleep(1)
    joiner.signal(signal.SIGTERM)
    assert joiner.wait(40) == 0
    assert_well_behaved(joiner.output)
    assert committed(broker, topics[0], topics[0]) == total


def test_a_held_back_consumer_stays_in_its_group(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Any
) -> None:
    """Queues full for longer than max.poll.interval.ms: paused, never thrown out, every reply exactly once."""
    config = tmp_path / "client.properties"
    config.write_text("consumer.max.poll.interval.ms=6000\nconsumer.session.timeout.ms=6000\n")
    options = ["--config", str(config), "--waiters", "1", "--request-queue", "1", "--reply-queue", "1"]
    process = waiter.start(*options, wait="400ms")
    send(broker, topics[0], [request(number) for number in range(25)])
    replies = read(broker, topics[1], 25, timeout_s=60)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert len(replies) == 25
    assert "pauses: request queue full" in process.output
    assert process.output.count("was assigned") == 1


def test_many_wait_at_once(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Fifty requests of 2 s, 100 s of waiting, are done in less than a fifth of that: by concurrency."""
    waiter.start("--waiters", "50", wait="2s")
    began = time.monotonic()
    send(broker, topics[0], [request(number) for number in range(50)])
    assert len(read(broker, topics[1], 50)) == 50
    assert time.monotonic() - began < 20


def test_existing_topics_are_told_and_used(broker: str) -> None:
    """A topic with other settings than asked for is said, and used as it is."""
    names = (f"odd-{os.getpid()}", f"odd-{os.getpid()}-replies")
    create_topics(broker, *names, partitions=2, **{"message.timestamp.type": "CreateTime"})
    with Waiter(broker, names) as waiter:
        process = waiter.start("--partitions", "3")
        send(broker, names[0], [request(1)])
        assert len(read(broker, names[1], 1)) == 1
    assert "exists with 2 partitions, not 3" in process.output
    assert "message.timestamp.type=CreateTime" in process.output


def test_no_broker_is_a_sentence() -> None:
    """Exit 1, which address, what to do; no traceback."""
    with Waiter(NO_BROKER, ("a", "b")) as waiter:
        process = waiter.start(ready=False)
        assert process.wait(30) == 1
    assert f"No Kafka broker answered at {NO_BROKER} within 10 s" in process.output
    assert_well_behaved(process.output)


@pytest.mark.parametrize(("protocol", "sentence"), [
    ("grpc", "needs the package opentelemetry-exporter-otlp-proto-grpc"), ("smoke", "OTLP protocol 'smoke' is unknown"),
])  # fmt: skip
def test_an_exporter_that_is_not_there_is_a_sentence(protocol: str, sentence: str) -> None:
    """Tracing by a protocol whose package is missing, or by none that exists: exit 1, what to do."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    with Waiter(NO_BROKER, ("a", "b")) as waiter:
        process = waiter.start(ready=False, **environment)
        assert process.wait(30) == 1
    assert sentence in process.output
    assert_well_behaved(process.output)


def test_a_refused_librdkafka_setting_is_a_sentence(tmp_path: Any) -> None:
    """Librdkafka's refusal is passed on, without a traceback."""
    config = tmp_path / "client.properties"
    config.write_text("no.such.setting=1\n")
    with Waiter(NO_BROKER, ("a", "b")) as waiter:
        process = waiter.start("--config", str(config), ready=False)
        assert process.wait(30) == 1
    assert "librdkafka refused a setting" in process.output
    assert_well_behaved(process.output)


def test_header_names_that_are_no_utf8_are_answered_and_committed(
    broker: str, topics: tuple[str, str], waiter: Waiter
) -> None:
    """Hundreds of such records among good ones: each is answered by its key, counted, committed; no restart meets them.

    Hundreds, because CPython checks the first calls of a function in another way than the later ones.
    """
    process = waiter.start()
    bad: list[Record] = [
        (b"bad%d" % number, b"Ada", [(b"\xff\xfe", b"x"), (b"traceparent", TRACEPARENT), (b"reply-to", b"nowhere")])
        for number in range(500)
    ]
    good: list[Record] = [(b"good%d" % n, b"Ada", [(b"traceparent", TRACEPARENT), (b"", None)]) for n in range(100)]
    produce_raw(broker, topics[0], 0, [*bad[:250], *good, *bad[250:]])
    replies = read(broker, topics[1], 600)
    assert {message.key() for message in replies} == {key for key, _, _ in (*bad, *good)}
    for message in replies:
        names = [name for name, _ in message.headers()]
        assert ("traceparent" in names) == message.key().startswith(b"good")
    time.sleep(1.5)  # commits come each second
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert_well_behaved(process.output)
    assert process.output.count("WARNING unreadable headers: ") == 1
    assert f"{topics[0]}[0]@0 (logged once" in process.output
    assert "unreadable headers 500" in process.output
    assert committed(broker, topics[0], topics[0]) == 600
    again = waiter.start()
    again.signal(signal.SIGTERM)
    assert again.wait() == 0
    assert "unreadable headers" not in again.output


def test_huge_headers_stop_nothing(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Ten thousand headers, empty names, almost a megabyte of server-timing or body: read, and answered if possible."""
    process = waiter.start()
    records: list[Record] = [
        (b"many", b"Ada", [(b"h%d" % number, b"v") for number in range(10_000)]),
        (b"empty", b"Ada", [(b"", b"") for _ in range(1000)]),
        (b"big", b"Ada", [(b"server-timing", b"x" * 1_000_000)]),
        (b"topic", b"Ada", [(b"reply-to", b"x" * 1_000_000)]),
        (b"body", "ä".encode() * 499_000, []),
        (b"k" * 1_000_000, b"Ada", []),
        (b"\xed\xb2\x80", b"\xed\xb2\x80", [(b"traceparent", b"\xed\xb2\x80"), (b"reply-to", b"\xed\xb2\x80")]),
        (b"last", b"Ada", [(b"traceparent", TRACEPARENT)]),
    ]
    for number, record in enumerate(records):
        produce_raw(broker, topics[0], number % 4, [record])
    replies = {message.key(): message for message in read(broker, topics[1], len(records) - 1)}
    assert {b"many", b"empty", b"big", b"topic", b"body", b"\xed\xb2\x80", b"last"} <= set(replies)
    time.sleep(1.5)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert_well_behaved(process.output)
    assert committed(broker, topics[0], topics[0]) == len(records)


def test_many_misspelt_reply_topics_create_none_and_delay_nobody(
    broker: str, topics: tuple[str, str], waiter: Waiter
) -> None:
    """Each of a hundred requests names another missing topic: none is created, all others are answered."""
    process = waiter.start()
    typos = [request(n, headers=[("reply-to", f"{topics[1]}-typo-{n}")]) for n in range(100)]
    new = f"{topics[1]}-new"
    create_topics(broker, new)
    others = [request(number) for number in range(100, 150)]
    others += [request(n, headers=[*request(n)["headers"], ("reply-to", new)]) for n in range(150, 200)]
    send(broker, topics[0], [record for pair in zip(typos, others, strict=True) for record in pair])
    assert len(read(broker, topics[1], 50)) == 50
    assert len(read(broker, new, 50)) == 50
    time.sleep(1.5)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "unknown reply-to topic 100" in process.output
    assert committed(broker, topics[0], topics[0]) == 200
    names = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
    assert not [name for name in names if "-typo-" in name]


def test_a_java_clients_file_works_and_what_is_used_is_said(
    broker: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Brokers from the file, settings translated, notes logged once, cluster, topics and versions in the log."""
    config = tmp_path / "client.properties"
    config.write_text(
        f"\ufeffbootstrap.servers: {broker}\r\nkey.serializer=org.apache.kafka.common.serialization.StringSerializer\r\n"
        "max.request.size=2000000\r\nacks=1\r\nclient.id=${MY_ID}\r\nbasic.auth.user.info=me:hunter2\r\n"
    )
    command = [sys.executable, "-m", "waiter_service", "--config", str(config), "--wait", "0ms", "--group", topics[0]]
    command += ["--request-topic", topics[0], "--reply-topic", topics[1]]
    environment = {"MY_ID": "me", "WAITER_METRICS_PORT": "tcp://10.0.0.1:80"}
    with Process(command, **environment) as process:
        process.await_line("ready:")
        send(broker, topics[0], [request(1)])
        assert len(read(broker, topics[1], 1)) == 1
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    for sentence in (
        "key.serializer: it is for Java clients only", "max.request.size: librdkafka calls it message.max.bytes",
        "acks turns enable.idempotence off", "basic.auth.user.info: it is for Java clients only",
        "WARNING WAITER_METRICS_PORT is passed over", f" at {broker}\n", f"topics {topics[0]} -> {topics[1]}",
        f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}",
    ):  # fmt: skip
        assert process.output.count(sentence) == 1, f"{sentence}\n{process.output}"
    cluster = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).cluster_id
    assert f"cluster {cluster} at {broker}" in process.output
    assert "hunter2" not in process.output


def test_librdkafkas_words_hide_secrets_too(tmp_path: Path) -> None:
    """Librdkafka quotes a bad value in its refusal: a secret that comes with it is masked."""
    config = tmp_path / "client.properties"
    config.write_text("sasl.password=hunter2hunter2\nacks=hunter2hunter2\n")
    with Waiter(NO_BROKER, ("a", "b")) as waiter:
        process = waiter.start("--config", str(config), ready=False)
        assert process.wait(30) == 1
    assert "librdkafka refused a setting" in process.output
    assert f"{config}, line 2" in process.output
    assert "hunter2" not in process.output


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    with SecuredKafka() as kafka:
        yield kafka


@pytest.mark.parametrize(("listener", "text", "sentence"), [
    ("sasl", f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username={USER}\nsasl.password=hunter2hunter2",
     "refused the credentials"),
    ("sasl", "", "wants SASL"),
    ("plaintext", "security.protocol=SSL", "has no TLS"),
    ("plaintext", f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username={USER}\nsasl.password=x",
     "wants no SASL"),
    ("ssl", "", "security.protocol=SSL"),
    ("ssl", "security.protocol=SSL", "is not trusted"),
    ("unreachable", "", f"named {UNREACHABLE} as an address of the cluster"),
    ("unresolvable", "", f"named {UNRESOLVABLE} as an address of the cluster"),
])  # fmt: skip
def test_a_broker_that_refuses_is_not_said_to_be_missing(
    secured: SecuredKafka, listener: str, text: str, sentence: str, tmp_path: Path
) -> None:
    """Wrong credentials, TLS or SASL on one side only: librdkafka's words and the remedy, and no advice to start one."""
    config = tmp_path / "client.properties"
    config.write_text(text)
    with Waiter(getattr(secured, listener), ("a", "b")) as waiter:
        process = waiter.start("--config", str(config), ready=False)
        assert process.wait(60) == 1
    assert_well_behaved(process.output)
    assert sentence in process.output
    assert "No Kafka broker" not in process.output
    assert "tart one" not in process.output
    assert "--kafka" not in process.output
    assert "hunter2" not in process.output


def test_a_right_that_is_missing_is_named(secured: SecuredKafka, tmp_path: Path) -> None:
    """A principal that may see no topic and create none: what it is not allowed to do, and exit 1."""
    config = tmp_path / "client.properties"
    config.write_text(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security."
        f'plain.PlainLoginModule required username="{USER}" password="${{SECRET}}";\n'
    )
    with Waiter(secured.sasl, ("requests-x", "replies-x")) as waiter:
        process = waiter.start("--config", str(config), ready=False, SECRET=PASSWORD)
        assert process.wait(60) == 1
    assert "uthorization" in process.output or "not allowed" in process.output, process.output
    assert PASSWORD not in process.output
    assert_well_behaved(process.output)


@pytest.mark.parametrize(("denied", "sentence", "code"), [
    ("WRITE", "stopped by a failure: Failed to acquire idempotence PID", 1),
    ("READ", "WARNING consumer error: not allowed to read", 0),
])  # fmt: skip
def test_a_right_that_is_missing_later_is_named(
    secured: SecuredKafka, denied: str, sentence: str, code: int, tmp_path: Path
) -> None:
    """Without WRITE on the replies it ends with the remedy; without READ on the requests it says so and waits."""
    names = (f"rights-{denied}", f"rights-{denied}-replies")
    create_topics(secured.plaintext, *names)
    for operation, name in (("READ", names[0]), ("WRITE", names[1])):
        secured.allow("DESCRIBE" if operation == denied else operation, name)
    secured.allow("READ", names[0], resource="GROUP")
    config = tmp_path / "client.properties"
    config.write_text(
        f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username={USER}\nsasl.password={PASSWORD}\n"
    )
    with Waiter(secured.sasl, names) as waiter:
        process = waiter.start("--config", str(config), ready=False)
        process.await_line(sentence)
        assert f"give the principal {denied}" in process.output
        if code == 0:
            process.signal(signal.SIGTERM)
        assert process.wait(60) == code
    assert PASSWORD not in process.output
    assert "%0|" not in process.output  # librdkafka's own way to standard error
    assert_well_behaved(process.output)


def test_a_reply_whose_topic_is_being_asked_for_delays_no_other(broker: str, topics: tuple[str, str]) -> None:
    """While the cluster is silent about one topic, replies to known topics are sent, acknowledged and committed."""
    may_answer = threading.Event()
    crashes: list[BaseException] = []
    finished: Finished = deque()
    counters = Counters()
    checker = TopicChecker([topics[1]], lambda _topic: may_answer.wait(60) and False, crashes.append)
    replies: BoundedQueue[Answer] = BoundedQueue("reply queue", 100)
    producer = ReplyProducer(1, {"bootstrap.servers": broker}, replies, checker, counters, crashes.append)
    checker.start()
    producer.start()
    for number, topic in enumerate(["missing", topics[1], "missing", topics[1]]):
        job = Job(Request("requests", 0, number, b"k", b"v", [], None, 0), OffsetTracker(0), finished)
        replies.put(Answer(job, Reply(topic, None, b"k", b"v", []), unacknowledged=1))
    assert len(read(broker, topics[1], 2)) == 2
    deadline = time.monotonic() + 30
    while len(finished) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(offset for _, offset in finished) == [1, 3]
    may_answer.set()
    replies.close()
    producer.join_sender(time.monotonic() + 30)
    checker.close(time.monotonic() + 30)
    assert producer.close(time.monotonic() + 30) == 0
    assert sorted(offset for _, offset in finished) == [0, 1, 2, 3]
    assert counters.value("unknown reply-to topic") == 2
    assert crashes == []


def test_a_debugging_file_is_obeyed_and_shows_no_secret(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """`debug` in the file brings librdkafka's lines into the log, masked; replies come all the same."""
    config = tmp_path / "client.properties"
    config.write_text("debug=all\nsasl.password=hunter2hunter2\nsasl.username=me\n")
    process = waiter.start("--config", str(config))
    send(broker, topics[0], [request(1)])
    assert len(read(broker, topics[1], 1)) == 1
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "DEBUG " in process.output
    assert "hunter2" not in process.output
