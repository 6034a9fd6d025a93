"""However a run begins and ends: balanced books, the right exit code, no traceback, no hang."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from locust_kafka.embedded import EmbeddedKafka
from tests.support import (
    NO_BROKER,
    Process,
    Waiter,
    assert_balanced,
    assert_well_behaved,
    await_answer,
    create_topics,
    free_port,
    http_post,
    locust,
    read_summary,
)

CLOSED = "locustfiles/closed.py"
COMMON = ["--only-summary", "-u", "10", "-r", "10", "--kafka-reply-timeout", "3", "--kafka-settle", "0.5"]


def run_time_ends(run: Process) -> None:
    """Nothing to do: -t ends it."""


def ctrl_c(run: Process) -> None:
    run.await_users()
    time.sleep(3)
    run.signal(signal.SIGINT, group=True)  # a terminal sends it to the whole group


def sigterm(run: Process) -> None:
    run.await_users()
    time.sleep(3)
    run.signal(signal.SIGTERM)


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
@pytest.mark.parametrize("end", [run_time_ends, ctrl_c, sigterm])
def test_every_end_is_drained(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, end: Callable[[Process], None], processes: int
) -> None:
    """Run time, Ctrl-C and SIGTERM: what was pending is matched in the drain, and Locust's code is 0."""
    waiter.start(wait="200ms")
    options = ["--headless", *COMMON, "--kafka-summary", str(tmp_path / "s.json")]
    options += ["-t", "4s"] if end is run_time_ends else []
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, CLOSED, *options) as run:
        end(run)
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    requests = assert_balanced(tmp_path / "s.json", at_least=20)
    assert requests["matched"] == requests["registered"], run.output
    assert "The books balance" in run.output
    if not processes:
        # Locust's own table has a row for these exchanges, and no failure.
        assert re.findall(r"^E2E +wait +(\d+) +(\d+)\(", run.output, re.MULTILINE)[-1] == (
            str(requests["registered"]),
            "0",
        )


