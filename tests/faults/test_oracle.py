"""The oracle of the faults finds what is planted, and nothing in a good run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.oracle import Record, prove

BEGIN_MS, TIMEOUT_S, FAULT_MS = 1_000_000, 10.0, 1_000_100
Data = tuple[list[dict[str, str]], list[Record], list[Record]]


def good_run() -> Data:
    """A hundred exchanges, one each 10 ms: answered after 20 ms, a few late, twice, or never."""
    log: list[dict[str, str]] = []
    requests, replies = [], []
    for number in range(100):
        trace, sent_ms = f"{number:032x}", BEGIN_MS + number * 10
        requests.append(Record(0, number, trace, sent_ms))
        outcome, took_ms = ("TIMED_OUT", 12_000) if number % 25 == 3 else ("MATCHED", 20)
        row = {
            "trace_id": trace, "intended_ns": str(sent_ms * 10**6), "acked_ns": str((sent_ms + 2) * 10**6),
            "received_ns": "", "reply_partition": "", "reply_offset": "", "outcome": outcome, "verdict": "",
        }  # fmt: skip
        read = {"received_ns": str((sent_ms + took_ms) * 10**6), "reply_partition": "0"}
        log.append(row)
        for verdict in (
            ("LATE",) if outcome == "TIMED_OUT" else ("MATCH", "DUPLICATE") if number % 10 == 5 else ("MATCH",)
        ):
            found = {**read, "reply_offset": str(len(replies)), "verdict": verdict}
            if verdict == "MATCH":
                row |= found
            else:
                log.append({**row, **found, "outcome": ""})
            replies.append(Record(0, len(replies), trace, sent_ms + took_ms - 1))
    return log, requests, replies


def summary_of(log: list[dict[str, str]]) -> dict[str, Any]:
    outcomes = Counter(row["outcome"].lower() for row in log if row["outcome"])
    verdicts = Counter(row["verdict"].lower() for row in log if row["verdict"])
    return {"requests": {"registered": 100, **outcomes}, "replies": Counter(verdicts)}


def judge(data: Data, summary: dict[str, Any] | None = None) -> list[str]:
    return prove(*data, summary or summary_of(data[0]), timeout_s=TIMEOUT_S, fault_ms=FAULT_MS).findings


def test_a_good_run_has_no_findings() -> None:
    """Late replies, duplicates and timeouts that are what they seem are all in order."""
    assert judge(good_run()) == []


def lose_reply(data: Data) -> None:
    row = next(row for row in data[0] if row["verdict"] == "DUPLICATE")
    data[0].remove(row)


def invent_reply(data: Data) -> None:
    data[2].pop(10)


def invent_timeout(data: Data) -> None:
    row = next(row for row in data[0] if row["outcome"] == "MATCHED" and row["verdict"] == "MATCH")
    row["outcome"] = "TIMED_OUT"


def send_twice(data: Data) -> None:
    data[1].append(data[1][7]._replace(offset=100))


def lose_request(data: Data) -> None:
    data[1].pop(7)


def forget_exchange(data: Data) -> None:
    data[0].pop(0)


def match_twice(data: Data) -> None:
    next(row for row in data[0] if row["verdict"] == "DUPLICATE")["verdict"] = "MATCH"


def duplicate_of_nothing(data: Data) -> None:
    next(row for row in data[0] if row["verdict"] == "LATE")["verdict"] = "DUPLICATE"


@pytest.mark.parametrize(
    ("plant", "finding"),
    [
        (lose_reply, "replies on the topic were not judged"), (invent_reply, "judged replies are not on the topic"),
        (invent_timeout, "timeouts whose reply had long been appended"), (send_twice, "requests lie twice"),
        (lose_request, "acknowledged or answered requests are not on the topic"),
        (forget_exchange, "requests on the topic are in no log"), (match_twice, "a request was matched twice"),
        (duplicate_of_nothing, "duplicates of requests that have no first reply"),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(plant: Callable[[Data], None], finding: str) -> None:
    """Each kind of lie of the tester shows in what lies on the topics, even when its own summary agrees with its log."""
    data = good_run()
    plant(data)
    assert any(finding in one for one in judge(data)), judge(data)


def test_a_summary_that_differs_from_the_log_is_found() -> None:
    """One matched request too many in the summary is a finding."""
    data = good_run()
    summary = summary_of(data[0])
    summary["requests"]["matched"] += 1
    assert any("the summary says" in one for one in judge(data, summary))


def test_the_recovery_is_when_the_last_slow_exchange_has_ended() -> None:
    """Exchanges that are slow from the fault on for a while: until the last of them had ended."""
    log, requests, replies = good_run()
    for row in log[40:50]:
        if row["verdict"] == "MATCH":
            row["received_ns"] = str(int(row["intended_ns"]) + 900 * 10**6)
    slow = [row for row in log[40:50] if row["verdict"] == "MATCH"]
    proof = prove(
        [row for row in log if row["outcome"] != "TIMED_OUT"], requests, replies, summary_of(log), timeout_s=TIMEOUT_S,
        fault_ms=FAULT_MS,
    )  # fmt: skip
    assert proof.recovered_s == pytest.approx(max(int(row["received_ns"]) for row in slow) / 1e9 - FAULT_MS / 1e3)
