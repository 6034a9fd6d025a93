"""Beside Locust's own features: other users, tags, graceful stops, resets, reports."""

from __future__ import annotations

import csv
import http.server
import threading
from pathlib import Path

import pytest

from tests.support import Waiter, assert_well_behaved, locust, read_summary


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
        broker, topics, "tests/load/locustfiles/mixed.py", "--headless", "-u", "8", "-r", "8", "-t", "5s",
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
