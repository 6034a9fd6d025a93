"""Beside Locust's own features: other users, tags, graceful stops, resets, reports."""

from __future__ import annotations

import csv
import http.server
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support import (
    NO_BROKER,
    Process,
    Waiter,
    assert_well_behaved,
    await_answer,
    create_topics,
    free_port,
    http_post,
    locust,
    read,
    read_summary,
)


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_beside_http_users_with_tags_and_a_graceful_stop(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """FastHttpUser, tags, weights, on_start/on_stop, --stop-timeout, --csv and --html: all as Locust's users expect."""
    waiter.start(wait="300ms")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with locust(
        broker, topics, "tests/process/locustfiles/mixed.py", "--headless", "-u", "8", "-r", "8", "-t", "5s",
        "--tags", "wanted", "--stop-timeout", "5", "--host", f"http://127.0.0.1:{server.server_port}",
        "--csv", str(tmp_path / "run"), "--html", str(tmp_path / "report.html"), "--kafka-settle", "2",
        "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    server.shutdown()
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert set(summary["names"]) == {"wanted"}
    # Locust writes its CSV once a second and not at the end: the settling leaves it the time.
    # With a stop timeout the tasks under way were let finish: every exchange has its row, also in the reports.
    rows = {row["Name"]: row for row in csv.DictReader((tmp_path / "run_stats.csv").read_text().splitlines())}
    assert int(rows["wanted"]["Request Count"]) == summary["requests"]["registered"] > 20
    assert int(rows["home"]["Request Count"]) > 0
    assert "wanted" in (tmp_path / "report.html").read_text()
    assert run.output.count("<started>") == run.output.count("<stopped>") == 6


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
def test_reset_stats_resets_latencies_and_never_the_books(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: int
) -> None:
    """--reset-stats: Locust's rows and our latencies begin anew when all users have started; the books keep all."""
    waiter.start(wait="20ms")
    options = ["--headless", "-u", "6", "-r", "2", "-t", "7s", "--reset-stats", "--kafka-settle", "0.2"]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, "locustfiles/closed.py", *options, "--kafka-summary", str(tmp_path / "s.json")) as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert 0 < summary["latency_ms"]["e2e"]["count"] < summary["requests"]["matched"]
    assert summary["latency_since"] == "since all users had started"


TWO = "tests/process/locustfiles/two_classes.py"


def test_classes_with_topics_of_their_own(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """Two user classes, two pairs of topics, one run, started by --autostart: each finds its replies."""
    second = (topics[0] + "-second", topics[1] + "-second")
    create_topics(broker, *second)
    waiter.start()
    with (
        Waiter(broker, second) as other,
        locust(
            broker, topics, TWO, "--autostart", "--autoquit", "0", "-u", "6", "-r", "6", "-t", "4s", "--web-port",
            str(free_port()), "--kafka-settle", "0.2", "--kafka-summary", str(tmp_path / "s.json"),
            SECOND_REQUESTS=second[0], SECOND_REPLIES=second[1],
        ) as run,
    ):  # fmt: skip
        other.start()
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    for name in ("first", "second"):
        requests = summary["names"][name]["requests"]
        assert requests["matched"] == requests["registered"] > 10
    assert read(broker, second[0], 1), "the second class's requests went to its own topic"


def test_several_clusters_are_refused() -> None:
    """A class that names another cluster than the others: a sentence, exit code 3."""
    with locust(NO_BROKER, ("a", "b"), TWO, "--headless", SECOND_BOOTSTRAP="elsewhere:9092") as run:
        assert run.wait(30) == 3, run.output
    assert "several clusters are named: elsewhere:9092 by Second.bootstrap and 127.0.0.1:1 by --kafka-bootstrap" in (
        run.output
    )
    assert_well_behaved(run.output)


def test_producers_near_the_limit_of_open_files(broker: str, topics: tuple[str, str], waiter: Waiter) -> None:
    """More producers than files may be open: the run stops with the remedy before librdkafka fails; exit code 4."""
    waiter.start()
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/closed.py", "--headless", "-u", "60", "-r", "60"]
    command += ["-t", "30s", "--kafka-bootstrap", broker, "--kafka-request-topic", topics[0]]
    command += ["--kafka-reply-topic", topics[1], "--kafka-settle", "0"]
    # Locust raises the soft limit to 10 000 by itself: only a hard one stands.
    with Process(["bash", "-c", 'ulimit -n 256; exec "$@"', "bash", *command]) as run:
        assert run.wait() == 4, run.output
    assert "would pass the limit of 256 open files" in run.output
    assert 'set producers = "shared"' in run.output
    assert_well_behaved(run.output)


@pytest.mark.parametrize("processes", [0, 2], ids=["local", "distributed"])
def test_the_web_ui_steers_a_run(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, processes: int
) -> None:
    """Class picker, more users, fewer users, reset, stop: one run, balanced, latencies since the reset."""
    waiter.start(wait="20ms")
    port = free_port()
    options = ["--class-picker", "--web-port", str(port), "--web-host", "127.0.0.1", "--kafka-settle", "0.2"]
    options += ["--processes", str(processes)] if processes else []
    with locust(broker, topics, TWO, *options, "--kafka-summary", str(tmp_path / "s.json")) as run:
        run.await_line("Starting web interface")
        await_answer(f"http://127.0.0.1:{port}/")
        for times, users in enumerate((4, 10, 2), 1):
            form = [("user_count", users), ("spawn_rate", 10), ("user_classes", "First")]
            http_post(f"http://127.0.0.1:{port}/swarm", form)
            run.await_users(times=times)
            time.sleep(2)
        http_post(f"http://127.0.0.1:{port}/stats/reset", [])
        time.sleep(2)
        http_post(f"http://127.0.0.1:{port}/stop", [])
        run.await_line("The books balance")
        run.signal(signal.SIGTERM)
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert not summary["invalid"]
    assert set(summary["names"]) == {"first"}
    assert summary["requests"]["matched"] == summary["requests"]["registered"] > 50
    assert 0 < summary["latency_ms"]["e2e"]["count"] < summary["requests"]["matched"]
    assert summary["latency_since"] == "since the statistics were reset"
