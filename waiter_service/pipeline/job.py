"""What travels through the pipeline."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from waiter_service.core.offsets import OffsetTracker
from waiter_service.core.request import Reply, Request
from waiter_service.pipeline.observer import RequestSpan, Timings

Finished = deque[tuple[OffsetTracker, int]]
"""A consumer's inbox for offsets that are done; `deque.append` is safe from any thread."""


@dataclass(slots=True)
class Job:
    """One request on its way, owned by one thread at a time.

    Attributes:
        request: the record.
        tracker: of the assignment under which it was read.
        finished: receives its offset when it is done.
        span: of its processing; None when it is not recorded.
        timings: where its duration is recorded; None when nobody reads it.
    """

    request: Request
    tracker: OffsetTracker
    finished: Finished
    span: RequestSpan | None = None
    timings: Timings | None = None

    def finish(self) -> None:
        """Every reply was acknowledged, or none will be sent: the request's offset may be committed."""
        self.finished.append((self.tracker, self.request.offset))
        if self.span is not None:
            self.span.end()
        if self.timings is not None:
            self.timings.record_processed(time.perf_counter_ns() - self.request.received_ns)


@dataclass(slots=True)
class Answer:
    """The replies to one job.

    Attributes:
        job: the job.
        reply: the reply, sent `unacknowledged` times.
        unacknowledged: replies whose delivery is not known; one thread counts it down, so it needs no lock.
    """

    job: Job
    reply: Reply
    unacknowledged: int
