"""Where the time went, on a real broker."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.support import Waiter, assert_well_behaved, create_topics, locust, read_summary


@pytest.mark.parametrize("rate", [[], ["--kafka-rate", "100"]], ids=["closed", "open"])
def test_legs_add_up_to_the_latency(
    broker: str, topics: tuple[str, str], waiter: Waiter, tmp_path: Path, rate: list[str]
) -> None:
    """For every exchange the four legs make the latency, as far as single legs are known, and the service's leg holds the service's wait."""
    waiter.start(wait="30ms")
    with locust(
        broker, topics, "locustfiles/closed.py", "--headless", "-u", "5", "-t", "6s", "--kafka-settle", "0",
        "--kafka-summary", str(tmp_path / "s.json"), "--kafka-exchange-log", str(tmp_path / "x.csv"), *rate,
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    rows = list(csv.DictReader((tmp_path / "x.csv").open()))
    known = [row for row in rows if row["service_ms"]]
    assert len(known) > 0.9 * len(rows) > 90
    for row in known:
        legs = sum(float(row[f"{leg}_ms"]) for leg in ("schedule", "request", "service", "reply"))
        assert legs == pytest.approx(
            (int(row["received_ns"]) - int(row["intended_ns"])) / 1e6, abs=1.6
        )  # three legs, each to 0.5 ms
        assert float(row["service_ms"]) >= 28.5  # 30, less what two whole milliseconds can hide
        assert float(row["ack_ms"]) == pytest.approx((int(row["acked_ns"]) - int(row["sent_ns"])) / 1e6, abs=0.001)
    summary = read_summary(tmp_path / "s.json")
    service = summary["legs_ms"]["service"]
    assert service["count"] == pytest.approx(
        len(known), abs=20
    )  # those of the first moment were told with less knowledge
    assert service["mean"] > 29.5
    assert 0 < summary["legs_uncertainty_ms"] < 10
    assert not summary["legs_unavailable"]
    assert set(summary["broker_clocks_ms"]) == {"1"}
    assert ("schedule" in summary["legs_ms"]) == bool(rate)
    assert "the clock of broker 1 is" in run.output
    assert any(example["legs_ms"].get("service", 0) > 28 for example in summary["examples"])
    waits, longest_ms = summary["before_the_wire"], summary["latency_ms"]["e2e"]["max"]
    assert waits["queue"]["count"] > 0
    assert 0 <= waits["queue"]["mean"] <= waits["queue"]["max"] <= longest_ms
    assert waits["buffer"]["count"] > 0
    if summary["legs_ms"]["request"]["mean"]:
        assert 0 <= waits["share_of_request"] <= 1
    else:  # the leg is shorter than what is known of it: so is any share of it
        assert waits["share_of_request"] is None
    assert 0 < waits["producers"]["watched"] == waits["producers"]["all"] <= 5  # a slow machine makes one for each late
    assert "Before the wire, ms" in run.output


def test_create_time_says_what_it_cannot_tell(
    broker: str, waiter: Waiter, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Without the brokers' own stamps there is the ack, and a word on the rest."""
    plain = (topics[0] + "-create", topics[1] + "-create")
    create_topics(broker, *plain, **{"message.timestamp.type": "CreateTime"})
    waiter.topics = plain
    waiter.start()
    with locust(
        broker, plain, "locustfiles/closed.py", "--headless", "-u", "2", "-t", "4s", "--kafka-settle", "0",
        "--kafka-summary", str(tmp_path / "s.json"),
    ) as run:  # fmt: skip
        assert run.wait() == 0, run.output
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "s.json")
    assert set(summary["legs_ms"]) == {"ack"}
    assert "LogAppendTime" in summary["legs_unavailable"]
    assert "are not known" in run.output
