"""The plugin inside a real Locust, seen from a locustfile and from Locust's own reports."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from tests.support import Waiter, assert_well_behaved, create_topics, locust, read_summary

CLOSED = "locustfiles/closed.py"


def test_every_call_of_the_client(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """request, send, catch_response, on_reply, timeouts and refusals: results, rows and books as documented."""
    create_topics(broker, topics[0] + "-silent")
    waiter.start()
    with locust(
        broker, topics, "tests/process/locustfiles/api.py", "--headless", "--kafka-settle", "0.5",
        "--kafka-reply-timeout", "5", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        assert run.wait() == 1, run.output
    assert_well_behaved(run.output)
    for line in (
        "<plain: (True, True, 'MATCHED', b'I have been waiting 0 ms for Ada', b'a-key', 32)>",
        "<headers: ['server-timing', 'traceparent']>",
        "<no-key: 36>",
        "<silent: (False, False, 'TIMED_OUT', None, 300)>",
        "<large: (False, 'UNDELIVERED')>",
        "<sent: (True, True)>",
        "<unwaited: None>",
        "<refused: False>",
    ):
        assert line in run.output, f"{line}\n{run.output}"
    for failure in (
        "checked: not what was expected", "asserted: an assertion", "silent: no reply within 0.3 s",
        "large: undelivered: ", "complained: this reply is wrong", "raised: ZeroDivisionError",
    ):  # fmt: skip
        assert f"E2E {failure}" in run.output, failure
    assert "E2E forgiven:" not in run.output
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    assert summary["requests"]["undelivered"] == 2
    assert summary["requests"]["timed_out"] == 2
    assert {name for name, entry in summary["names"].items() if entry["rejected"]} == {
        "checked", "asserted", "complained", "raised",
    }  # fmt: skip
    assert summary["names"]["plain"]["latency_ms"]["e2e"]["count"] == 2
    assert summary["names"]["silent"]["latency_ms"]["e2e"]["max"] == 300


def test_batched_and_single_statistics_are_the_same(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """All counting columns of Locust's CSV files agree, whether events are fired singly or merged in batches."""
    waiter.start()
    tables = []
    for single in ("", "1"):
        prefix = tmp_path / f"run{single}"
        with locust(
            broker, topics, "tests/process/locustfiles/burst.py", "--headless", "--csv", str(prefix),
            "--kafka-settle", "0", SINGLE=single,
        ) as run:  # fmt: skip
            assert run.wait() == 1, run.output
        assert_well_behaved(run.output)
        tables.append(
            {row["Name"]: row for row in csv.DictReader(Path(f"{prefix}_stats.csv").read_text().splitlines())}
        )
        failures = list(csv.DictReader(Path(f"{prefix}_failures.csv").read_text().splitlines()))
        assert [(row["Name"], row["Occurrences"]) for row in failures] == [("large", "3")]
    batched, single_fired = tables
    assert batched.keys() == single_fired.keys() == {"even", "odd", "large", "Aggregated"}
    for name in batched:
        for column in ("Type", "Request Count", "Failure Count", "Average Content Size"):
            assert batched[name][column] == single_fired[name][column], (name, column)
        for table in tables:
            row = table[name]
            low, mid, high = (float(row[f"{c} Response Time"]) for c in ("Min", "Average", "Max"))
            assert low <= mid <= high
            assert float(row["Requests/s"]) > 0
            assert (float(row["100%"]) == 0) == (high < 0.5)


@pytest.mark.parametrize("match", ["key", "header:traceparent"])
def test_other_matching_rules(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, match: str) -> None:
    """By key and by header: a header that the service changes matches nothing, and the diagnosis says what was seen."""
    waiter.start()
    with locust(
        broker, topics, CLOSED, "--headless", "-u", "10", "-r", "10", "-t", "9s", "--kafka-reply-timeout", "1",
        "--kafka-match", match, "--kafka-settle", "0.5", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        code = run.wait()
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"]
    if match == "key":
        assert code == 0, run.output
        assert summary["requests"]["matched"] == summary["requests"]["registered"] > 20
    else:
        assert code == 1
        assert summary["requests"]["matched"] == 0
        assert "replies came and none matches a request" in run.output
        assert "--kafka-match key or --kafka-match header:NAME" in run.output


def test_a_gzipped_exchange_log_and_a_warm_up(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path
) -> None:
    """Rows for all, latencies only for those after the warm-up; instants in order."""
    waiter.start(wait="10ms")
    with locust(
        broker, topics, CLOSED, "--headless", "-u", "2", "-t", "5s", "--kafka-settle", "0", "--kafka-warmup", "2",
        "--kafka-summary", str(tmp_path / "s.json"), "--kafka-exchange-log", str(tmp_path / "x.csv.gz"),
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    summary = read_summary(tmp_path / "s.json")
    with gzip.open(tmp_path / "x.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == summary["requests"]["registered"]
    assert 0 < summary["latency_ms"]["e2e"]["count"] < len(rows)
    assert summary["latency_since"] == "without the first 2 s"
    for row in rows:
        intended, sent, acked, received = (int(row[f"{c}_ns"]) for c in ("intended", "sent", "acked", "received"))
        assert intended <= sent < min(acked, received)
        assert abs(int(row["request_append_ms"]) * 10**6 - sent) < 5 * 10**9  # one host, one clock
        assert (row["outcome"], row["verdict"]) == ("MATCHED", "MATCH")


@pytest.mark.parametrize("locustfile", ["closed", "open"])
def test_the_examples_run(broker: str, topics: tuple[str, str], waiter: Waiter, locustfile: str) -> None:
    """Each file in locustfiles/ works as its docstring says, also when it sends as another client; the rate is kept."""
    waiter.start()
    options = ["--headless", "-u", "5", "-t", "4s", "--kafka-settle", "0.2"]
    options += ["--kafka-rate", "50"] if locustfile == "open" else []
    options += ["--kafka-producer-like", "librdkafka" if locustfile == "open" else "java"]
    with locust(broker, topics, f"locustfiles/{locustfile}.py", *options) as run:
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    assert "The books balance" in run.output


def test_a_reply_may_be_expected(broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path) -> None:
    """What somebody else has sent is registered, matched, timed out and counted like any other exchange."""
    waiter.start("--drop", "10%", wait="10ms")
    with locust(
        broker, topics, "tests/process/locustfiles/expecting.py", "--headless", "--only-summary", "-u", "1", "-t", "5s",
        "--kafka-reply-timeout", "1", "--kafka-settle", "0.3", "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        assert run.wait() == 1, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert summary["balanced"], summary["equations"]
    assert not summary["invalid"]
    assert summary["valid"] == summary["self_check"]["ok"]
    order, nobody = (summary["names"][name]["requests"] for name in ("order", "nobody"))
    assert order["matched"] > 0
    assert order["matched"] + order["timed_out"] == order["registered"]
    assert nobody["timed_out"] == nobody["registered"] > 0
    assert summary["replies"]["foreign"] == summary["replies"]["malformed"] == 0
