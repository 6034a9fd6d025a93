"""Where every result goes: the ledger, Locust's rows, the exchange log."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.examples import EXAMPLES_PER_KIND, SLOWEST, Example
from locust_kafka.core.results import NameResults, RunResults
from locust_kafka.errors import NotReady
from locust_kafka.exchange.diagnosis import Diagnosis
from locust_kafka.exchange.measure import Measure, by_name
from locust_kafka.kafka.record import record_metadata
from locust_kafka.plugin.rows import Failure, LocustRows
from locust_kafka.report.exchange_log import ExchangeLog
from locust_kafka.settings import Settings
from locust_kafka.telemetry import otlp_metrics
from locust_kafka.telemetry import tracer as tracing

if TYPE_CHECKING:
    from locust_kafka.exchange.exchange import Exchange

logger = logging.getLogger("locust_kafka")

AGGREGATE_AT = 200
"""ExchangeEngine counted in one go, if they come fast: more would be cheaper still, but each go holds the hub."""

_MATCHED, _TIMED_OUT = Outcome.MATCHED, Outcome.TIMED_OUT
_MATCHED_AT, _MATCH_AT = int(Outcome.MATCHED), int(Verdict.MATCH)


class Recorder:
    """Collects what the exchange greenlet decides; owned by the hub.

    ExchangeEngine are only gathered as they begin and end; `aggregate` counts them, many at a time.  Whoever reads the ledger
    folds first.

    Args:
        statistics: Locust's rows.
        match: the rule, for the diagnosis.
    """

    def __init__(self, statistics: LocustRows, match: str) -> None:
        self.ledger = RunResults()
        self.statistics = statistics
        self.measure = Measure(self.ledger)
        self.tracer: tracing.Tracer | None = None
        self._push: otlp_metrics.Push | None = None
        self._log: ExchangeLog | None = None
        self.registered: list[Exchange] = []
        """Requests that were registered and not counted yet; whoever registers one appends it."""
        self._matched: list[Exchange] = []
        self._ended: list[Exchange] = []
        self._unacked: list[Exchange] = []
        self._examples: dict[tuple[str, str], str] = {}
        self._diagnosis = Diagnosis(match)

    def open_log(self, path: str) -> None:
        """Keep an exchange log.

        Raises:
            NotReady: the file cannot be written.
        """
        try:
            self._log = ExchangeLog(path)
        except OSError as error:
            raise NotReady(f"--kafka-exchange-log {path!r} cannot be written: {error}") from error

    def open_telemetry(self, settings: Settings, share: float, *, ours: bool) -> None:
        """Send spans and metrics where OpenTelemetry's environment says.

        Args:
            settings: the run's.
            share: this process's part of the caps.
            ours: whether correlation ids are trace ids.
        """
        self.tracer = tracing.start(settings, share, ours=ours)
        if self.tracer is not None:
            self.ledger.trace_url = settings.trace_url
        self._push = otlp_metrics.start(self._aggregated)

    @property
    def batch_matched(self) -> Callable[[Exchange], None] | None:
        """Takes a matched exchange without `check`, for later; None when each has to be seen at once (`ended`)."""
        return None if self.tracer is not None or self.statistics.listened else self._matched.append

    def ended(self, exchange: Exchange) -> None:
        """An exchange ended in whatever way."""
        if self.tracer is not None:
            self.tracer.judge(exchange)
        if exchange.outcome is _TIMED_OUT:
            self._timed_out(self.ledger.name(exchange.name), exchange)
        if not exchange.deferred:
            self.report(exchange, self._judgement(exchange))
        self._ended.append(exchange)

    def after_batch(self) -> None:
        """A batch was judged: what has ended is counted when there is enough of it."""
        if len(self._matched) + len(self._ended) >= AGGREGATE_AT:
            self.aggregate()

    def aggregate(self) -> None:
        """Count what was gathered, and tell what is complete."""
        self._count_registered()
        matched, ended = self._matched[:], self._ended[:]
        self._matched.clear()
        self._ended.clear()
        for name, exchanges in by_name(matched).items():
            books = self.ledger.name(name).books
            books.outcomes[_MATCHED_AT] += len(exchanges)
            books.verdicts[_MATCH_AT] += len(exchanges)
            self.statistics.matched(name, [x for x in exchanges if not x.deferred])
        for exchange in ended:
            books = self.ledger.name(exchange.name).books
            if exchange.outcome is not None:
                books.outcomes[exchange.outcome] += 1
            if exchange.verdict is not None:
                books.verdicts[exchange.verdict] += 1
        # A reply can beat its request's ack: what is told waits for the ack, so that none is said never to have come.
        complete: list[Exchange] = []
        unacked: list[Exchange] = []
        for x in (*self._unacked, *matched, *ended):
            (complete if x.acked_ns or x.failure or x.never_queued else unacked).append(x)
        self._unacked = unacked
        self._tell(complete)

    def report(self, exchange: Exchange, failure: Failure) -> None:
        """Locust's row for an ended exchange; `failure` as the user's check sees it, or by the outcome."""
        outcome = exchange.outcome
        if outcome is Outcome.UNFINISHED:
            return  # cut short: neither a success nor a failure was observed
        if outcome is Outcome.MATCHED and failure is not None:
            self.ledger.name(exchange.name).rejected += 1
        length = len(exchange.reply) if outcome is Outcome.MATCHED else 0
        self.statistics.result(exchange.name, exchange.latency_ns, length, failure, exchange.context, exchange.reply)

    def failure_of(self, exchange: Exchange) -> Failure:
        """Why the exchange failed, in words that name an example; None for a matched one."""
        if exchange.outcome is Outcome.MATCHED or exchange.outcome is Outcome.UNFINISHED:
            return None
        if exchange.outcome is Outcome.TIMED_OUT:
            timeout_s = (exchange.deadline_ns - exchange.intended_ns) / 1e9
            ear = " (the reply consumer had lost its broker)" if exchange.consumer_disconnected else ""
            return self._with_example(exchange.name, f"no reply within {timeout_s:g} s{ear}", self._visible(exchange))
        return self._with_example(exchange.name, f"undelivered: {exchange.failure}", self._visible(exchange))

    def further(
        self, correlation_id: bytes, past: EndedRequest, verdict: Verdict, message: Any, received_ns: int
    ) -> None:
        """A reply to an exchange that had ended."""
        entry = self.ledger.name(past.name)
        entry.books.verdicts[verdict] += 1
        shown = trace_id = correlation_id.decode("ascii", "backslashreplace")
        if self.tracer is not None:
            trace_id = self.tracer.further(correlation_id, past, verdict, message, received_ns)
        latency_ns = received_ns - past.intended_ns
        if verdict is Verdict.LATE:
            self._late(past.name, trace_id, latency_ns, past.intended_ns)
        elif verdict is Verdict.DUPLICATE:
            if past.intended_ns >= self.measure.measure_from_ns:
                entry.duplicate.record(latency_ns)
            self.statistics.add_failure_note(past.name, self._with_example(past.name, "duplicate reply", trace_id))
        else:
            words = "reply to a request reported undelivered"
            self.statistics.add_failure_note(past.name, self._with_example(past.name, words, trace_id))
        if trace_id:
            kind = f"{verdict.name.lower()} reply"
            self.ledger.examples.add(Example(kind, past.name, latency_ns, trace_id, None))
        if self._log is not None:
            self.aggregate()  # its exchange's row comes first
            self._log.row(
                shown, past.name, past.intended_ns, past.sent_ns, 0, received_ns, None, record_metadata(message), "",
                verdict.name, None,
            )  # fmt: skip

    def unmatched(self, message: Any, correlation_id: bytes | None) -> None:
        """A reply that belongs to nothing we know."""
        self._count_registered()
        if not self.ledger.total.outcomes[Outcome.MATCHED]:
            self._diagnosis.saw(message, correlation_id)

    def consumer_error(self, name: str) -> None:
        """The reply consumer reported an error."""
        self.ledger.note(f"reply consumer: {name}")

    def reset_latencies(self, since: str) -> None:
        """Begin the latency series anew."""
        for entry in self.ledger.names.values():
            entry.reset_latencies()
        self.ledger.examples.reset_slowest()
        if self._push is not None:
            self._push.reset()
        self.ledger.since = since

    def flush(self) -> None:
        """Pass the batches on to Locust and to the log file."""
        self.aggregate()
        self.statistics.flush()
        for entry in self.ledger.names.values():
            entry.aggregate()
        if self.tracer is not None:
            self.tracer.refresh(self.ledger)
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """The last flush."""
        self.aggregate()
        self._tell(self._unacked)  # their acks never came
        self._unacked = []
        self.measure.conclude()
        self.ledger.judge_generator()
        self.statistics.flush()
        closing = [gevent.spawn(self.tracer.close, self.ledger)] if self.tracer is not None else []
        closing += [gevent.spawn(self._push.close)] if self._push is not None else []
        gevent.joinall(closing)  # together: each may wait for a slow collector
        self.tracer = self._push = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _aggregated(self) -> RunResults:
        self.aggregate()
        return self.ledger

    def _count_registered(self) -> None:
        ledger = self.ledger
        for name, exchanges in by_name(self.registered).items():
            if name not in ledger.names:
                self._diagnosis.looks_for(exchanges[0].correlation_id)
            ledger.name(name).books.registered += len(exchanges)
            if ledger.all_waited:
                ledger.all_waited = not any(x.waiter is None or x.until_ack for x in exchanges)
        self.registered.clear()

    def _tell(self, batch: list[Exchange]) -> None:
        """All that can be known of these ended exchanges is known."""
        self.measure.tell(batch)
        tracer, log, legs = self.tracer, self._log, self.measure.legs
        known_ns = self.ledger.examples.slower_than_ns
        self._exemplify([x for x in batch if x.ended_ns - x.intended_ns > known_ns or x.outcome is not _MATCHED])
        if tracer is not None:
            for x in batch:
                if x.kept is not None:
                    tracer.tell(x, legs(x))
        if log is not None:
            for x in batch:
                log.exchange(x, legs(x))

    def _timed_out(self, entry: NameResults, exchange: Exchange) -> None:
        if exchange.intended_ns >= self.measure.measure_from_ns:
            entry.timed_out.record(exchange.latency_ns)
        if exchange.verdict is Verdict.LATE:  # it ended its request by coming after the deadline
            late_ns = exchange.received_ns - exchange.intended_ns
            self._late(exchange.name, self._visible(exchange), late_ns, exchange.intended_ns)

    def _judgement(self, exchange: Exchange) -> Failure:
        """The row's failure: by outcome, or by the user's `on_reply`."""
        if exchange.outcome is not Outcome.MATCHED or exchange.check is None:
            return self.failure_of(exchange)
        try:
            complaint = exchange.check(exchange)
        except Exception as error:
            return error
        return str(complaint) if complaint else None

    def _exemplify(self, exchanges: list[Exchange]) -> None:
        """Offer as examples: of the matched ones the slowest, of the others the first."""
        from_ns, examples = self.measure.measure_from_ns, self.ledger.examples
        visible = [x for x in exchanges if self._visible(x)]
        matched = [x for x in visible if x.outcome is _MATCHED and x.intended_ns >= from_ns]
        for x in heapq.nlargest(EXAMPLES_PER_KIND, matched, key=lambda x: x.latency_ns):
            examples.add(Example(SLOWEST, x.name, x.latency_ns, x.trace_id.decode(), self.measure.legs(x)))
        for x in visible:
            if x.outcome is not None and x.outcome is not _MATCHED:
                kind = x.outcome.name.lower().replace("_", " ")
                if examples.wants(kind):
                    examples.add(Example(kind, x.name, x.latency_ns, x.trace_id.decode(), self.measure.legs(x)))

    def _late(self, name: str, trace_id: str, latency_ns: int, intended_ns: int) -> None:
        if intended_ns >= self.measure.measure_from_ns:
            self.ledger.name(name).late.record(latency_ns)
        self.statistics.add_failure_note(name, self._with_example(name, "late reply", trace_id))

    def _with_example(self, name: str, what: str, trace_id: str) -> str:
        # One example a kind: were each row to name its own, Locust's table would have a line per failure.
        key = (name, what)
        if key not in self._examples:
            if len(self._examples) > 1000:
                return what
            self._examples[key] = f"{what} (for example {trace_id})" if trace_id else what
        return self._examples[key]

    def _visible(self, exchange: Exchange) -> str:
        """Its trace id, as an example; "" when its spans are not kept: an example that nobody can look at is none."""
        return exchange.trace_id.decode() if self.tracer is None or exchange.kept is not None else ""
