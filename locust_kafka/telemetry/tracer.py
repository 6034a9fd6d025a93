"""Decides which exchanges are traced, and passes their stamps on to be exported."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import Any

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults
from locust_kafka.core.sampling import Reason, Sampling
from locust_kafka.core.traceparent import root_span_id
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import Measure
from locust_kafka.exchange.observer import LaterReply
from locust_kafka.settings import Settings
from locust_kafka.telemetry import environment, spans
from locust_kafka.telemetry.export import Collector, Export, Provider

logger = logging.getLogger("locust_kafka")

REMEMBER = 100_000
MIN_FOR_P99 = 100
"""ExchangeEngine that must have been seen before the slowest hundredth of them is known."""

_MATCHED = Outcome.MATCHED
_REASONS = {
    Outcome.TIMED_OUT: Reason.TIMED_OUT,
    Outcome.UNDELIVERED: Reason.UNDELIVERED,
    Outcome.UNFINISHED: Reason.UNFINISHED,
}
_LATER = {
    Verdict.LATE: Reason.LATE,
    Verdict.DUPLICATE: Reason.DUPLICATE,
    Verdict.UNEXPECTED: Reason.UNEXPECTED,
}
_WORDS = {reason: reason.name.lower().replace("_", " ") for reason in Reason}


class Tracer:
    """One run's traces in this process; owned by the hub.

    Args:
        sampling: both decisions.
        export: takes the spans.
        slow_ms: an exchange is slow from here on; None for the running p99 of its name.
        results: the run's.
        measure: knows the legs of an exchange.
        ours: whether correlation ids are trace ids.
    """

    each = True

    def __init__(
        self, sampling: Sampling, export: Export, slow_ms: float | None, results: RunResults, measure: Measure, *,
        ours: bool,
    ) -> None:  # fmt: skip
        self._results = results
        self._legs_of = measure.legs_of
        self.sample: Callable[[bytes, int], bool] = sampling.sample
        """At the start: whether the request asks the service to record."""
        self._sampling = sampling
        self._export = export
        self._slow_ns = None if slow_ms is None else int(slow_ms * 1e6)
        self._p99_ns: dict[str, int] = {}
        self._turn = 0
        self._ours = ours
        self._exported: dict[bytes, str] = {}
        self._order: deque[bytes] = deque()
        self._wall_ns = time.time_ns() - perf_counter_ns()

    def ended(self, exchange: Exchange) -> None:
        """Decide whether it is kept; note why and when on the exchange."""
        self._judge(exchange)

    def complete(self, batch: list[Exchange]) -> None:
        """Export those that are kept: their delivery report came, or never will."""
        for exchange in batch:
            if exchange.kept is not None:
                self._export_spans(exchange, self._legs_of(exchange))

    def later_reply(self, later: LaterReply) -> str | None:
        """A later reply: exported into its exchange's trace."""
        return self._export_later(later.correlation_id, later.ended, later.verdict, later.message, later.received_ns)

    def flush(self) -> None:
        """Learn when an exchange is slow."""
        self._refresh(self._results)

    def reset(self) -> None:
        """Spans are never taken back."""

    def _judge(self, exchange: Exchange) -> bool:
        """At the end: whether it is kept; notes why and when on the exchange."""
        reason = self._reason(exchange)
        if reason is None:
            if not self._ours:  # the id may have been another exchange's before
                self._exported.pop(exchange.correlation_id, None)
            return False
        exchange.kept = reason
        self._remember(exchange.correlation_id, exchange.trace_id.decode())
        return True

    def _reason(self, exchange: Exchange) -> Reason | None:
        if exchange.sampled:
            self._sampling.kept[Reason.SAMPLED] += 1
            exchange.judged_ns = perf_counter_ns()
            return Reason.SAMPLED
        outcome = exchange.outcome
        if outcome is _MATCHED:
            slow_ns = self._slow_ns or self._p99_ns.get(exchange.name)
            if slow_ns is None or exchange.ended_ns - exchange.intended_ns <= slow_ns:
                return None
            reason = Reason.SLOW
        else:
            assert outcome is not None
            reason = _REASONS[outcome]
        exchange.judged_ns = perf_counter_ns()
        return reason if self._sampling.keep(reason, exchange.judged_ns) else None

    def _export_spans(self, exchange: Exchange, legs: Legs) -> None:
        """A kept exchange is complete: its delivery report came, or never will."""
        assert exchange.kept is not None
        self._export.put(
            partial(spans.spans_of_exchange, exchange, legs, exchange.kept, exchange.judged_ns, self._wall_ns)
        )

    def _export_later(
        self, correlation_id: bytes, past: EndedRequest, verdict: Verdict, message: Any, received_ns: int
    ) -> str:
        """Export a later reply into its exchange's trace; the root span is exported too if it was not.

        Returns:
            The trace id; empty when the reply is not kept.
        """
        trace_id = self._exported.get(correlation_id)
        if trace_id is None and not self._ours:
            return ""  # only the exchange knew its trace id, and it is gone
        now_ns = perf_counter_ns()
        reason = _LATER[verdict]
        # An exported trace is complete; only one that is not exported yet needs room under the cap.
        known = trace_id is not None
        if not known and not self._sampling.keep(reason, now_ns):
            return ""
        trace_id = trace_id or correlation_id.decode()
        self._remember(correlation_id, trace_id)
        raw, root = bytes.fromhex(trace_id), bytes.fromhex(root_span_id(trace_id.encode()).decode())
        wall_ns = self._wall_ns

        def make() -> list[spans.Span]:
            later = spans.span_of_reply(raw, root, message, verdict, received_ns, now_ns, wall_ns)
            return [later] if known else [spans.span_of_ended(raw, past, reason, wall_ns), later]

        self._export.put(make)
        return trace_id

    def _refresh(self, results: RunResults) -> None:
        """Synchronise the clocks, and update from when on an exchange is slow: one name a call, each costs a sort."""
        self._wall_ns = time.time_ns() - perf_counter_ns()  # the wall clock may have been set
        if self._slow_ns is None and results.names:
            name = list(results.names)[self._turn % len(results.names)]
            self._turn += 1
            series = results.names[name].e2e
            if series.count >= MIN_FOR_P99:
                self._p99_ns[name] = series.percentiles_ns((990,))[0]

    def close(self) -> None:
        """Send what is queued, and count what was exported and left out."""
        results = self._results
        self._export.close()
        sampling, export = self._sampling, self._export
        for what, counts in (("kept", sampling.kept), ("left out by the cap", sampling.suppressed)):
            for reason in Reason:
                if counts[reason]:
                    results.note(f"traces {what}: {_WORDS[reason]}", counts[reason])
        for what, count in (
            ("spans sent", export.sent),
            ("spans lost: the collector did not take them", export.refused),
            ("traces dropped: no room in the export queue, or not tellable", export.dropped),
        ):
            if count:
                results.note(what, count)

    def _remember(self, correlation_id: bytes, trace_id: str) -> None:
        if correlation_id not in self._exported:
            self._order.append(correlation_id)
        self._exported[correlation_id] = trace_id
        if len(self._order) > REMEMBER:
            self._exported.pop(self._order.popleft(), None)


def start(settings: Settings, share: float, results: RunResults, measure: Measure, *, ours: bool) -> Tracer | None:
    """The tracer of a run; None when spans have nowhere to go.

    Args:
        settings: the run's.
        share: this process's part of the caps.
        results: the run's.
        measure: knows the legs of an exchange.
        ours: whether correlation ids are trace ids.
    """
    env = environment.read(os.environ)
    for warning in env.warnings:
        logger.warning("%s", warning)
    provider = None if environment.disabled(os.environ) else environment.locusts_provider()
    if provider is None and not env.export:
        return None
    sink = Provider(provider) if provider is not None else Collector(environment.resource())
    sampling = Sampling(env.ratio, settings.trace_rate * share, settings.trace_keep * share)
    return Tracer(sampling, Export(sink), settings.trace_slow_ms, results, measure, ours=ours)