def test_the_end_of_a_shape(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """A shape that changes users each second, readiness included, runs once and ends drained."""
    waiter.start(wait="50ms")
    with locust(
        broker, topics, "tests/process/locustfiles/shaped.py", "--headless", "--only-summary",
        "--kafka-settle", "0.5", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    assert_balanced(tmp_path / "s.json", at_least=20)


def test_a_second_ctrl_c_cuts_the_drain_short(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """Nobody answers and the timeout is an hour: the first Ctrl-C drains, the second ends at once, UNFINISHED."""
    with locust(
        broker, topics, CLOSED, "--headless", "--only-summary", "-u", "5", "-r", "5",
        "--kafka-reply-timeout", "3600", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        run.await_users()
        time.sleep(2)
        run.signal(signal.SIGINT)
        run.await_line("draining: 5 requests")
        run.signal(signal.SIGINT)
        run.wait(15)
    assert_well_behaved(run.output)
    requests = assert_balanced(tmp_path / "s.json", at_least=5)
    assert requests["unfinished"] == 5


def test_runs_follow_one_another(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Start, stop, start in the web UI, the second start inside the first one's drain: two runs, both balanced."""
    waiter.start("--drop", "20%", wait="50ms")
    port = free_port()
    options = ["--web-port", str(port), "--web-host", "127.0.0.1", "--kafka-summary", str(tmp_path / "s.json")]
    with locust(broker, topics, CLOSED, *options, "--kafka-reply-timeout", "3", "--kafka-settle", "0.5") as run:
        run.await_line("Starting web interface")
        url = f"http://127.0.0.1:{port}"
        await_answer(url)
        start = [("user_count", 10), ("spawn_rate", 10)]
        http_post(f"{url}/swarm", start)
        run.await_users()
        time.sleep(2)
        stopping = threading.Thread(target=http_post, args=(f"{url}/stop", []))  # answers when the drain is over
        stopping.start()
        run.await_line("draining:")
        for dest, value in (("kafka_summary", tmp_path / "other.json"), ("kafka_config", "/etc/passwd")):
            answer = json.loads(http_post(f"{url}/swarm", [*start, (dest, value)]))
            assert answer["success"] is False
            assert "cannot be set in the browser" in answer["message"]
            assert str(value) not in answer["message"]
        http_post(f"{url}/swarm", start)
        stopping.join()
        run.await_users(times=2)
        time.sleep(2)
        run.signal(signal.SIGTERM)
        run.wait()
    assert_well_behaved(run.output)
    assert run.output.count("The books balance") == 2, run.output
    for name in ("s.json", "s-2.json"):  # the second run does not overwrite the first one's
        requests = assert_balanced(tmp_path / name, at_least=10)
        assert requests["matched"] + requests["timed_out"] == requests["registered"]
    assert "it is run 2 of this process" in run.output
    assert not (tmp_path / "other.json").exists()


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
@pytest.mark.parametrize("what", ["no broker", "misspelt reply topic", "refused by the web UI's own path"])
def test_not_ready_is_a_sentence_and_a_code(broker: str, topics: tuple[str, str], what: str, processes: int) -> None:
    """No broker, a misspelt topic, a refused librdkafka setting: exit code 3, a sentence, no user ever starts."""
    options = ["--headless", *COMMON, "-t", "60s"]
    options += ["--processes", str(processes)] if processes else []
    names = (topics[0], topics[1] + "x") if what == "misspelt reply topic" else topics
    address = NO_BROKER if what == "no broker" else broker
    if what.startswith("refused"):
        options += ["--kafka-config", "tests/process/refused.properties"]
    with locust(address, names, CLOSED, *options) as run:
        assert run.wait(45) == 3, run.output
    assert_well_behaved(run.output)
    sentence = {
        "no broker": "no Kafka broker listens at 127.0.0.1:1",
        "misspelt reply topic": f"does not exist on {broker}: did you mean {topics[1]!r}?",
    }.get(what, "librdkafka refused a setting")
    assert sentence in run.output
    assert "hunter2" not in run.output  # the password of refused.properties


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kafka-reply-timeout", "abc"], "--kafka-reply-timeout 'abc' is refused: give a number from 0.001 to 3600"),
        (["--kafka-rate", "fast"], "--kafka-rate 'fast' is refused"),
        (["--kafka-match", "value"], "--kafka-match 'value' is unknown: use traceparent, key or header:NAME"),
        (["--kafka-request-topic", "a b"], "--kafka-request-topic 'a b' is no topic name"),
        (["--kafka-config", "no/such"], "--kafka-config 'no/such' cannot be read"),
        (["--kafka-config", "tests/process/java.properties"], "its module needs the option username"),
        (["--kafka-summary", "no/such/s.json"], "its folder does not exist"),
        (["--kafka-trace-url", "localhost/{trace_id}"], "give a URL with {trace_id} in it"),
        (["--kafka-trace-url", "http://localhost/trace"], "give a URL with {trace_id} in it"),
        (["--kafka-trace-rate", "-1"], "--kafka-trace-rate '-1' is refused"),
        (["--kafka-trace-slow", "soon"], "--kafka-trace-slow 'soon' is refused"),
        (["--kafka-metrics-port", "70000"], "give a port from 1 to 65535"),
    ],
)
def test_refused_options(options: list[str], sentence: str) -> None:
    """A refused value is named with what is accepted, before anything starts; exit code 3."""
    with locust(NO_BROKER, ("a", "b"), CLOSED, "--headless", *options) as run:
        assert run.wait(30) == 3, run.output
    assert sentence in run.output
    assert "hunter2" not in run.output
    assert_well_behaved(run.output)


def test_kafka_gone_in_mid_run(tmp_path: Path) -> None:
    """The broker is killed under load: said so, timeouts tagged, the run ends at its time, invalid, books balanced."""
    with EmbeddedKafka() as kafka:
        topics = ("requests", "replies")
        create_topics(kafka.bootstrap, *topics)
        with Waiter(kafka.bootstrap, topics) as waiter:
            waiter.start(wait="20ms")
            options = ["--headless", *COMMON, "-t", "8s", "--kafka-summary", str(tmp_path / "s.json")]
            with locust(kafka.bootstrap, topics, CLOSED, *options) as run:
                run.await_users()
                time.sleep(2)
                kafka.stop()
                assert run.wait() == 4, run.output
    assert_well_behaved(run.output)
    assert "the reply consumer has lost every broker" in run.output
    assert "the reply consumer had no broker" in run.output
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"], summary["equations"]
    assert not summary["valid"]


def test_nothing_touches_kafka_before_it_must() -> None:
    """--list and --show-task-ratio answer without a broker."""
    for option, sign in (("--list", "Guest"), ("--show-task-ratio", "wait_for_ada")):
        with locust(NO_BROKER, ("a", "b"), CLOSED, option) as run:
            assert run.wait(30) == 0, run.output
        assert sign in run.output


def test_run_single_user(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Locust's debugging helper works: no runner, no test_stop, each exchange printed."""
    waiter.start()
    script = tmp_path / "single.py"
    script.write_text(
        "from locust import run_single_user, task\n"
        "from locust_kafka import KafkaUser\n"
        "class Guest(KafkaUser):\n"
        f"    bootstrap, request_topic, reply_topic = {broker!r}, {topics[0]!r}, {topics[1]!r}\n"
        "    @task\n"
        "    def exchange(self):\n"
        "        reply = self.kafka.request('Ada', name='single')\n"
        "        print(reply.value, reply.ok, flush=True)\n"
        "        self.environment.single_user_instance.count = n = getattr(self, 'count', 0) + 1\n"
        "        if n == 5: raise SystemExit(0)\n"
        "if __name__ == '__main__': run_single_user(Guest)\n"
    )
    with Process([sys.executable, str(script)]) as run:
        assert run.wait(30) == 0, run.output
    assert_well_behaved(run.output)
    assert run.output.count("b'I have been waiting 0 ms for Ada' True") == 5
    assert "E2E" in run.output


def test_a_run_waits_for_topics_that_are_about_to_be_made(broker: str, waiter: Waiter, tmp_path: Path) -> None:
    """With --kafka-ready-timeout above its default, what something else creates meanwhile is waited for."""
    topics = (f"soon-{os.getpid()}", f"soon-answers-{os.getpid()}")
    options = ["--headless", "-u", "2", "-r", "2", "-t", "12s", "--kafka-ready-timeout", "60"]
    with locust(broker, topics, CLOSED, *options, "--kafka-summary", str(tmp_path / "s.json")) as run:
        run.await_line("waiting for the brokers")
        time.sleep(1)  # well beyond the two seconds after which a topic is believed to be missing
        create_topics(broker, *topics)
        waiter.topics = topics
        waiter.start()
        assert run.wait() == 0, run.output
    assert_balanced(tmp_path / "s.json", at_least=2)
