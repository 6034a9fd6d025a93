"""The service's consumer group beside the latency: its lag, its rebalances, and what a person is told of them."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import jsonschema
import pytest

from locust_kafka.report.html import asset
from tests.secured import PASSWORD, SecuredKafka
from tests.support import (
    NO_BROKER,
    Process,
    Waiter,
    assert_balanced,
    assert_well_behaved,
    locust,
    read,
    read_summary,
    send,
)


@pytest.mark.parametrize(("protocol", "processes"), [("classic", 0), ("consumer", 2)])
def test_a_service_that_is_scaled_shows_its_rebalances(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, protocol: str, processes: int
) -> None:
    """One instance, two, one again under load: each rebalance is seen and said, and a check fails for them."""
    waiter.start("--group-protocol", protocol, wait="20ms")
    options = ["--headless", "--only-summary", "-u", "4", "-r", "4", "--kafka-settle", "0.3", "-t", "60s"]
    options += [
        "--kafka-check",
        "rebalances == 0",
        "--kafka-check",
        "lag.max < 100000",
        "--kafka-report",
        str(tmp_path),
    ]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, "locustfiles/closed.py", *options) as run:
        run.await_line(f"the lag of consumer group '{topics[0]}' is watched")
        run.await_line("last ")  # some seconds with one instance
        second = waiter.start("--group-protocol", protocol, wait="20ms", ready=False)
        run.await_line("1 → 2 members")
        second.signal(signal.SIGTERM)
        run.await_line("2 → 1 members")
        run.signal(signal.SIGINT)
        assert run.wait() == 7, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "summary.json")
    jsonschema.validate(summary, json.loads(asset("summary.schema.json")))
    assert_balanced(tmp_path / "summary.json", at_least=20)
    group, columns = summary["group"], summary["history"]["columns"]
    assert group["name"] == topics[0]
    assert group["rebalances"] >= 2
    assert group["lag_max"] is not None
    assert re.search(r"check failed: rebalances == 0: \d", run.output)
    of_seconds = [row[columns.index("rebalances")] for row in summary["history"]["rows"]]
    assert 2 <= sum(of_seconds) <= group["rebalances"]
    assert any(row[columns.index("lag")] is not None for row in summary["history"]["rows"])


def test_a_service_that_stands_still_falls_behind(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """`locust-kafka lag`: what was appended and not committed, exactly, once the service has gone."""
    service = waiter.start(wait="1ms")
    command = [sys.executable, "-m", "locust_kafka", "lag", "--kafka-bootstrap", broker]
    with Process([*command, "--kafka-request-topic", topics[0], "--kafka-group", topics[0]]) as lag:
        lag.await_line(f"consumer group {topics[0]} on {topics[0]}")
        send(broker, topics[0], [{"value": b"Ada", "partition": number % 4} for number in range(40)])
        read(broker, topics[1], 40)
        lag.await_line("lag 0 records, 1 member, stable")
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
        lag.await_line("the group has no members: nobody reads the requests")
        send(broker, topics[0], [{"value": b"Ada", "partition": number % 4} for number in range(28)])
        lag.await_line("lag 28 records, 0 members, empty")
        arguments = ["doctor", "--kafka-request-topic", topics[0], "--kafka-reply-topic", topics[1]]
        arguments += ["--kafka-bootstrap", broker, "--kafka-group", topics[0]]
        with Process([sys.executable, "-m", "locust_kafka", *arguments]) as doctor:
            assert doctor.wait() == 0, doctor.output
        assert "empty, 0 members, lag 28 records: nobody reads the requests" in doctor.output
        lag.signal(signal.SIGINT)
        assert lag.wait() == 0, lag.output
    assert_well_behaved(lag.output)


def test_several_groups_are_not_guessed_between(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """Two services read the topic: a sentence names both and the option; the run goes on without a lag."""
    waiter.start()
    other = Waiter(broker, topics)
    with other:
        other.start("--group", f"{topics[0]}-other")
        options = ["--headless", "--only-summary", "-u", "2", "-r", "2", "-t", "5s", "--kafka-settle", "0.2"]
        with locust(broker, topics, "locustfiles/closed.py", *options) as run:
            run.await_line(
                f"2 groups read the request topic ({topics[0]}, {topics[0]}-other): name one by --kafka-group"
            )
            run.wait()
    assert_well_behaved(run.output)
    assert "Consumer group" not in run.output


def test_a_group_that_may_not_be_seen_is_a_sentence(tmp_path: Path) -> None:
    """DESCRIBE on the topic and not on the group: what is missing and what to grant, no traceback, no password."""
    with SecuredKafka() as secured:
        secured.create_topics("asked", "answered")
        secured.allow("DESCRIBE", "asked")
        config = tmp_path / "client.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in secured.credentials().items()))
        command = [sys.executable, "-m", "locust_kafka", "lag", "--kafka-bootstrap", secured.sasl]
        options = ["--kafka-config", str(config), "--kafka-request-topic", "asked", "--kafka-group", "waiters"]
        with Process([*command, *options]) as lag:
            assert lag.wait(60) == 3, lag.output
    assert_well_behaved(lag.output)
    assert "the consumer group cannot be looked at" in lag.output
    assert "grant DESCRIBE on the group" in lag.output
    assert PASSWORD not in lag.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kafka-request-topic", "nowhere"], "topic 'nowhere' does not exist"),
        (["--kafka-bootstrap", NO_BROKER], "127.0.0.1:1"),
        (["--seconds", "nan"], "--seconds nan is refused"),
        (["--kafka-group", "off"], "--kafka-group off leaves nothing to look at"),
    ],
)
def test_what_cannot_be_looked_at_is_a_sentence(
    broker: str, topics: tuple[str, str], options: list[str], sentence: str
) -> None:
    """A misspelt topic, no broker, nonsense: exit code 3 and one sentence, no traceback."""
    command = [sys.executable, "-m", "locust_kafka", "lag", "--kafka-bootstrap", broker]
    with Process([*command, "--kafka-request-topic", topics[0], "--kafka-group", "g", *options]) as lag:
        assert lag.wait(60) == 3, lag.output
    assert_well_behaved(lag.output)
    assert sentence in lag.output


def test_a_group_that_does_not_exist_passes_no_check(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """A misspelt group has no rebalances that anybody saw: no value, and the sentence says that there is none."""
    waiter.start()
    options = ["--headless", "--only-summary", "-u", "2", "-r", "2", "-t", "4s", "--kafka-settle", "0.2"]
    options += ["--kafka-group", "misspelt", "--kafka-check", "rebalances == 0"]
    with locust(broker, topics, "locustfiles/closed.py", *options) as run:
        assert run.wait() == 7, run.output
    assert_well_behaved(run.output)
    assert "check failed: rebalances == 0: no value (the consumer group 'misspelt' does not exist)" in run.output
    assert "Consumer group misspelt: there is none of this name" in run.output
