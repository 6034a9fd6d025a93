"""What travels through the pipeline."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span

from waiter_service.core.offsets import OffsetTracker
from waiter_service.core.request import Reply
from waiter_service.observe.prometheus import Timings

Finished = deque[tuple[OffsetTracker, int]]
"""A consumer's inbox for offsets that are done; `deque.append` is safe from any thread."""


@dataclass(slots=True)
class Job:
    """One request on its way, owned by one thread at a time.

    Attributes:
        message: the confluent-kafka Message.
        tracker: of the assignment under which it was read.
        finished: where to say that it is done.
        received_ns: when the consumer got it (time.perf_counter_ns).
        queued_ns: when the request queue had room for it.
        span: of its processing; None when it is not recorded.
        timings: where its duration is recorded; None when nobody wants it.
    """

    message: Any
    tracker: OffsetTracker
    finished: Finished
    received_ns: int
    queued_ns: int = 0
    span: Span | None = None
    timings: Timings | None = None

    def finish(self) -> None:
        """Every reply was acknowledged, or none will be sent: its offset may be committed."""
        self.finished.append((self.tracker, self.message.offset()))
        if self.span is not None:
            self.span.end()
        if self.timings is not None:
            self.timings.processed(time.perf_counter_ns() - self.received_ns)

    def place(self) -> str:
        """Where it stands, for messages to people."""
        return f"{self.message.topic()}[{self.message.partition()}]@{self.message.offset()}"


@dataclass(slots=True)
class Answer:
    """The replies to one job, settled by one thread, so `unacknowledged` needs no lock."""

    job: Job
    reply: Reply
    unacknowledged: int
