"""`make users`: 20 000 users in one process, with a shared producer: how long until all run, and what they weigh.

python -m benchmarks.users [USERS]

Exits with 1 when they are not there in time, or when the books do not balance.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.echo import echo
from locust_kafka.embedded import EmbeddedKafka
from tests.support import create_topics, locust, read_summary

TOPICS = ("users-requests", "users-replies")
USERS, WITHIN_S = 20_000, 60
RUN_S, WAIT_S = 80, 20


def main() -> int:
    """Run it, and say what was found; 1 when it falls short."""
    users = int(sys.argv[1]) if len(sys.argv) > 1 else USERS
    with (
        EmbeddedKafka(for_load=True) as kafka,
        tempfile.TemporaryDirectory() as folder,
    ):
        create_topics(kafka.bootstrap, *TOPICS)
        with echo(kafka.bootstrap, TOPICS):
            return run(kafka.bootstrap, users, Path(folder) / "s.json")


def run(bootstrap: str, users: int, path: Path) -> int:
    options = ["--headless", "--only-summary", "-u", str(users), "-r", str(users), "-t", f"{RUN_S}s"]
    options += ["--exit-code-on-error", "0", "--kafka-self-check", "show", "--kafka-reply-timeout", "30"]
    options += ["--kafka-settle", "0", "--kafka-summary", str(path)]
    with locust(bootstrap, TOPICS, "benchmarks/users_locustfile.py", *options, WAIT_S=str(WAIT_S)) as process:
        code = process.wait(RUN_S + 120)
        said = {
            line.split()[0]: line.split()[1:] for line in process.lines if line.startswith(("SPAWNED ", "ANSWERED "))
        }
    if code or len(said) < 2:
        print(f"{process.output}\nFAILED: {users:,} users: the run ended with {code}; all there, all answered: {said}")
        return 1
    (there, spawned_s, _), (_, answered_s, rss_mb) = said["SPAWNED"], said["ANSWERED"]
    summary = read_summary(path)
    requests = summary["requests"]
    print(
        f"{there} users were there after {spawned_s} s, each had its first reply after {answered_s} s; the process had "
        f"{rss_mb} MB then; {requests['registered']:,} requests in "
        f"{summary['load_s']:.0f} s, {requests['matched']:,} matched, {requests['timed_out']:,} timed out; e2e p99 "
        f"{summary['latency_ms']['e2e']['p99']:.0f} ms; hub lag p99.9 {summary['self_check']['lag_ms']['hub']['p999']:.0f} ms"
    )
    findings = []
    if int(there) < users:
        findings.append(f"only {there} of {users} users were there")
    if float(answered_s) > WITHIN_S:
        findings.append(f"{users} users took {answered_s} s until each had its first reply: more than {WITHIN_S} s")
    if not summary["balanced"]:
        findings.append(f"the books do not balance: {summary['equations']}")
    print("\n".join(f"FAILED: {one}" for one in findings) or "all there in time, and the books balance")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
