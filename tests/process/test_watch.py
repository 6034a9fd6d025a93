"""`locust-kafka watch` beside a real run: what it saw is what the run did, and it produced nothing."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support import NO_BROKER, Process, Waiter, assert_balanced, assert_well_behaved, locust, read, read_summary


def watching(broker: str, topics: tuple[str, str], *options: str) -> Process:
    command = [sys.executable, "-m", "locust_kafka", "watch", "--kafka-bootstrap", broker]
    return Process([*command, "--kafka-request-topic", topics[0], "--kafka-reply-topic", topics[1], *options])


def await_quiet(watch: Process, timeout_s: float = 60) -> None:
    """Until it says, later than now, that nothing is pending."""
    seen, deadline = len(watch.lines), time.monotonic() + timeout_s
    while not any("; 0 pending" in line for line in watch.lines[seen:]):
        assert time.monotonic() < deadline, watch.output
        time.sleep(0.1)


def test_what_it_sees_is_what_a_run_does(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Requests, timeouts and duplicates of a run, counted from the two topics alone; the check decides the code."""
    waiter.start("--drop", "20%", "--duplicate", "20%", wait="20ms")
    folder = tmp_path / "watched"
    options = ["--kafka-reply-timeout", "1", "--kafka-check", "duplicates == 0", "--kafka-report", str(folder)]
    with watching(broker, topics, *options) as watch:
        watch.await_line("watching 8 partitions")
        path = tmp_path / "s.json"
        load = ["--headless", "-u", "5", "-r", "5", "-t", "4s", "--kafka-reply-timeout", "1", "--kafka-settle", "1"]
        with locust(broker, topics, "locustfiles/closed.py", *load, "--kafka-summary", str(path)) as run:
            run.wait()
        await_quiet(watch)
        watch.signal(signal.SIGINT)
        assert watch.wait(30) == 7, watch.output
    assert_well_behaved(watch.output)
    assert "FAILED: duplicates == 0" in watch.output
    requests, seen = assert_balanced(path, at_least=20), read_summary(folder / "summary.json")
    assert seen["valid"]
    assert seen["requests"] == requests
    mine = read_summary(path)
    assert seen["replies"] == mine["replies"]
    assert seen["latency_ms"]["e2e_matched"]["p50"] == pytest.approx(mine["legs_ms"]["service"]["p50"], abs=1.5)
    assert seen["examples"][0]["request_at"].startswith(topics[0])
    assert len(read(broker, topics[0], requests["registered"])) == requests["registered"]
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--kafka-request-topic", "nowhere"], "nowhere"),
        (["--kafka-bootstrap", NO_BROKER], "127.0.0.1:1"),
        (["--seconds", "-1"], "--seconds -1.0 is refused"),
        (["--kafka-match", "magic"], "--kafka-match 'magic' is unknown"),
        (["--kafka-check", "speed > 3"], "speed"),
        (["--kafka-check", "lag.max < 3"], "--kafka-check 'lag.max < 3' is refused: a watch knows"),
        (["--kafka-check", ""], "--kafka-check '' is empty"),
    ],
)
def test_what_cannot_be_watched_is_a_sentence(
    broker: str, topics: tuple[str, str], options: list[str], sentence: str
) -> None:
    """A misspelt topic, no broker, a refused value: exit code 3, one sentence that names it, no traceback."""
    with watching(broker, topics, *options) as watch:
        assert watch.wait(60) == 3, watch.output
    assert_well_behaved(watch.output)
    assert sentence in watch.output
    assert "locust-kafka watch: " in watch.output


def test_a_watch_ends_by_itself(broker: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """With --seconds it ends; of two silent topics it says that nothing was sent, and the summary is JSON."""
    path = tmp_path / "s.json"
    with watching(broker, topics, "--seconds", "1", "--kafka-summary", str(path)) as watch:
        assert watch.wait(60) == 0, watch.output
    assert "NO REQUESTS" in watch.output
    assert json.loads(path.read_text())["requests"]["registered"] == 0
