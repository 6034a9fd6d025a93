"""Counts what the engine decides, and informs Locust's rows and the observers.

Exchanges are only gathered as they begin and end; `aggregate` counts them, many at a time.  Whoever reads the results
aggregates first.  Owned by the hub.
"""

from __future__ import annotations

import heapq
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gevent

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import REMEMBER_NS
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.examples import EXAMPLES_PER_KIND, SLOWEST
from locust_kafka.core.legs import RecordMetadata
from locust_kafka.core.results import Pause, RunResults, no_pause
from locust_kafka.exchange.diagnosis import Diagnosis
from locust_kafka.exchange.examples import example_of_exchange, example_of_later_reply
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.measure import Measure, by_name
from locust_kafka.exchange.observer import Failure, Guarded, LaterReply, Observer, Rows
from locust_kafka.exchange.validation import Validators, failure_of
from locust_kafka.kafka.record import record_metadata

logger = logging.getLogger("locust_kafka")

AGGREGATE_AT = 200
"""Exchanges counted in one go, if they come fast: more would be cheaper still, but each go holds the hub."""
AGGREGATE_BYTES = 1 << 20
"""Payloads gathered meanwhile; beyond that they are counted at once, to be let go of."""
REMEMBERED_REQUESTS = 100_000
"""Timed-out requests whose position in the log is remembered at most, so that a late reply has its legs."""

_MATCHED, _TIMED_OUT = Outcome.MATCHED, Outcome.TIMED_OUT
_MATCHED_AT, _MATCH_AT = int(Outcome.MATCHED), int(Verdict.MATCH)


