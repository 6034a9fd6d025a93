"""What the documentation shows is run: each locustfile, the locust.conf, the CI job's recipe."""

from __future__ import annotations

import http.server
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support import (
    ROOT,
    Process,
    Waiter,
    assert_balanced,
    assert_headed,
    assert_well_behaved,
    create_topics,
    free_port,
    locust,
)

LOCUSTFILES, CI, README = (ROOT / name for name in ("docs/locustfiles.md", "docs/ci.md", "README.md"))
PAIRS = [("Waiter-Requests", "Waiter-Responses"), ("Orders", "Order-Answers"), ("Stock", "Stock-Answers")]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def documented() -> dict[str, str]:
    """The complete locustfiles, by their number and last class."""
    found = [one for path in (README, LOCUSTFILES) for one in blocks(path, "python") if one.startswith("from ")]
    assert len(found) >= 6
    classes = [re.findall(r"^class (\w+)", one, re.MULTILINE)[-1] for one in found]
    return {f"{number}-{name}": one for number, (name, one) in enumerate(zip(classes, found, strict=True))}


FILES = documented()
GUESTS = "name\nAda\nGrace\n"


@pytest.fixture(scope="module")
def answered(broker: str) -> Iterator[str]:
    """The topics that the documentation names, each pair with a waiter on it."""
    create_topics(broker, *(topic for pair in PAIRS for topic in pair))
    waiters = [Waiter(broker, pair) for pair in PAIRS]
    for waiter in waiters:
        waiter.start(wait="10ms")
    yield broker
    for waiter in waiters:
        waiter.__exit__()


@pytest.fixture(scope="module")
def gateway(broker: str) -> Iterator[str]:
    """An HTTP service that puts what it is posted on a topic, with the caller's traceparent, as a gateway would."""
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 0})

    class Gateway(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            traceparent = self.headers["traceparent"].encode()
            producer.produce(PAIRS[0][0], body, headers=[("traceparent", traceparent)])
            producer.poll(0)  # serves delivery reports; sending is librdkafka's own thread's
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    assert producer.flush(30) == 0


@pytest.mark.parametrize("name", FILES)
def test_a_documented_locustfile_runs(answered: str, gateway: str, tmp_path: Path, name: str) -> None:
    """As it stands in the documentation: requests are answered, the books balance, Locust has nothing to complain of."""
    text = (
        FILES[name].replace("> 120", "> 4").replace("< 60", "< 2").replace("guests.csv", str(tmp_path / "guests.csv"))
    )
    (tmp_path / "guests.csv").write_text(GUESTS)
    file, path = tmp_path / "locustfile.py", tmp_path / "s.json"
    file.write_text(text)
    options = ["--headless", "--only-summary", "-u", "8", "-r", "8", "--host", gateway, "--kafka-settle", "0.2"]
    options += ["--stop-timeout", "5"]
    options += [] if "LoadTestShape" in text else ["-t", "3s"]
    with locust(answered, PAIRS[0], str(file), *options, "--kafka-summary", str(path)) as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    requests = assert_balanced(path, at_least=10)
    assert requests["matched"] == requests["registered"]


def test_the_documented_configuration_file_runs_two_locustfiles(answered: str, tmp_path: Path) -> None:
    """`locust` alone, in a folder with the locust.conf: both files' users, the check, the report."""
    (conf,) = blocks(LOCUSTFILES, "ini")
    (tmp_path / "locust.conf").write_text(conf.replace("localhost:9092", answered).replace("1m", "4s"))
    (tmp_path / "guests.csv").write_text(GUESTS)
    (tmp_path / "guests.py").write_text(next(text for text in FILES.values() if "feed(" in text))
    (tmp_path / "kinds.py").write_text(next(text for text in FILES.values() if "class Clerk" in text))
    with Process([sys.executable, "-m", "locust"], directory=tmp_path, LOCUST_KAFKA_SELF_CHECK="show") as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    assert_headed(run.output, "PASSED: the check holds")
    assert_balanced(tmp_path / "results" / "summary.json", at_least=20)
    page = (tmp_path / "results" / "report.html").read_text("utf-8")
    assert all(f'"{name}"' in page for name in ("buy", "count", "wait"))


def test_the_documented_ci_job_passes(tmp_path: Path) -> None:
    """The recipe's own commands, in a shell, on a machine with nothing running: exit code 0 and a report."""
    (recipe,) = [block for block in blocks(CI, "yaml") if "run: |" in block]
    script = re.search(r"- run: \|\n((?: {10}.*\n)+)", recipe)
    assert script is not None
    (tmp_path / "locustfile.py").write_text(blocks(README, "python")[0])
    port = str(free_port())
    # A busy machine is no finding: what is tested is the recipe, not its limit.
    commands = script[1].replace("9092", port).replace("-t 30s", "-t 4s").replace("< 250ms", "< 20s")
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LOCUST_KAFKA_BOOTSTRAP": f"localhost:{port}", "WAITER_BOOTSTRAP": f"localhost:{port}",
        "LOCUST_KAFKA_SELF_CHECK": "show", "GITHUB_STEP_SUMMARY": str(tmp_path / "page.md"),
    }  # fmt: skip
    script_end = "code=$?; kill %1; exit $code\n"  # what a job's machine does when it is thrown away
    with Process(["bash", "-c", f"set -m\n{commands}\n{script_end}"], directory=tmp_path, **environment) as job:
        code = job.wait(180)
    broker = re.search(r"end it with: kill (\d+)", job.output)
    assert broker is not None, job.output
    os.kill(int(broker[1]), signal.SIGTERM)
    assert code == 0, job.output
    assert (tmp_path / "page.md").read_text().count(" | ok |") == 2
    assert (tmp_path / "results" / "junit.xml").is_file()


def test_a_detached_broker_that_cannot_start_says_why() -> None:
    """A port that is taken: exit code 1 and the sentence, at once and not into a file that nobody reads."""
    command = [sys.executable, "-m", "locust_kafka", "broker", "--detach", "--port", "99999"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == "locust-kafka: --port 99999 is refused: give a number from 0 to 65535"
