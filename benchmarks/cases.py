"""The rows of the generator's table: who sends, how, and what else is special about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

TOPICS = ("bench-requests", "bench-replies")
SLOW_TOPICS = ("bench-slow-requests", "bench-slow-replies")
"""Those of the echo that waits; both echoes stay up, so that neither starts cold beside a row."""
SLOW_MS = 50.0
VALUE = b"x" * 200
LOCUST, BARE, JAVA = "locust", "bare", "java"
"""The tools: this plugin, the same libraries with nothing around them, and Apache Kafka's own client."""


class Case(NamedTuple):
    """One row.

    Attributes:
        name: as it is printed.
        group: what it is compared with; the picture has a colour for each.
        users: closed model: so many requests are in flight.
        how: `request`, `send` or `arrivals`.
        options: more options for Locust, such as `("--kafka-reply-routing", "shared")`.
        tool: who sends.
        processes: Locust's workers; 0 for one process without a master.
        slow: against the echo that waits.
        producers: `shared` or `own`.
        own_core: the tool has one core, broker and echo another.
    """

    name: str
    group: str
    users: int = 50
    how: str = "request"
    options: tuple[str, ...] = ()
    tool: str = LOCUST
    processes: int = 0
    slow: bool = False
    producers: str = "shared"
    own_core: bool = False

    @property
    def topics(self) -> tuple[str, str]:
        return SLOW_TOPICS if self.slow else TOPICS


def rate(number: int) -> tuple[str, str]:
    return "--kafka-rate", str(number)


def distributed(*routing: str) -> Iterator[Case]:
    """The same load on 1, 2 and 4 workers, each with a master beside them."""
    words = "".join(f", {word}" for word in routing[1:])
    for count in (1, 2, 4):
        name = f"{count} worker{'s' if count > 1 else ''}{words}"
        yield Case(
            f"open, tasks, 8 000/s, {name}", "distributed", 200, "send", (*rate(8000), *routing), processes=count
        )
    for count in (1, 2, 4):
        name = f"{count} worker{'s' if count > 1 else ''}{words}"
        yield Case(f"closed, 200 users, {name}", "distributed", 200, options=routing, processes=count)


def presets() -> Iterator[Case]:
    """As other clients send by default; the rows of the same load above are `synchronous`."""
    for like in ("java", "librdkafka"):
        options = ("--kafka-producer-like", like)
        yield Case(f"closed, 50 users, like {like}", "presets", options=options)
        yield Case(f"open, tasks, 2 000/s, like {like}", "presets", 50, "send", (*rate(2000), *options))


CASES = (
    Case("bare client, 50 in flight", "floor", 50, tool=BARE),
    Case("bare client, 200 in flight", "floor", 200, tool=BARE),
    Case("Java client, 50 in flight", "floor", 50, tool=JAVA),
    Case("Java client, 200 in flight", "floor", 200, tool=JAVA),
    Case("closed, 1 user", "closed", 1),
    Case("closed, 50 users", "closed", 50),
    Case("closed, 200 users", "closed", 200),
    Case("closed, 1 000 users", "closed", 1000),
    Case("closed, 50 users, a producer each", "closed", 50, producers="own"),
    Case("closed, 200 users, a core of its own", "own core", 200, own_core=True),
    Case("open, tasks, 2 000/s", "open", 50, "send", rate(2000)),
    Case("open, tasks, 5 000/s", "open", 100, "send", rate(5000)),
    Case("open, tasks, 10 000/s", "open", 100, "send", rate(10_000)),
    Case("open, tasks, 20 000/s", "open", 200, "send", rate(20_000)),
    Case("open, arrivals(), 20 000/s", "open", 1, "arrivals", rate(20_000)),
    Case("open, arrivals(), 50 000/s", "open", 1, "arrivals", rate(50_000)),
    Case("open, tasks, 2 000/s, service of 50 ms", "open", 50, "send", rate(2000), slow=True),
    *distributed("--kafka-reply-routing", "shared"),
    *distributed("--kafka-reply-routing", "auto"),
    *presets(),
)


def chosen(only: str | None, cases: tuple[Case, ...] = CASES) -> list[Case]:
    """Those whose name has `only` in it; all for None."""
    return [case for case in cases if only is None or only.lower() in case.name.lower()]
