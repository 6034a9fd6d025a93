"""What real use found, tried on a real Kafka: a run ends, says why, and is never green for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.secured import SecuredKafka
from tests.support import (
    NO_BROKER,
    Waiter,
    assert_well_behaved,
    await_answer,
    create_topics,
    free_port,
    http_post,
    locust,
    read_summary,
)

MISUSE = "tests/process/locustfiles/misuse.py"
SHORT = ["--headless", "--only-summary", "-u", "3", "-r", "3", "--kafka-settle", "0.2"]


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["local", "workers"])
def test_callbacks_and_on_stop_may_send(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: list[str]
) -> None:
    """Chained requests, and those of `on_stop`, are sent, matched and counted; the run ends; the same everywhere."""
    waiter.start(wait="20ms")
    options = [*SHORT, "-t", "4s", "--kafka-summary", str(tmp_path / "s.json"), *processes]
    with locust(broker, topics, MISUSE, *options, MODE="chain") as run:
        assert run.wait(60) == 0, run.output
    assert_well_behaved(run.output)
    names = read_summary(tmp_path / "s.json")["names"]
    assert names["bye"]["requests"]["matched"] == 3
    assert names["first"]["requests"]["matched"] == names["second"]["requests"]["matched"] > 5


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("dict", "value must be bytes, str or None, not dict"),
        ("header", "lone surrogate"),
        ("name", "name must be str, not int"),
        ("topic", "did you mean"),
    ],
)
def test_a_wrong_call_is_a_sentence_and_no_flood(
    broker: str, topics: tuple[str, str], mode: str, sentence: str, tmp_path: Path
) -> None:
    """What cannot be sent is refused in words, said a few times at most, and nothing is registered for a wrong type."""
    options = [*SHORT, "-t", "3s", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options, MODE=mode) as run:
        assert run.wait(60) == 1, run.output
    assert_well_behaved(run.output)
    assert sentence in run.output
    assert len(run.output.splitlines()) < 120
    summary = read_summary(tmp_path / "s.json")
    assert summary["requests"]["registered"] == summary["requests"]["undelivered"]
    assert bool(summary["requests"]["registered"]) == (mode == "topic")
    assert f"{topics[0][:-1]}" not in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics


@pytest.mark.parametrize("mode", ["interrupt", "parent", "nokey"])
def test_what_is_right_works(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, mode: str) -> None:
    """Locust's own exceptions in a `with` block, a trace of the user's own, no key: matched, and no row fails."""
    waiter.start()
    options = [*SHORT, "-t", "3s", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options, MODE=mode) as run:
        assert run.wait(60) == 0, run.output
    assert_well_behaved(run.output)
    requests = read_summary(tmp_path / "s.json")["requests"]
    assert requests["matched"] == requests["registered"] > 10


@pytest.mark.parametrize(
    ("mode", "words"),
    [("timeout", "tasks that raised an exception"), ("exit", "on_reply raised SystemExit: 0")],
)
def test_what_is_no_exception_is_no_green_run(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, mode: str, words: str
) -> None:
    """A gevent.Timeout ends its user in silence, and sys.exit in a callback the process: both are said, and fail it."""
    waiter.start()
    options = [*SHORT, "-t", "4s", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options, MODE=mode) as run:
        assert run.wait(60) == 1, run.output
    requests = read_summary(tmp_path / "s.json")["requests"]
    assert requests["matched"] == requests["registered"] > 0
    assert words in run.output


def test_a_run_that_sends_nothing_is_not_green(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """Users that call nothing: code 3; but where only other users were chosen, there need be no Kafka."""
    options = [*SHORT, "-t", "3s", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options, MODE="nothing") as run:
        assert run.wait(60) == 3, run.output
    assert "no request was sent" in run.output
    assert read_summary(tmp_path / "s.json")["verdict"].startswith("NO REQUESTS")
    with locust(NO_BROKER, topics, "tests/process/locustfiles/unrelated.py", *options, "Other") as run:
        assert run.wait(60) == 0, run.output
    assert_well_behaved(run.output)


def test_two_refused_starts_then_a_good_one(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """In one web UI: each start ends in users or in a sentence, and the exit code is that of the last run."""
    waiter.start()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--web-port", str(port), "--web-host", "127.0.0.1", "--kafka-settle", "0.2"]
    with locust(broker, topics, "locustfiles/closed.py", *options) as run:
        run.await_line("Starting web interface")
        await_answer(url)
        form = [("user_count", 2), ("spawn_rate", 2)]
        for times in (1, 2):
            http_post(f"{url}/swarm", [*form, ("kafka_reply_topic", topics[1] + "x")])
            run.await_line("the run cannot begin", times=times)
        http_post(f"{url}/swarm", [*form, ("kafka_reply_topic", topics[1])])
        run.await_users()
        http_post(f"{url}/stop", [])
        run.await_line("The books balance")
        run.signal(__import__("signal").SIGTERM)
        assert run.wait(60) == 0, run.output
    assert_well_behaved(run.output)


def test_one_topic_for_both_is_refused(broker: str, topics: tuple[str, str]) -> None:
    """What we send is never taken for a reply: requests and replies on one topic are refused before anything starts."""
    with locust(broker, (topics[0], topics[0]), MISUSE, *SHORT, "-t", "3s") as run:
        assert run.wait(60) == 3, run.output
    assert "is used for requests and for replies" in run.output
    assert_well_behaved(run.output)


def test_two_clusters_are_a_contradiction(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """A flag and a file that name different brokers: both are said, with the file's line; a file alone is used."""
    config = tmp_path / "client.properties"
    config.write_text(f"# ours\nbootstrap.servers={broker}\n")
    with locust(NO_BROKER, topics, MISUSE, *SHORT, "-t", "2s", "--kafka-config", str(config)) as run:
        assert run.wait(60) == 3, run.output
    assert f"two clusters are named: {NO_BROKER} by --kafka-bootstrap and {broker} by line 2" in run.output


