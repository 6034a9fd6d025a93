"""The waiter's behaviour is a pure function of the trace id: the ledger must come out exactly as planned."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tests.support import Waiter, assert_well_behaved, create_topics, locust, read_summary
from waiter_service.core.behaviour import Behaviour
from waiter_service.settings import parse

FAULTS = ["--drop", "1%", "--duplicate", "3%", "--late", "1%:6s", "--error", "1%", "--seed", "7"]
WAIT = "uniform:5ms-50ms"
TIMEOUT_S, SETTLE_S = 4, 6


def planned(behaviour: Behaviour, trace_ids: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Outcomes and verdicts that the pure plan predicts for delivered requests."""
    outcomes: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    for trace_id in trace_ids:
        plan = behaviour.plan(trace_id.encode())
        in_time = plan.replies > 0 and plan.late_s == 0
        outcomes["MATCHED" if in_time else "TIMED_OUT"] += 1
        if plan.replies:
            verdicts["MATCH" if in_time else "LATE"] += 1
        if plan.replies == 2:
            verdicts["DUPLICATE"] += 1
    return outcomes, verdicts


@pytest.mark.parametrize(
    ("model", "processes", "routing"),
    [
        ("closed", 0, "auto"),
        ("closed", 2, "shared"),
        ("open", 0, "auto"),
        ("open", 2, "topic"),
        ("open", 4, "partition"),
    ],
)
def test_the_ledger_is_exactly_the_plan(broker: str, tmp_path: Path, model: str, processes: int, routing: str) -> None:
    """Matched, timed out, late, duplicate and undelivered are those the trace ids predict, row by row and in sum."""
    topics = (f"exact-{model}-{processes}", f"exact-{model}-{processes}-replies")
    create_topics(broker, topics[0], **{"max.message.bytes": "200000"})
    create_topics(broker, topics[1])
    options = ["--headless", "--only-summary", "-u", "60", "-r", "60", "-t", "12s" if routing == "topic" else "9s"]
    options += ["--kafka-reply-routing", routing]
    options += ["--kafka-reply-timeout", str(TIMEOUT_S), "--kafka-settle", str(SETTLE_S)]
    options += ["--kafka-summary", str(tmp_path / "summary.json"), "--kafka-exchange-log", str(tmp_path / "x.csv")]
    options += ["--kafka-rate", "350"] if model == "open" else []
    options += ["--processes", str(processes)] if processes else []
    # With a producer each, a refused record stands alone in its batch: the broker refuses it.  With a shared one it
    # would take its neighbours with it; there it is so large that librdkafka refuses it.
    kind = {"closed": {"TOO_LARGE": "300000"}, "open": {"TOO_LARGE": "2000000", "PRODUCERS": "shared"}}[model]
    with Waiter(broker, topics) as waiter:
        waiter.start(*FAULTS, "--waiters", "80", wait=WAIT)
        run = locust(broker, topics, "tests/process/locustfiles/exact.py", *options, MODEL=model, **kind)
        with run:
            assert run.wait() == 1, run.output  # Locust's own rule: requests failed
    assert_well_behaved(run.output)
    summary = read_summary(tmp_path / "summary.json")
    rows = [row for path in sorted(tmp_path.glob("x*.csv")) for row in csv.DictReader(path.open())]

    ended = [row for row in rows if row["outcome"]]
    delivered = [row["trace_id"] for row in ended if row["outcome"] != "UNDELIVERED"]
    outcomes, verdicts = planned(parse([*FAULTS, "--wait", WAIT]).behaviour, delivered)
    assert len(ended) >= 400  # a slow machine does fewer; the law is the same
    assert len({row["trace_id"] for row in ended}) == len(ended)

    undelivered = len(ended) - len(delivered)
    assert undelivered >= 2
    assert Counter(row["outcome"] for row in ended) == outcomes | Counter(UNDELIVERED=undelivered)
    assert Counter(row["verdict"] for row in rows if row["verdict"]) == verdicts
    requests, replies = summary["requests"], summary["replies"]
    assert requests == {
        "registered": len(ended), "matched": outcomes["MATCHED"], "timed_out": outcomes["TIMED_OUT"],
        "undelivered": undelivered, "unfinished": 0, "lost": 0, "pending": 0,
    }  # fmt: skip
    assert (replies["match"], replies["late"], replies["duplicate"]) == (
        verdicts["MATCH"], verdicts["LATE"], verdicts["DUPLICATE"],
    )  # fmt: skip
    # Each worker reads every reply and knows the others' for foreign, or nobody reads what is not meant for it.
    foreign = max(0, processes - 1) * sum(verdicts.values()) if routing == "shared" else 0
    assert replies["foreign"] == summary["replies_of_other_workers"] == foreign
    assert replies["read"] == foreign + sum(verdicts.values())
    assert summary["reply_routing"] == ({routing: processes} if processes else {"shared": 1})
    assert (replies["unexpected"], replies["orphan"], replies["malformed"]) == (0, 0, 0)
    assert summary["balanced"]
    assert not summary["invalid"]
    for row in ended:
        # An ack that came is in the row, even when the reply beat it.
        assert bool(row["acked_ns"]) == (row["outcome"] != "UNDELIVERED"), row
