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
    "| fault | lasted, s | exit code, outcomes, verdicts | what the report says of it | what both topics and the log prove "
    "| back to normal after, s |",
    "|---|--:|---|---|---|--:|",
)
MAX_SAID = 160


def _play(scenario: Scenario) -> tuple[str, bool]:
    # A cluster of its own: what one fault leaves behind must not be the next one's.
    with EmbeddedKafka(scenario.brokers, config=SESSIONS) as kafka, tempfile.TemporaryDirectory() as folder:
        try:
            played = play(scenario, kafka, Path(folder))
        except AssertionError as short:
            return f"| {scenario.title} | | | | **{' '.join(str(short).split())[:300]}** | |", False
    return _row(played), not played.findings


def _row(played: Played) -> str:
    requests, replies, proof = played.summary["requests"], played.summary["replies"], played.proof
    counts = [f"{requests['registered']:,} requests"]
    counts += [
        f"{count:,} {name.replace('_', ' ')}" for name, count in requests.items() if count and name != "registered"
    ]
    counts += [f"{replies[name]:,} {name}" for name in ("late", "duplicate", "foreign", "malformed") if replies[name]]
    said = [*played.summary["invalid"], *played.summary["self_check"]["findings"]]
    said += [f"disturbed: {one}" for one in sorted(played.named, key=len)[-1:]]
    proven, recovered = "its topic is gone: nothing", ""
    if proof is not None:
        proven = f"all of it; {proof.longest_gap_s:.1f} s without a reply"
        recovered = f"{proof.recovered_s:.1f}"
    if played.findings:
        proven = f"**{'; '.join(played.findings)}**"
    told = "; ".join(f"{one[:MAX_SAID]}…" if len(one) > MAX_SAID else one for one in said) or "nothing: nobody felt it"
    cells = (
        played.scenario.title,
        f"{played.fault_s:.1f}",
        f"{played.code}: {', '.join(counts)}",
        told,
        proven,
        recovered,
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
