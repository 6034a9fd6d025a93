"""Where every result goes: the ledger, Locust's rows, the exchange log."""

from __future__ import annotations

import logging
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlation import Past
from locust_kafka.core.examples import SLOWEST, Example
from locust_kafka.errors import NotReady
from locust_kafka.report import otlp_metrics
from locust_kafka.report.exchange_log import ExchangeLog, place_of
from locust_kafka.report.ledger import Ledger
from locust_kafka.report.statistics import Failure, Statistics
from locust_kafka.settings import Settings
from locust_kafka.tracing import tracer as tracing

if TYPE_CHECKING:
    from locust_kafka.exchange import Live

logger = logging.getLogger("locust_kafka")

DIAGNOSE_AFTER_NS = 3_000_000_000
DIAGNOSE_AFTER_REPLIES = 5


class Outlet:
    """Collects what the exchange greenlet decides; owned by the hub.

    Args:
        statistics: Locust's rows.
        match: the rule, for the diagnosis.
    """

    def __init__(self, statistics: Statistics, match: str) -> None:
        self.ledger = Ledger()
        self.statistics = statistics
        self.measure_from_ns = 0
        """Exchanges that were to start before this are left out of the latencies (warm-up)."""
        self.tracer: tracing.Tracer | None = None
        self._push: otlp_metrics.Push | None = None
        self._log: ExchangeLog | None = None
        self._match = match
        self._unacked: set[Live] = set()
        self._examples: dict[tuple[str, str], str] = {}
        self._first_unmatched_ns = 0
        self._unmatched = 0
        self._diagnosed = False
        self._looked_for = ""

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
        self._push = otlp_metrics.start(lambda: self.ledger)

    def registered(self, exchange: Live) -> None:
        """A request was registered."""
        self.ledger.name(exchange.name).books.registered += 1
        if not self._looked_for:
            self._looked_for = exchange.correlation_id.decode("ascii", "backslashreplace")

    def read(self) -> None:
        """A reply was handed over; not judged yet."""
        self.ledger.replies_read += 1

    def acked(self, exchange: Live) -> None:
        """The delivery report came; what waited for it can be told."""
        if exchange.acked_ns and exchange.intended_ns >= self.measure_from_ns:
            self.ledger.name(exchange.name).send.record(exchange.acked_ns - exchange.sent_ns)
        if exchange in self._unacked:
            self._unacked.remove(exchange)
            self._complete(exchange)

    def ended(self, exchange: Live) -> None:
        """An exchange ended."""
        entry = self.ledger.name(exchange.name)
        outcome = exchange.outcome
        assert outcome is not None
        entry.books.outcomes[outcome] += 1
        if exchange.verdict is not None:
            entry.books.verdicts[exchange.verdict] += 1
        if exchange.intended_ns >= self.measure_from_ns:
            latency_ns = exchange.latency_ns
            if outcome is Outcome.MATCHED:
                entry.e2e.record(latency_ns)
                entry.e2e_matched.record(latency_ns)
            elif outcome is Outcome.TIMED_OUT:
                entry.e2e.record(latency_ns)
        kept = self.tracer is not None and self.tracer.judge(exchange)
        if exchange.verdict is Verdict.LATE:  # it ended its request by coming after the deadline
            late_ns = exchange.received_ns - exchange.intended_ns
            self._late(exchange.name, self._visible(exchange), late_ns, exchange.intended_ns)
        if not exchange.deferred:
            self.report(exchange, self._judgement(exchange))
        if self._visible(exchange):
            self._exemplify(exchange)
        # A reply can beat its request's ack: what is told waits for the ack, so that none is said never to have come.
        if kept or self._log is not None:
            if exchange.acked_ns or exchange.failure:
                self._complete(exchange)
            else:
                self._unacked.add(exchange)

    def report(self, exchange: Live, failure: Failure) -> None:
        """Locust's row for an ended exchange; `failure` as the user's check sees it, or by the outcome."""
        outcome = exchange.outcome
        if outcome is Outcome.UNFINISHED:
            return  # cut short: neither a success nor a failure was observed
        if outcome is Outcome.MATCHED and failure is not None:
            self.ledger.name(exchange.name).rejected += 1
        length = len(exchange.reply.value() or b"") if outcome is Outcome.MATCHED else 0
        self.statistics.result(
            exchange.name, exchange.latency_ns / 1e6, length, failure, exchange.context, exchange.reply
        )

    def failure_of(self, exchange: Live) -> Failure:
        """Why the exchange failed, in words that name an example; None for a matched one."""
        if exchange.outcome is Outcome.MATCHED or exchange.outcome is Outcome.UNFINISHED:
            return None
        if exchange.outcome is Outcome.TIMED_OUT:
            timeout_s = (exchange.deadline_ns - exchange.intended_ns) / 1e9
            ear = " (the reply consumer had lost its broker)" if exchange.ear_lost else ""
            return self._with_example(exchange.name, f"no reply within {timeout_s:g} s{ear}", self._visible(exchange))
        return self._with_example(exchange.name, f"undelivered: {exchange.failure}", self._visible(exchange))

    def further(self, correlation_id: bytes, past: Past, verdict: Verdict, message: Any, received_ns: int) -> None:
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
            if past.intended_ns >= self.measure_from_ns:
                entry.duplicate.record(latency_ns)
            self.statistics.remark(past.name, self._with_example(past.name, "duplicate reply", trace_id))
        else:
            words = "reply to a request reported undelivered"
            self.statistics.remark(past.name, self._with_example(past.name, words, trace_id))
        if trace_id:
            kind = f"{verdict.name.lower()} reply"
            self.ledger.examples.add(Example(kind, past.name, latency_ns, trace_id))
        if self._log is not None:
            self._log.row(
                shown, past.name, past.intended_ns, past.sent_ns, 0, received_ns, None, place_of(message), "",
                verdict.name,
            )  # fmt: skip

    def unmatched(self, message: Any, correlation_id: bytes | None) -> None:
        """A reply that belongs to nothing we know; says so once when nothing else comes."""
        if self._diagnosed or self.ledger.total.outcomes[Outcome.MATCHED]:
            return
        now = perf_counter_ns()
        self._first_unmatched_ns = self._first_unmatched_ns or now
        self._unmatched += 1
        waited = now - self._first_unmatched_ns > DIAGNOSE_AFTER_NS
        if waited and self._unmatched >= DIAGNOSE_AFTER_REPLIES and self._looked_for:
            self._diagnosed = True
            seen = correlation_id.decode("ascii", "backslashreplace") if correlation_id else "no id that could be read"
            headers = ", ".join(name for name, _value in message.headers() or ()) or "none"
            logger.warning(
                "%d replies came and none matches a request. Looked for (by --kafka-match %s), for example: %s. "
                "Seen: %s (key %.60r, headers: %s). If the service answers by another id, say so with "
                "--kafka-match key or --kafka-match header:NAME.",
                self._unmatched, self._match, self._looked_for, seen, message.key(), headers,
            )  # fmt: skip

    def consumer_error(self, name: str) -> None:
        """The reply consumer reported an error."""
        self.ledger.note(f"reply consumer: {name}")

    def forget_latencies(self, since: str) -> None:
        """Begin the latency series anew."""
        for entry in self.ledger.names.values():
            entry.forget_latencies()
        self.ledger.examples.forget_slowest()
        if self._push is not None:
            self._push.begin_anew()
        self.ledger.since = since

    def flush(self) -> None:
        """Pass the batches on to Locust and to the log file."""
        self.statistics.flush()
        if self.tracer is not None:
            self.tracer.refresh(self.ledger)
        if self._log is not None:
            self._log.flush()

    def close(self) -> None:
        """The last flush."""
        self.statistics.flush()
        for exchange in self._unacked:  # their acks never came
            self._complete(exchange)
        self._unacked.clear()
        closing = [gevent.spawn(self.tracer.close, self.ledger)] if self.tracer is not None else []
        closing += [gevent.spawn(self._push.close)] if self._push is not None else []
        gevent.joinall(closing)  # together: each may wait for a slow collector
        self.tracer = self._push = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _judgement(self, exchange: Live) -> Failure:
        """The row's failure: by outcome, or by the user's `on_reply`."""
        if exchange.outcome is not Outcome.MATCHED or exchange.check is None:
            return self.failure_of(exchange)
        try:
            complaint = exchange.check(exchange)
        except Exception as error:
            return error
        return str(complaint) if complaint else None

    def _exemplify(self, exchange: Live) -> None:
        examples, latency_ns = self.ledger.examples, exchange.latency_ns
        if exchange.outcome is not Outcome.MATCHED:
            assert exchange.outcome is not None
            kind = exchange.outcome.name.lower().replace("_", " ")
            examples.add(Example(kind, exchange.name, latency_ns, exchange.trace_id))
        elif latency_ns > examples.slower_than_ns and exchange.intended_ns >= self.measure_from_ns:
            examples.add(Example(SLOWEST, exchange.name, latency_ns, exchange.trace_id))

    def _late(self, name: str, trace_id: str, latency_ns: int, intended_ns: int) -> None:
        if intended_ns >= self.measure_from_ns:
            self.ledger.name(name).late.record(latency_ns)
        self.statistics.remark(name, self._with_example(name, "late reply", trace_id))

    def _with_example(self, name: str, what: str, trace_id: str) -> str:
        # One example a kind: were each row to name its own, Locust's table would have a line per failure.
        key = (name, what)
        if key not in self._examples:
            if len(self._examples) > 1000:
                return what
            self._examples[key] = f"{what} (for example {trace_id})" if trace_id else what
        return self._examples[key]

    def _visible(self, exchange: Live) -> str:
        """Its trace id, as an example; "" when its spans are not kept: an example that nobody can look at is none."""
        return exchange.trace_id if self.tracer is None or exchange.kept is not None else ""

    def _complete(self, exchange: Live) -> None:
        """All that can be known of an ended exchange is known."""
        if self.tracer is not None and exchange.kept is not None:
            self.tracer.tell(exchange)
        if self._log is not None:
            self._row(self._log, exchange)

    def _row(self, log: ExchangeLog, exchange: Live) -> None:
        assert exchange.outcome is not None
        shown = exchange.correlation_id.decode("ascii", "backslashreplace")
        log.row(
            shown, exchange.name, exchange.intended_ns, exchange.sent_ns, exchange.acked_ns,
            exchange.received_ns, exchange.delivery, place_of(exchange.reply) if exchange.reply is not None else None,
            exchange.outcome.name, exchange.verdict.name if exchange.verdict is not None else "",
        )  # fmt: skip
