"""Feeds replies and delivery reports to the correlator, in the order of time, and passes on what it decides.

All of it runs in one greenlet.  What the user's code does (`on_reply`, listeners) runs in greenlets of its own: nothing
there can stop the judging of replies.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns, time_ns
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import Waiter

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import Correlator
from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.consumer_errors import DOUBTFUL, FINAL, words_of
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.failures import DeliveryFailures
from locust_kafka.exchange.matching import Rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.exchange.stalled import WatermarkCheck
from locust_kafka.hub.queue import HubQueue, Wakeup, wake_all
from locust_kafka.kafka.causes import BrokerError, read_failure
from locust_kafka.kafka.consumer import ReplyBatch, ReplyConsumer
from locust_kafka.kafka.foreign import Dropped
from locust_kafka.kafka.producer import DeliveryReport

logger = logging.getLogger("locust_kafka")

LOOK_S = 1.0


class ExchangeEngine:
    """All exchanges of one run in this process.

    Args:
        rule: what identifies an exchange.
        routing: where replies come, and whose they are.
        recorder: where results go.
        on_fatal: is called once when the run cannot go on.
    """

    def __init__(
        self, rule: Rule, routing: ReplyRouting, recorder: Recorder, on_fatal: Callable[[RunInvalid], None]
    ) -> None:
        self.correlator: Correlator[Exchange] = Correlator(routing.generation if rule.ours else None)
        self.routing = routing
        wakeup = self._wakeup = Wakeup()
        self.reply_batches: HubQueue[ReplyBatch] = HubQueue(wakeup)
        self.delivery_reports: HubQueue[DeliveryReport[Exchange]] = HubQueue(wakeup)
        self.consumer: ReplyConsumer | None = None
        self.disconnected_since_ns = 0
        """Since when the reply consumer is without any broker; 0 while it has one."""
        self.doubted = Event()
        """librdkafka said that brokers are down or a topic is away: it never takes that back, so somebody must look."""
        self.delivery_failures = DeliveryFailures(self.note_event)
        self._rule = rule
        self._recorder = recorder
        self._registered = recorder.registered.append
        self._on_fatal = on_fatal
        self._failures: deque[tuple[Exchange, int]] = deque()
        self._to_wake: list[Waiter[None]] = []
        self._watermark_ns = perf_counter_ns()
        self._nothing_pending = Event()
        self._greenlets: list[gevent.Greenlet] = []
        self._watermark_check = WatermarkCheck()
        # Events bear the wall clock's time as of the run's begin: a clock that is set meanwhile must not move them.
        self._wall_offset_ns = time_ns() - perf_counter_ns()
        self._fatal = False

    def start(self, consumer: ReplyConsumer) -> None:
        """Start to listen: the reply consumer (already assigned), and the greenlet."""
        self.consumer = consumer
        self._watermark_ns = perf_counter_ns()
        self.routing.narrow = consumer.forget
        consumer.start()
        self._greenlets = [gevent.spawn(self._run), gevent.spawn(self._watch_consumer)]

    def register(self, exchange: Exchange, *, fresh: bool = False) -> None:
        """Begin an exchange; before its request is produced.  `fresh`: its id was made here just now.

        Raises:
            CorrelationIdInUse: its id is not unique.
        """
        self.correlator.register(exchange, fresh=fresh)
        self._registered(exchange)
        if (consumer := self.consumer) is None:
            return
        if consumer.next_deadline_ns is None or exchange.deadline_ns < consumer.next_deadline_ns:
            consumer.next_deadline_ns = exchange.deadline_ns
        if exchange.validator is not None or (exchange.wakeup is not None and not exchange.until_ack):
            consumer.somebody_waits = True

    def accept_other_ids(self) -> None:
        """From now on ids are registered that do not begin with our prefix (a trace that the user has begun)."""
        self.correlator.accept_other_ids()
        self.routing.accept_other_ids()

    def not_sent(self, exchange: Exchange, reason: str) -> None:
        """The request never left: librdkafka refused it, or its queue stayed full."""
        exchange.failure, exchange.never_queued = reason, True
        if self.correlator.undelivered(exchange, perf_counter_ns()):
            self._ended(exchange)
            self._wake()

    def note_event(self, words: str) -> None:
        """Note that something happened to this run, now."""
        self._recorder.results.events.add((perf_counter_ns() + self._wall_offset_ns) / 1e9, words)

    def await_nothing_pending(self) -> None:
        """Wait until every request has ended; each does by its deadline."""
        while self.correlator.books.pending:
            self._nothing_pending.clear()
            self._nothing_pending.wait()

    def set_connected(self, connected: bool) -> None:
        """Somebody has looked whether the reply consumer has a broker."""
        if connected and self.disconnected_since_ns:
            logger.warning("the reply consumer has a broker again")
            self.note_event("the reply consumer has a broker again")
            self.disconnected_since_ns = 0
        elif not connected and not self.disconnected_since_ns:
            self.disconnected_since_ns = perf_counter_ns()
            logger.error("the reply consumer has lost every broker: no replies can arrive; timeouts from now on say so")
            self.note_event("the reply consumer has lost every broker")

    def close(self, stop_producers: Callable[[], None]) -> None:
        """Stop listening, judge what was received, and end what is pending as UNFINISHED.

        Args:
            stop_producers: has them report what is outstanding as failed, and end.
        """
        self._fatal = True  # what ends from here on ends because we end it
        if self.consumer is not None:
            self.consumer.stop()
        stop_producers()
        gevent.killall(self._greenlets)
        self._process()
        for exchange in self.correlator.close(perf_counter_ns()):
            self._ended(exchange)
        self._wake()
        self.reply_batches.close()
        self.delivery_reports.close()

    def fail(self, sentence: str) -> None:
        """The run cannot go on; the first reason counts."""
        if not self._fatal:
            self._fatal = True
            self.note_event(sentence)
            self._on_fatal(RunInvalid(sentence))

    def _run(self) -> None:
        wakeup, process = self._wakeup, self._process
        while True:
            wakeup.wait()
            try:
                process()
            except Exception as error:
                self.fail(f"judging the replies failed: {error!r}")
                return

    def _process(self) -> None:
        self._process_delivery_reports()
        for batch in self.reply_batches.take_all():
            self._process_batch(batch)
        deadline_ns = self.correlator.next_deadline_ns()
        if self.consumer is not None:
            self.consumer.next_deadline_ns = deadline_ns
        if deadline_ns is None:
            self._nothing_pending.set()
        self._wake()
        if self._recorder.after_batch():
            self.correlator.compact()

    def _process_delivery_reports(self) -> None:
        for exchange, error, reported_ns in self.delivery_reports.take_all():
            if exchange is None:
                self.fail(f"a request producer cannot go on: {words_of(error)}")
            elif error is not None:
                # Judged when all replies received before it are: the order of looking must not decide.
                exchange.failure = self.delivery_failures.reason(exchange.topic, error)
                self._failures.append((exchange, reported_ns))
            elif exchange.wakeup is not None:
                self._to_wake.append(exchange.wakeup)

    def _process_batch(self, batch: ReplyBatch) -> None:
        if batch.death is not None:
            self.fail(f"the reply consumer died: {batch.death!r}; no replies could be received any more")
            return
        for error in batch.errors:
            self._consumer_error(error, "")
        # What failed before this batch was received failed before its replies: those received earlier were judged.
        while self._failures and self._failures[0][1] <= batch.watermark_ns:
            exchange, reported_ns = self._failures.popleft()
            if self.correlator.undelivered(exchange, reported_ns):
                self._ended(exchange)
        if batch.messages:
            early, ids = batch.early, batch.trace_ids
            self._judge_all(batch.messages[:early], ids and ids[:early], batch.watermark_ns)
            self._judge_all(batch.messages[early:], ids and ids[early:], batch.rest_ns)
            if self.routing.is_proving:
                self.routing.prove(batch.messages)
        if batch.dropped is not None:
            self._note_dropped(batch.dropped)
        self._watermark_ns = max(self._watermark_ns, batch.watermark_ns)
        for exchange in self.correlator.expire(batch.watermark_ns):
            exchange.consumer_disconnected = bool(self.disconnected_since_ns)
            self._ended(exchange)

    def _judge_all(self, messages: list[Any], trace_ids: list[bytes | None] | None, received_ns: int) -> None:
        recorder = self._recorder
        id_of, match, to_wake = self._rule.of_reply, self.correlator.match, self._to_wake
        batch_matched = recorder.batch_matched
        recorder.took(messages)
        for at, message in enumerate(messages):
            if message.error() is not None:
                recorder.results.replies_read -= 1
                self._consumer_error(message.error(), str(message.topic() or ""))
                continue
            try:
                correlation_id = id_of(message) if trace_ids is None else trace_ids[at]
            except (Exception, SystemError):  # a header name that is no UTF-8
                message.set_headers([])  # a second look at such headers would end the process
                correlation_id = None
            exchange = match(correlation_id, received_ns)
            if exchange is None:
                self._judge(message, correlation_id, received_ns)
                continue
            exchange.reply = message
            if batch_matched is not None and exchange.validator is None:
                batch_matched(exchange)
                if exchange.wakeup is not None:
                    to_wake.append(exchange.wakeup)
            else:
                self._ended(exchange)
        if self.disconnected_since_ns:
            self.set_connected(True)

    def _judge(self, message: Any, correlation_id: bytes | None, received_ns: int) -> None:
        """A reply that is no plain match."""
        if not correlation_id:
            self.correlator.malformed()
            self._recorder.unmatched(message, None)
            return
        verdict, exchange, ended = self.correlator.reply(correlation_id, received_ns)
        if exchange is not None:
            exchange.reply, exchange.late_ns, exchange.late_verdict = message, received_ns, verdict
            self._ended(exchange)
        elif ended is not None:
            self._recorder.later_reply(correlation_id, ended, verdict, message, received_ns)
        else:
            if verdict is Verdict.FOREIGN:
                matched = self.correlator.books.outcomes[Outcome.MATCHED] > 0
                self.routing.note_foreign(message, correlation_id, some_matched=matched)
            self._recorder.unmatched(message, correlation_id)

    def _note_dropped(self, dropped: Dropped) -> None:
        self.correlator.books.verdicts[Verdict.FOREIGN] += dropped.replies
        self._recorder.results.replies_read += dropped.replies
        self._recorder.results.reply_bytes += dropped.size
        self.routing.note_dropped(dropped)

    def _ended(self, exchange: Exchange) -> None:
        if exchange.outcome is Outcome.UNDELIVERED:
            exchange.failure = exchange.failure or "not delivered"
            if not self._fatal:
                self.delivery_failures.say(exchange.failure)
        self._recorder.ended(exchange)
        if exchange.wakeup is not None:
            self._to_wake.append(exchange.wakeup)

    def _wake(self) -> None:
        if self._to_wake:
            wake_all(self._to_wake[:])
            self._to_wake.clear()

    def _consumer_error(self, error: Any, topic: str) -> None:
        self._recorder.results.note(f"reply consumer: {error.name()}")
        if error.code() in DOUBTFUL:
            self.doubted.set()
        elif error.fatal() or error.code() in FINAL:
            self.fail(read_failure(topic or "the reply topic", BrokerError(error.name(), error.str())))

    def _watch_consumer(self) -> None:
        while True:
            gevent.sleep(LOOK_S)
            self._check_watermark()

    def _check_watermark(self) -> None:
        age_ns = perf_counter_ns() - self._watermark_ns
        if sentence := self._watermark_check.check(age_ns, waiting=self.reply_batches.waiting):
            self.fail(sentence)
