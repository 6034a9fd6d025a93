"""What a waiter thread does with one request: parse it, wait, answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from waiter_service.core.behaviour import Behaviour, Plan
from waiter_service.core.headers import server_timing
from waiter_service.core.request import build_reply, parse_request
from waiter_service.pipeline.job import Answer, Job
from waiter_service.pipeline.observer import Counters, Tracing
from waiter_service.pipeline.queue import BoundedQueue
from waiter_service.pipeline.timer import LateTimer


class RequestWorker:
    """The work of the waiter stage.  It keeps no state of its own, so one object serves all threads.

    Args:
        behaviour: decides what becomes of each request.
        default_topic: where replies go to that ask for no topic.
        replies: the queue to the producers.
        late: delays late replies.
        counters: counts requests' anomalies and faults.
        tracing: makes spans; None for none.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        default_topic: str,
        replies: BoundedQueue[Answer],
        late: LateTimer[Answer],
        counters: Counters,
        tracing: Tracing | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._behaviour = behaviour
        self._default_topic = default_topic
        self._replies = replies
        self._late = late
        self._counters = counters
        self._tracing = tracing
        self._sleep = sleep

    def work(self, job: Job) -> None:
        """Wait for one request and pass its answer on; blocks while the reply queue or the late timer is full.

        A request that cannot be handled is counted and gets no reply: one record must never stop the service.
        """
        if job.tracker.revoked:
            # Another consumer has the partition now and will answer: a reply from here would be a duplicate.
            self._counters.count("abandoned: partition revoked")
            return
        try:
            answer, late_s = self._answer(job)
        except Exception as error:
            example = f"{job.request.position()}: {type(error).__name__}: {error}"
            self._counters.anomaly("request could not be handled", example)
            job.finish()
            return
        if answer is None:
            job.finish()
        elif late_s > 0:
            self._late.schedule(late_s, answer)
        else:
            self._replies.put(answer)

    def _answer(self, job: Job) -> tuple[Answer | None, float]:
        """Wait, then return the answer (None for a dropped request) and its extra delay in seconds."""
        taken_ns = time.perf_counter_ns()
        request = job.request
        parsed = parse_request(request.key, request.value, request.headers, self._behaviour, self._default_topic)
        for anomaly in parsed.anomalies:
            self._counters.anomaly(anomaly, request.position())
        if self._tracing is not None:
            job.span = self._tracing.start_request(request, parsed)
        plan = parsed.plan
        if plan.wait_ms > 0:
            self._sleep(plan.wait_ms / 1000)
        waited_ns = time.perf_counter_ns()
        if job.timings is not None:
            job.timings.record_wait(waited_ns - taken_ns)
        if job.span is not None:
            job.span.record_wait(plan.wait_ms, request.queued_ns, taken_ns, waited_ns)
        self._count_faults(plan)
        if plan.replies == 0:
            return None, 0.0
        timing = server_timing(
            (taken_ns - request.queued_ns) / 1e6,
            (waited_ns - taken_ns) / 1e6,
            (request.queued_ns - request.received_ns) / 1e6,
        )
        reply = build_reply(parsed, request.key, b"%016x" % (random.getrandbits(64) or 1), timing)
        return Answer(job, reply, unacknowledged=plan.replies), plan.late_s

    def _count_faults(self, plan: Plan) -> None:
        if plan.replies == 0:
            self._counters.count("fault: dropped")
            return
        for happened, what in ((plan.replies > 1, "duplicated"), (plan.error, "error"), (plan.late_s > 0, "late")):
            if happened:
                self._counters.count(f"fault: {what}")
