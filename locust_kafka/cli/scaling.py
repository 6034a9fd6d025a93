"""The scaling lesson: what a service's lag and rebalances do to its customers, on a real Kafka, in 90 seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from locust_kafka.cli.demo import waiter_process
from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError
from locust_kafka.paths import writable_folder

RATE, WAIT_MS, WAITERS = 300, 40, 8
SECONDS = 80
ALONE_S, TOGETHER_S = 20, 30
MORE = 2
"""Instances that come, and go again."""


def run_scaling(locustfile: str, folder: str) -> int:
    """Scale the service from one instance to three and back, under load; prints what it did and writes the report.

    Args:
        locustfile: sends without waiting.
        folder: where the report goes.

    Raises:
        EmbeddedKafkaError: Kafka or the waiter could not be started, or the run failed.
        SettingsError: the folder cannot be written.
    """
    if not Path(locustfile).is_file():
        raise EmbeddedKafkaError(f"--locustfile {locustfile!r} does not exist")
    folder = writable_folder(folder, "--report")
    each = f"{WAITERS * 1000 // WAIT_MS} requests/s"
    print(f"{RATE} requests/s for {SECONDS} s; an instance of the service can do {each}.", flush=True)
    with EmbeddedKafka(config={"num.partitions": "4"}) as kafka, ExitStack() as first:
        service = ["--wait", f"{WAIT_MS}ms", "--waiters", str(WAITERS)]
        first.enter_context(waiter_process(kafka.bootstrap, *service))
        options = ["-u", "50", "-r", "100", "-t", f"{SECONDS}s", "--kafka-bootstrap", kafka.bootstrap]
        options += ["--kafka-rate", str(RATE), "--kafka-reply-timeout", "60", "--kafka-self-check", "show"]
        command = [sys.executable, "-m", "locust", "-f", locustfile, "--headless", "--only-summary", *options]
        # A rebalance may cost duplicates, which here are the point.
        command += ["--exit-code-on-error", "0"]
        with subprocess.Popen(
            [*command, "--kafka-report", folder], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as run:
            with ExitStack() as more:
                time.sleep(ALONE_S)
                _say(f"{MORE} more instances come")
                for _ in range(MORE):
                    more.enter_context(waiter_process(kafka.bootstrap, *service))
                time.sleep(TOGETHER_S)
                _say(f"{MORE} instances go")
            _stdout, errors = run.communicate()
        if run.returncode != 0:
            raise EmbeddedKafkaError(f"the run ended with {run.returncode}: {errors[-2000:]}")
    _explain(json.loads((Path(folder) / "summary.json").read_text("utf-8")), folder)
    return 0


def _explain(summary: dict[str, Any], folder: str) -> None:
    group, e2e = summary["group"], summary["latency_ms"]["e2e"]
    print(f"\ne2e p50 {e2e['p50']:.0f} ms, p99 {e2e['p99']:.0f} ms, at most {e2e['max']:.0f} ms")
    if group is not None:
        print(f"the group was at most {group['lag_max']} records behind; {group['rebalances']} rebalances:")
        for at_s, words in group["events"]:
            print(f"  {time.strftime('%H:%M:%S', time.localtime(at_s))}  {words}")
    print(f"\nThe picture, latency and lag one above the other: {Path(folder) / 'report.html'}")


def _say(words: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')}  {words}", flush=True)
