"""The one place where all meet.

A greenlet feeds what native threads heard to the correlator, in order of time, and passes on what it decided to the
reports and the waiting users.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import gevent
from confluent_kafka import KafkaError
from gevent.event import Event
from gevent.hub import Waiter

from locust_kafka.core.books import Outcome
from locust_kafka.core.correlator import Correlator
from locust_kafka.errors import RunInvalid
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import Rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.hub.queue import HubQueue, Wakeup, wake_all
from locust_kafka.kafka.consumer import ReplyBatch, ReplyConsumer
from locust_kafka.kafka.producer import DeliveryReport

logger = logging.getLogger("locust_kafka")

STUCK_NS = 5_000_000_000
LEADERS_EVERY_S = 10.0


class ExchangeEngine:
    """All exchanges of one run in this process.

    Args:
        rule: what identifies an exchange.
        generation: the prefix of this run's trace ids.
        recorder: where results go.
        on_fatal: is called once when the run cannot go on.
    """

    def __init__(
        self, rule: Rule, generation: bytes, recorder: Recorder, on_fatal: Callable[[RunInvalid], None]
    ) -> None:
        self.correlator: Correlator[Exchange] = Correlator(generation if rule.ours else None)
        self._bell = Wakeup()
        self.reply_batches: HubQueue[ReplyBatch] = HubQueue(self._bell)
        self.delivery_reports: HubQueue[DeliveryReport[Exchange]] = HubQueue(self._bell)
        self.consumer: ReplyConsumer | None = None
        self.disconnected_since_ns = 0
        """Since when the reply consumer is without any broker; 0 while it has one."""
        self._rule = rule
        self._recorder = recorder
        self._registered = recorder.registered.append
        self._on_fatal = on_fatal
        self._failures: deque[tuple[Exchange, int]] = deque()
        self._to_wake: list[Waiter[None]] = []
        self._watermark_ns = perf_counter_ns()
        self._nothing_pending = Event()
        self._greenlets: list[gevent.Greenlet] = []
        self._fatal = False

    def start(self, consumer: ReplyConsumer) -> None:
        """Start to listen: the reply consumer (already connected), and the greenlet."""
        self.consumer = consumer
        self._watermark_ns = perf_counter_ns()
        consumer.start()
        self._greenlets = [
            gevent.spawn(self._run),
            gevent.spawn(self._refresh_leaders, consumer),
            gevent.spawn(self._watch_consumer),
        ]

    def register(self, exchange: Exchange) -> None:
        """Begin an exchange; before its request is produced.

        Raises:
            CorrelationIdInUse: its id is not unique.
        """
        self.correlator.register(exchange)
        self._registered(exchange)
        consumer = self.consumer
        if consumer is not None and (
            consumer.next_deadline_ns is None or exchange.deadline_ns < consumer.next_deadline_ns
        ):
            consumer.next_deadline_ns = exchange.deadline_ns

    def not_sent(self, exchange: Exchange, reason: str) -> None:
        """The request never left: librdkafka refused it, or its queue stayed full."""
        exchange.failure = reason
        if self.correlator.undelivered(exchange.correlation_id, perf_counter_ns()) is not None:
            self._ended(exchange)
            self._wake()

    def await_nothing_pending(self) -> None:
        """Wait until every request has ended; each does by its deadline."""
        if self.correlator.books.pending:
            self._nothing_pending.clear()
            self._nothing_pending.wait()

    def close(self, stop_producers: Callable[[], None]) -> None:
        """Stop listening, judge what was heard, and end what is pending as UNFINISHED.

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

    def _refresh_leaders(self, consumer: ReplyConsumer) -> None:
        """Keep knowing who leads what: each broker has a clock of its own."""
        while True:
            leaders = gevent.get_hub().threadpool.apply(consumer.leaders)
            self._recorder.measure.clocks.lead(leaders)
            gevent.sleep(LEADERS_EVERY_S if leaders else 1.0)

    def _run(self) -> None:
        bell, process = self._bell, self._process
        while True:
            bell.wait()
            try:
                process()
            except Exception as error:
                self._fail(f"judging the replies failed: {error!r}")
                return

    def _watch_consumer(self) -> None:
        while True:
            gevent.sleep(1.0)
            self._check_watermark()

    def _process(self) -> None:
        self._process_delivery_reports()
        for heard in self.reply_batches.take_all():
            self._process_batch(heard)
        deadline_ns = self.correlator.next_deadline_ns()
        if self.consumer is not None:
            self.consumer.next_deadline_ns = deadline_ns
        if deadline_ns is None:
            self._nothing_pending.set()
        self._wake()
        self._recorder.after_batch()

    def _process_delivery_reports(self) -> None:
        for exchange, error, reported_ns in self.delivery_reports.take_all():
            if exchange is None:
                self._fail(f"the thread that hears delivery reports died: {error!r}; sends could not be heard any more")
                continue
            if error is not None:
                # Judged when all replies received before it are: the order of looking must not decide.
                exchange.failure = error.str() if isinstance(error, KafkaError) else repr(error)
                self._failures.append((exchange, reported_ns))
            elif exchange.waiter is not None:
                self._to_wake.append(exchange.waiter)

    def _process_batch(self, heard: ReplyBatch) -> None:
        if heard.death is not None:
            self._fail(f"the reply consumer died: {heard.death!r}; replies could not be heard any more")
            return
        for error in heard.errors:
            self._consumer_error(error)
        if heard.messages:
            self._judge_all(heard.messages[:1], heard.watermark_ns)
            self._judge_all(heard.messages[1:], heard.rest_ns)
        self._watermark_ns = max(self._watermark_ns, heard.watermark_ns)
        while self._failures and self._failures[0][1] <= heard.watermark_ns:
            exchange, reported_ns = self._failures.popleft()
            ended = self.correlator.undelivered(exchange.correlation_id, reported_ns)
            if ended is not None:
                self._ended(ended)
        for exchange in self.correlator.expire(heard.watermark_ns):
            exchange.consumer_disconnected = bool(self.disconnected_since_ns)
            self._ended(exchange)

    def _judge_all(self, messages: list[Any], received_ns: int) -> None:
        id_of, match, recorder, to_wake = self._rule.of_reply, self.correlator.match, self._recorder, self._to_wake
        plain = recorder.batch_matched
        recorder.ledger.replies_read += len(messages)
        for message in messages:
            if message.error() is not None:
                recorder.ledger.replies_read -= 1
                self._consumer_error(message.error())
                continue
            try:
                correlation_id = id_of(message)
            except Exception:  # a user's extractor
                correlation_id = None
            exchange = match(correlation_id, received_ns)
            if exchange is None:
                self._judge(message, correlation_id, received_ns)
                continue
            exchange.reply = message
            if plain is not None and exchange.check is None:
                plain(exchange)
                if exchange.waiter is not None:
                    to_wake.append(exchange.waiter)
            else:
                self._ended(exchange)
        if self.disconnected_since_ns:
            logger.warning("the reply consumer hears a broker again")
            self.disconnected_since_ns = 0

    def _judge(self, message: Any, correlation_id: bytes | None, received_ns: int) -> None:
        """A reply that is no plain match."""
        if not correlation_id:
            self.correlator.malformed()
            self._recorder.unmatched(message, None)
            return
        verdict, exchange, past = self.correlator.reply(correlation_id, received_ns)
        if exchange is not None:
            exchange.reply, exchange.late_ns, exchange.late_verdict = message, received_ns, verdict
            self._ended(exchange)
        elif past is not None:
            self._recorder.further(correlation_id, past, verdict, message, received_ns)
        else:
            self._recorder.unmatched(message, correlation_id)

    def _ended(self, exchange: Exchange) -> None:
        if exchange.outcome is Outcome.UNDELIVERED and not exchange.failure:
            exchange.failure = "not delivered"
        self._recorder.ended(exchange)
        if exchange.waiter is not None:
            self._to_wake.append(exchange.waiter)

    def _wake(self) -> None:
        if self._to_wake:
            wake_all(self._to_wake[:])
            self._to_wake.clear()

    def _consumer_error(self, error: Any) -> None:
        if error.fatal():
            self._fail(f"the reply consumer failed: {error.str()}")
        elif error.code() == error._AUTO_OFFSET_RESET:  # noqa: SLF001 - its name
            self._fail(f"replies were deleted before they were read ({error.str()}): raise the topic's retention")
        elif error.code() == error._ALL_BROKERS_DOWN and not self.disconnected_since_ns:  # noqa: SLF001 - its name
            self.disconnected_since_ns = perf_counter_ns()
            logger.error(
                "the reply consumer has lost every broker (%s): replies cannot be heard; timeouts from here on say so",
                error.str(),
            )
        self._recorder.consumer_error(error.name())

    def _check_watermark(self) -> None:
        """A watermark this old, with everything taken in that was handed over: the native thread is stuck."""
        if perf_counter_ns() - self._watermark_ns > STUCK_NS and self.reply_batches.waiting:
            return  # it is the hub that stood still: the next look will see
        if perf_counter_ns() - self._watermark_ns > STUCK_NS and not self._fatal:
            self._fail(f"the reply consumer is stuck: nothing heard from it for {STUCK_NS / 1e9:.0f} s")

    def _fail(self, sentence: str) -> None:
        if not self._fatal:
            self._fatal = True
            self._on_fatal(RunInvalid(sentence))
