"""What a waiter thread does with one request: understand it, wait, answer."""

from __future__ import annotations

import random
import time

from waiter_service.core.behaviour import Behaviour
from waiter_service.core.headers import server_timing
from waiter_service.core.request import answer, understand
from waiter_service.observe.counters import Telemetry
from waiter_service.observe.tracing import Tracing
from waiter_service.pipeline.job import Answer, Job
from waiter_service.pipeline.queue import BoundedQueue, LateTimer


class Waiter:
    """The work of the waiter stage; one object serves all its threads, for it holds no state of its own."""

    def __init__(
        self,
        behaviour: Behaviour,
        default_topic: str,
        replies: BoundedQueue[Answer],
        late: LateTimer,
        telemetry: Telemetry,
        tracing: Tracing | None,
    ) -> None:
        self._behaviour = behaviour
        self._default_topic = default_topic
        self._replies = replies
        self._late = late
        self._telemetry = telemetry
        self._tracing = tracing

    def work(self, job: Job) -> None:
        """Wait for one request and pass its answer on; blocks while the reply queue is full."""
        if job.tracker.revoked:
            # Another consumer has the partition now and will answer: a reply from here would be a duplicate.
            self._telemetry.count("abandoned: partition revoked")
            return
        taken_ns = time.perf_counter_ns()
        message = job.message
        key = message.key()
        request = understand(key, message.value(), message.headers() or [], self._behaviour, self._default_topic)
        for oddity in request.oddities:
            self._telemetry.odd(oddity, job.place())
        if self._tracing is not None:
            self._tracing.process(job, request)
        plan = request.plan
        if plan.wait_ms > 0:
            time.sleep(plan.wait_ms / 1000)
        waited_ns = time.perf_counter_ns()
        if job.timings is not None:
            job.timings.waited(waited_ns - taken_ns)
        if self._tracing is not None:
            self._tracing.wait(job, plan.wait_ms, taken_ns, waited_ns)
        if plan.replies == 0:
            self._telemetry.count("fault: dropped")
            job.finish()
            return
        timing = server_timing(
            (taken_ns - job.queued_ns) / 1e6, (waited_ns - taken_ns) / 1e6, (job.queued_ns - job.received_ns) / 1e6
        )
        reply = answer(request, key, b"%016x" % (random.getrandbits(64) or 1), timing)
        done = Answer(job, reply, unacknowledged=plan.replies)
        self._count_faults(plan.replies, plan.error, late=plan.late_s > 0)
        if plan.late_s > 0:
            self._late.schedule(plan.late_s, done)
        else:
            self._replies.put(done)

    def _count_faults(self, replies: int, error: bool, late: bool) -> None:
        for happened, what in ((replies > 1, "duplicated"), (error, "error"), (late, "late")):
            if happened:
                self._telemetry.count(f"fault: {what}")