def test_partitions_that_come_are_read(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """The reply topic gains partitions under load: they are read from their start, and every reply is matched."""
    waiter.start()
    options = [*SHORT, "-t", "14s", "--kafka-reply-timeout", "12", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options) as run:
        run.await_users()
        admin = AdminClient({"bootstrap.servers": broker})
        admin.create_partitions([NewPartitions(topics[1], 12)])[topics[1]].result(30)
        assert run.wait(60) == 0, run.output
    assert "has gained partitions" in run.output
    requests = read_summary(tmp_path / "s.json")["requests"]
    assert requests["matched"] == requests["registered"] > 10


def test_an_open_transaction_is_no_green_run(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """Records that nobody may read yet lie before the replies: said in words, and the run is invalid."""
    producer = Producer({"bootstrap.servers": broker, "transactional.id": topics[1]})
    producer.init_transactions(30)
    options = [*SHORT, "-t", "13s", "--kafka-reply-timeout", "1", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, MISUSE, *options) as run:
        run.await_users()
        producer.begin_transaction()
        producer.produce(topics[1], b"never committed", partition=0)
        producer.flush(10)
        assert run.wait(60) == 4, run.output
    producer.abort_transaction(10)
    assert "a transaction is open there" in run.output
    assert not read_summary(tmp_path / "s.json")["valid"]


def test_read_denied_is_no_green_run() -> None:
    """DESCRIBE and WRITE without READ on the reply topic: the run cannot begin, and says what to give."""
    with SecuredKafka() as kafka:
        create_topics_by_super_user(kafka)
        for topic in ("requests", "replies"):
            kafka.allow("DESCRIBE", topic)
            kafka.allow("WRITE", topic)
        config = {**kafka.credentials(mechanism="PLAIN"), "security.protocol": "SASL_PLAINTEXT"}
        path = Path(kafka.authority).parent / "client.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in config.items()))
        options = [*SHORT, "-t", "5s", "--kafka-config", str(path)]
        with locust(kafka.sasl, ("requests", "replies"), MISUSE, *options) as run:
            assert run.wait(60) == 3, run.output
    assert "READ" in run.output.splitlines()[-1]
    assert config["sasl.password"] not in run.output
    assert_well_behaved(run.output)


def create_topics_by_super_user(kafka: SecuredKafka) -> None:
    create_topics(kafka.plaintext, "requests", "replies")


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["local", "workers"])
def test_a_service_that_does_not_run_is_named(
    broker: str, topics: tuple[str, str], tmp_path: Path, processes: list[str]
) -> None:
    """Nobody answers: after some seconds a sentence says that no group reads the requests, and the verdict says it."""
    options = [
        *SHORT,
        "-t",
        "9s",
        "--kafka-reply-timeout",
        "3",
        "--kafka-summary",
        str(tmp_path / "s.json"),
        *processes,
    ]
    with locust(broker, topics, MISUSE, *options) as run:
        assert run.wait(60) == 1, run.output
    assert_well_behaved(run.output)
    assert f"nothing was written to {topics[1]}: no service has answered yet" in run.output
    assert f"no consumer group has read {topics[0]}" in run.output
    assert "NO REPLY: none of " in run.output


@pytest.mark.parametrize("processes", [[], ["--processes", "2"]], ids=["local", "workers"])
def test_a_task_that_fails_is_no_passed_gate(
    broker: str, topics: tuple[str, str], waiter: Waiter, processes: list[str]
) -> None:
    """Tasks that raise: good checks do not make it 0 unless one speaks of them; without any request all of them fail."""
    waiter.start()
    options = [*SHORT, "-t", "3s", *processes]
    with locust(broker, topics, MISUSE, *options, "--kafka-check", "duplicates == 0", MODE="raise") as run:
        assert run.wait(60) == 1, run.output
    assert "tasks raised an exception" in run.output
    both = ["--kafka-check", "duplicates == 0", "--kafka-check", "task_errors < 100000"]
    with locust(broker, topics, MISUSE, *options, *both, MODE="raise") as run:
        assert run.wait(60) == 0, run.output
    with locust(broker, topics, MISUSE, *options, "--kafka-check", "duplicates == 0", MODE="dict") as run:
        assert run.wait(60) == 7, run.output
    assert "duplicates == 0: no value (no request was sent)" in run.output
