"""A worker that is none: it joins a master as Locust's protocol says, and sends our messages with anything in them.

Usage: hostile_worker.py PORT SEED
"""

from __future__ import annotations

import math
import random
import sys
import time
from typing import Any

import msgpack  # type: ignore[import-untyped]
import zmq

NAME = "hostile_worker"
KINDS = (
    "kafka_opened", "kafka_plan", "kafka_rate", "kafka_share", "kafka_reset", "kafka_finish", "kafka_finishing",
    "kafka_finished", "kafka_look",
)  # fmt: skip
FIELDS = (
    "total", "names", "arrivals", "notes", "invalid", "health", "bottleneck", "examples", "clocks", "seconds", "rate",
    "results", "at_s", "e2e", "counters", "requests", "replies", "registered", "trace_url", "load_s",
)  # fmt: skip
PATHS = ("../../../tmp/evil", "/tmp/evil", "..", "report.html", "x" * 3_000, "\x00", "\n", "<script>")


def junk(chance: random.Random, depth: int = 0) -> Any:
    """Any value that msgpack takes."""
    kind = chance.randrange(9 if depth < 12 else 6)
    if kind == 0:
        return chance.choice((None, True, False))
    if kind in (1, 2):
        return chance.choice((0, -1, 1, 2**63, -(2**63), math.nan, math.inf, -math.inf, 1e308, 0.5))
    if kind in (3, 4):
        return chance.choice(PATHS)
    if kind == 5:
        return b"bytes"
    if kind == 6:
        return [junk(chance, depth + 1) for _ in range(chance.randrange(5))]
    return {chance.choice((*FIELDS, *PATHS)): junk(chance, depth + 1) for _ in range(chance.randrange(6))}


def message(chance: random.Random, run: str) -> dict[str, Any]:
    """The right version and run, and anything besides; ten thousand names now and then."""
    more = {name: junk(chance) for name in FIELDS}
    more["rate"] = chance.choice((math.nan, -1, "x", None, 1e300))  # a rate that can be is one that a worker may set
    if chance.random() < 0.05:
        more["results"] = {"names": {"x" * 10**6: {}, **{str(number): {} for number in range(10_000)}}}
    return {"version": 1, "run": run, **more}


def main() -> None:
    """Join, wait for the run, send, and end when the master asks for the end."""
    port, seed = sys.argv[1:]
    chance = random.Random(int(seed))
    socket = zmq.Context().socket(zmq.DEALER)
    socket.setsockopt_string(zmq.IDENTITY, NAME)
    socket.connect(f"tcp://127.0.0.1:{port}")

    def send(kind: str, data: Any) -> None:
        socket.send(msgpack.dumps((kind, data, NAME)))

    send("client_ready", -1)
    users: dict[str, int] = {}
    run, until_s = "", time.monotonic() + 60
    while time.monotonic() < until_s:
        send("heartbeat", {"state": "running" if run else "ready", "current_cpu_usage": 1})
        if socket.poll(500):
            kind, data, _node = msgpack.loads(socket.recv(), strict_map_key=False)
            if kind == "spawn":
                run, users = data["parsed_options"]["kafka_run_id"], data["user_classes_count"]
                send("spawning_complete", {"user_classes_count": users, "user_count": sum(users.values())})
            elif kind in ("kafka_finish", "quit"):
                send("kafka_finished", message(chance, run))
                send("kafka_finished", {"version": 1, "run": run, "results": None})
                return
        if run:
            for _ in range(40):
                send(chance.choice(KINDS), message(chance, run))
            stats = {"stats": [], "stats_total": {}, "errors": {}, "user_classes_count": users}
            stats["user_count"] = sum(users.values())
            ours = {"locust_kafka": message(chance, run), "locust_kafka_seconds": message(chance, run)}
            send("stats", {**stats, **ours})


if __name__ == "__main__":
    main()