class Recorder:
    """Collects what the exchange greenlet decides.

    Args:
        rows: Locust's.
        match: the rule, for the diagnosis.
        error_header: a reply with this header fails its row; "" for none.
    """

    def __init__(self, rows: Rows, match: str, error_header: str = "") -> None:
        self.results = RunResults()
        self.rows = rows
        self.measure = Measure(self.results)
        self.validators = Validators(self, error_header)
        self.only_kept_examples = False
        """Whether an exchange is an example only if its spans were exported: its link would lead nowhere."""
        self.registered: list[Exchange] = []
        """Requests that were registered and not counted yet; whoever registers one appends it."""
        self.first_ns = 0
        """When the first request was sent; 0 before it."""
        self._observers: list[Observer] = []
        self._each: list[Observer] = []
        self._matched: list[Exchange] = []
        self._ended: list[Exchange] = []
        self._bytes = 0
        self._unacked: deque[Exchange] = deque()
        self._late_requests: OrderedDict[bytes, tuple[str, RecordMetadata, int, int]] = OrderedDict()
        self._diagnosis = Diagnosis(match)
        self._closed = False

    def observe(self, observer: Observer) -> None:
        """Tell one more; before the first exchange."""
        guarded = Guarded(observer, self.results.note)
        self._observers.append(guarded)
        if observer.each:
            self._each.append(guarded)

    @property
    def batch_matched(self) -> Callable[[Exchange], None] | None:
        """Takes a matched exchange without a validator, for later; None when each has to be seen at once (`ended`)."""
        seen = self._each or self.rows.listened or self.validators.error_header
        return None if seen else self._matched.append

    def took(self, messages: Sequence[Any]) -> None:
        """Replies are about to be judged."""
        self.results.replies_read += len(messages)
        size = sum(map(len, messages))
        self._bytes += size
        self.results.reply_bytes += size

    def ended(self, exchange: Exchange) -> None:
        """An exchange ended in whatever way."""
        for observer in self._each:
            observer.ended(exchange)
        if exchange.outcome is _TIMED_OUT:
            self._timed_out(exchange)
        if not exchange.deferred:
            self.validators.report(exchange)
        self._ended.append(exchange)

    def after_batch(self) -> bool:
        """A batch was judged: what has ended is counted when there is enough of it.  Whether payloads were let go."""
        large = self._bytes > AGGREGATE_BYTES
        if large or len(self._matched) + len(self._ended) >= AGGREGATE_AT:
            self.aggregate()
        return large

    def aggregate(self) -> None:
        """Count what was gathered, and pass on what is complete."""
        self._count_registered()
        matched, ended = self._matched[:], self._ended[:]
        self._matched.clear()
        self._ended.clear()
        self._bytes = 0
        for name, exchanges in by_name(matched).items():
            books = self.results.name(name).books
            books.outcomes[_MATCHED_AT] += len(exchanges)
            books.verdicts[_MATCH_AT] += len(exchanges)
            self.rows.matched(name, [x for x in exchanges if not x.deferred])
        for exchange in ended:
            books = self.results.name(exchange.name).books
            if exchange.outcome is not None:
                books.outcomes[exchange.outcome] += 1
            if exchange.verdict is not None:
                books.verdicts[exchange.verdict] += 1
        self._record_complete(self._completed(matched, ended))

    def report(self, exchange: Exchange, failure: Failure) -> None:
        """Locust's row for an ended exchange; `failure` as the user's check sees it, or by the outcome."""
        if exchange.outcome is Outcome.UNFINISHED:
            return  # cut short: neither a success nor a failure was observed
        if exchange.outcome is _MATCHED and failure is not None:
            self.results.name(exchange.name).rejected += 1
        self.rows.result(exchange, failure)

    def later_reply(
        self, correlation_id: bytes, ended: EndedRequest, verdict: Verdict, message: Any, received_ns: int
    ) -> None:
        """A reply to an exchange that had ended."""
        self.aggregate()  # its exchange is recorded first
        self.results.name(ended.name).books.verdicts[verdict] += 1
        later = self._later(correlation_id, ended, verdict, message, received_ns)
        said = [trace_id for each in self._observers if (trace_id := each.later_reply(later)) is not None]
        trace_id = said[0] if said else correlation_id.decode("ascii", "backslashreplace")
        latency_ns = received_ns - ended.intended_ns
        if verdict is Verdict.LATE:
            self._late(ended.name, latency_ns, ended.intended_ns)
        elif verdict is Verdict.DUPLICATE:
            if ended.intended_ns >= self.measure.measure_from_ns:
                self.results.name(ended.name).duplicate.record(latency_ns)
            self.rows.add_failure_note(ended.name, "duplicate reply")
        else:
            self.rows.add_failure_note(ended.name, "reply to a request reported undelivered")
        if trace_id:
            kind = f"{verdict.name.lower()} reply"
            if self.results.examples.wants(kind):
                self.results.examples.add(example_of_later_reply(kind, later, trace_id))

    def unmatched(self, message: Any, correlation_id: bytes | None) -> None:
        """A reply that belongs to nothing we know."""
        total = self.results.total
        if not total.outcomes[_MATCHED]:
            if total.outcomes[_TIMED_OUT]:
                self._count_registered()
            self._diagnosis.unmatched(message, correlation_id, in_time=not total.outcomes[_TIMED_OUT])

    def reset(self, since: str) -> None:
        """Reset the latency series; the books are never reset."""
        self.flush()
        self.results.reset_latencies(since)
        for observer in self._observers:
            observer.reset()

    def flush(self, pause: Pause = no_pause) -> None:
        """Pass the batches on to Locust and to the observers; whoever flushes during a pause finds what is left.

        Raises:
            OSError: a file cannot be written.
        """
        if self._closed:
            return
        self.aggregate()
        self.rows.flush(pause)
        self.results.drain_buffers(pause)
        for observer in [] if self._closed else self._observers:
            observer.flush()

    def close(self, rows_patience_s: float) -> list[str]:
        """The last flush; what went wrong with it, in sentences."""
        self._closed = True
        self.validators.close()
        self.aggregate()
        self._record_complete(self._unacked)  # their acks never came
        self._unacked.clear()
        self._diagnosis.conclude(self.results.total)
        self.measure.finish()
        self.results.judge_generator()
        trouble = []
        if untaken := self.rows.close(rows_patience_s):
            trouble.append(
                f"{untaken} rows are missing from Locust's statistics: a listener of its request event does not return"
            )
        closing = [gevent.spawn(_closed, observer) for observer in self._observers]
        gevent.joinall(closing)  # together: each may wait for a slow collector
        return trouble + [greenlet.value for greenlet in closing if greenlet.value]

    def _completed(self, matched: list[Exchange], ended: list[Exchange]) -> list[Exchange]:
        """A reply can arrive before its request's ack; an exchange is recorded after its ack (or failure) only.

        So its ack latency is never missing.  Of those that wait for their acks the oldest are looked at: while a broker
        is away they may be many, and to look at all of them each time would cost their square.
        """
        complete: list[Exchange] = []
        waiting = self._unacked
        for _ in range(min(len(waiting), 2 * (len(matched) + len(ended)) + AGGREGATE_AT)):
            x = waiting.popleft()
            (complete if x.is_complete else waiting).append(x)
        for x in (*matched, *ended):
            (complete if x.acked_ns or x.is_complete else waiting).append(x)
        return complete

    def _count_registered(self) -> None:
        results = self.results
        if self.registered and not self.first_ns:
            self.first_ns = self.registered[0].sent_ns
            self._diagnosis.looks_for(self.registered[0].correlation_id)
        for name, exchanges in by_name(self.registered).items():
            results.name(name).books.registered += len(exchanges)
            if results.all_waited:
                results.all_waited = not any(x.wakeup is None or x.until_ack for x in exchanges)
        self.registered.clear()

    def _record_complete(self, complete: Iterable[Exchange]) -> None:
        """All that can be known of these ended exchanges is known."""
        batch = list(complete)
        self.measure.record(batch)
        known_ns = self.results.examples.slower_than_ns
        self._offer_examples([x for x in batch if x.ended_ns - x.intended_ns > known_ns or x.outcome is not _MATCHED])
        for x in batch:
            if x.outcome is _TIMED_OUT and x.reply is None and x.delivery is not None:
                self._remember_request(x)
        if batch:
            for observer in self._observers:
                observer.complete(batch)

    def _remember_request(self, x: Exchange) -> None:
        requests, forgotten_ns = self._late_requests, x.ended_ns - REMEMBER_NS
        requests[x.correlation_id] = (x.topic, record_metadata(x.delivery), x.acked_ns, x.ended_ns)
        # The correlator calls no reply late that comes after this time: then nobody asks for its legs.
        while len(requests) > REMEMBERED_REQUESTS or next(iter(requests.values()))[3] < forgotten_ns:
            requests.popitem(last=False)

    def _later(
        self, correlation_id: bytes, ended: EndedRequest, verdict: Verdict, message: Any, received_ns: int
    ) -> LaterReply:
        """With the legs of a first reply, if its request's place in the log is remembered."""
        known = self._late_requests.pop(correlation_id, None) if verdict is Verdict.LATE else None
        if known is None:
            return LaterReply(correlation_id, ended, verdict, message, received_ns, None, 0, None)
        topic, request, acked_ns, _ended_ns = known
        legs = self.measure.legs_of_late(topic, request, ended, acked_ns, message, received_ns)
        return LaterReply(correlation_id, ended, verdict, message, received_ns, request, acked_ns, legs)

    def _timed_out(self, exchange: Exchange) -> None:
        if exchange.intended_ns >= self.measure.measure_from_ns:
            self.results.name(exchange.name).timed_out.record(exchange.latency_ns)
        if exchange.verdict is Verdict.LATE:  # it ended its request by coming after the deadline
            self._late(exchange.name, exchange.received_ns - exchange.intended_ns, exchange.intended_ns)

    def _late(self, name: str, latency_ns: int, intended_ns: int) -> None:
        if intended_ns >= self.measure.measure_from_ns:
            self.results.name(name).late.record(latency_ns)
        self.rows.add_failure_note(name, "late reply")

    def _offer_examples(self, exchanges: list[Exchange]) -> None:
        """Offer as examples: of the matched ones the slowest, of the others the first."""
        from_ns, examples, legs_of = self.measure.measure_from_ns, self.results.examples, self.measure.legs_of
        visible = [x for x in exchanges if not self.only_kept_examples or x.kept is not None]
        matched = [x for x in visible if x.outcome is _MATCHED and x.intended_ns >= from_ns]
        for x in heapq.nlargest(EXAMPLES_PER_KIND, matched, key=lambda x: x.latency_ns):
            if x.latency_ns > examples.slower_than_ns:
                examples.add(example_of_exchange(SLOWEST, x, legs_of(x)))
        for x in visible:
            if x.outcome is not None and x.outcome is not _MATCHED:
                kind = x.outcome.name.lower().replace("_", " ")
                if examples.wants(kind):
                    examples.add(example_of_exchange(kind, x, legs_of(x), failure_of(x)))


def _closed(observer: Observer) -> str:
    """What went wrong with it, in a sentence; "" for nothing."""
    try:
        observer.close()
    except OSError as error:
        return f"the exchange log could not be written: {error}"
    return ""
