"""`make faults`: every fault on a real cluster, and the table of docs/reliability.md.

python -m tests.faults [--table FILE] [NAME ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from locust_kafka.embedded import EmbeddedKafka
from tests.faults.play import Played, play
from tests.faults.rig import SESSIONS
from tests.faults.scenarios import SCENARIOS, Scenario


def main() -> int:
    """Play the scenarios; 1 when one falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of the scenarios; all by default")
    parser.add_argument("--table", type=Path, help="where the table goes")
    given = parser.parse_args()
    if unknown := set(given.names) - {scenario.name for scenario in SCENARIOS}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    wanted = [one for one in SCENARIOS if not given.names or one.name in given.names]
    rows, failed = [], 0
    for scenario in wanted:
        began = time.monotonic()
        row, good = _play(scenario)
        rows.append(row)
        failed += not good
        print(f"{'ok    ' if good else 'FAILED'} {scenario.name} ({time.monotonic() - began:.0f} s): {row}", flush=True)
    if given.table is not None:
        given.table.write_text("\n".join([*HEAD, *rows]) + "\n", "utf-8")
    print(f"{len(wanted) - failed} of {len(wanted)} scenarios came out as they must")
    return 1 if failed else 0


HEAD = (
    "| fault | for, s | what the tester reported | what both topics and the log prove | recovered after, s | found |",
    "|---|--:|---|---|--:|---|",
)


def _play(scenario: Scenario) -> tuple[str, bool]:
    # A cluster of its own: what one fault leaves behind must not be the next one's.
    with EmbeddedKafka(scenario.brokers, config=SESSIONS) as kafka, tempfile.TemporaryDirectory() as folder:
        try:
            played = play(scenario, kafka, Path(folder))
        except AssertionError as short:
            return f"| {scenario.title} | | | | | {' '.join(str(short).split())[:300]} |", False
    return _row(played), not played.findings


def _row(played: Played) -> str:
    requests, replies, proof = played.summary["requests"], played.summary["replies"], played.proof
    counts = [f"{requests['registered']} requests"]
    counts += [
        f"{count} {name.replace('_', ' ')}" for name, count in requests.items() if count and name != "registered"
    ]
    counts += [f"{replies[name]} {name}" for name in ("late", "duplicate", "foreign", "malformed") if replies[name]]
    reported = f"code {played.code}: {', '.join(counts)}"
    reported += "".join(f"; {sentence}" for sentence in played.summary["invalid"])
    reported += f"; disturbed: {played.named[0]}" if played.named else ""
    proven, recovered = "the topic is gone", ""
    if proof is not None:
        proven = (
            f"each request is on its topic once and has a reply; longest time without one {proof.longest_gap_s:.1f} s"
        )
        if played.findings:
            proven = (
                f"{proof.unanswered} requests without a reply; longest time without one {proof.longest_gap_s:.1f} s"
            )
        recovered = f"{proof.recovered_s:.1f}"
    found = "; ".join(played.findings) or "as it must be"
    cells = (played.scenario.title, f"{played.fault_s:.1f}", reported, proven, recovered, found)
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
