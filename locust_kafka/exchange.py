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
from gevent.event import Event
from gevent.hub import Waiter

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlation import Correlator, Exchange
from locust_kafka.core.sampling import Reason
from locust_kafka.errors import RunInvalid
from locust_kafka.kafka.consumer import Heard, ReplyConsumer
from locust_kafka.kafka.native import Handover
from locust_kafka.kafka.producer import Delivery, DeliveryPoller
from locust_kafka.matching import Rule
from locust_kafka.report.exchange_log import place_of
from locust_kafka.report.outlet import Outlet

logger = logging.getLogger("locust_kafka")

STUCK_NS = 5_000_000_000


class Live(Exchange):
    """An exchange with what the edges know of it.

    Attributes:
        trace_id: its trace id as text.
        key: of its request.
        topic: of its request.
        sampled: whether its request told the service to record.
        produced_ns: when produce() returned; 0 when it never did.
        kept: why its spans are exported; None when they are not.
        judged_ns: when its end was decided, if it is kept.
        acked_ns: when its delivery report came; 0 while it has not.
        delivery: partition, offset and append time (ms) of the request, from the delivery report.
        failure: why it was not delivered.
        received_ns: when the reply that ended it was received.
        reply: that reply, a confluent-kafka Message.
        verdict: of that reply.
        waiter: wakes the user that waits for the end.
        ack_waiter: wakes the user that waits for the ack.
        deferred: whether the user's code reports the row (`catch_response`).
        check: `on_reply` of `send()`.
        context: for listeners of Locust's `request` event.
        ear_lost: whether the reply consumer had lost its broker when it timed out.
    """

    __slots__ = (
        "ack_waiter", "acked_ns", "check", "context", "deferred", "delivery", "ear_lost", "failure", "judged_ns",
        "kept", "key", "produced_ns", "received_ns", "reply", "sampled", "topic", "trace_id", "verdict", "waiter",
    )  # fmt: skip

    def __init__(
        self,
        correlation_id: bytes,
        name: str,
        intended_ns: int,
        sent_ns: int,
        deadline_ns: int,
        trace_id: str,
        topic: str,
    ) -> None:
        super().__init__(correlation_id, name, intended_ns, sent_ns, deadline_ns)
        self.trace_id = trace_id
        self.topic = topic
        self.key: bytes | None = None
        self.sampled = False
        self.produced_ns = 0
        self.kept: Reason | None = None
        self.judged_ns = 0
        self.acked_ns = 0
        self.delivery: tuple[int, int, int] | None = None
        self.failure = ""
        self.received_ns = 0
        self.reply: Any = None
        self.verdict: Verdict | None = None
        self.waiter: Waiter[None] | None = None
        self.ack_waiter: Waiter[None] | None = None
        self.deferred = False
        self.check: Callable[[Any], object] | None = None
        self.context: dict[str, Any] = {}
        self.ear_lost = False

    @property
    def latency_ns(self) -> int:
        """From the intended start to the end."""
        return self.ended_ns - self.intended_ns


class Exchanges:
    """All exchanges of one run in this process.

    Args:
        rule: what identifies an exchange.
        generation: the prefix of this run's trace ids.
        outlet: where results go.
        on_fatal: is called once when the run cannot go on.
    """

    def __init__(self, rule: Rule, generation: bytes, outlet: Outlet, on_fatal: Callable[[RunInvalid], None]) -> None:
        self.correlator: Correlator[Live] = Correlator(generation if rule.ours else None)
        self._woken = Event()
        self.heard: Handover[Heard] = Handover(self._woken)
        self.reports: Handover[Delivery[Live] | BaseException] = Handover(self._woken)
        self.poller: DeliveryPoller[Live] = DeliveryPoller(self.reports)
        self.consumer: ReplyConsumer | None = None
        self.ear_lost_ns = 0
        """Since when the reply consumer is without any broker; 0 while it has one."""
        self._rule = rule
        self._outlet = outlet
        self._on_fatal = on_fatal
        self._failures: deque[Delivery[Live]] = deque()
        self._watermark_ns = perf_counter_ns()
        self._nothing_pending = Event()
        self._greenlet: gevent.Greenlet | None = None
        self._fatal = False

    def start(self, consumer: ReplyConsumer) -> None:
        """Start to listen: the delivery poller, the reply consumer (already connected), and the greenlet."""
        self.consumer = consumer
        self._watermark_ns = perf_counter_ns()
        self.poller.start()
        consumer.start()
        self._greenlet = gevent.spawn(self._run)

    def register(self, exchange: Live) -> None:
        """Begin an exchange; before its request is produced.

        Raises:
            CorrelationIdInUse: its id is not unique.
        """
        self.correlator.register(exchange)
        self._outlet.registered(exchange)
        self._nothing_pending.clear()
        consumer = self.consumer
        if consumer is not None and (
            consumer.next_deadline_ns is None or exchange.deadline_ns < consumer.next_deadline_ns
        ):
            consumer.next_deadline_ns = exchange.deadline_ns

    def not_sent(self, exchange: Live, reason: str) -> None:
        """The request never left: librdkafka refused it, or its queue stayed full."""
        exchange.failure = reason
        if self.correlator.undelivered(exchange.correlation_id, perf_counter_ns()) is not None:
            self._ended(exchange)

    def await_nothing_pending(self) -> None:
        """Wait until every request has ended; each does by its deadline."""
        if self.correlator.books.pending:
            self._nothing_pending.clear()
            self._nothing_pending.wait()

    def close(self) -> None:
        """Stop listening, judge what was heard, and end what is pending as UNFINISHED."""
        self._fatal = True  # what ends from here on ends because we end it
        if self.consumer is not None:
            self.consumer.stop()
            self.poller.stop()
        if self._greenlet is not None:
            self._greenlet.kill()
        self._take_in()
        for exchange in self.correlator.close(perf_counter_ns()):
            self._ended(exchange)
        for report in self._failures:
            self._outlet.acked(report.whose)
        self.heard.close()
        self.reports.close()

    def _run(self) -> None:
        while True:
            if not self._woken.wait(1.0):
                self._check_ear()
                continue
            self._woken.clear()
            try:
                self._take_in()
            except Exception as error:
                self._fail(f"judging the replies failed: {error!r}")
                return
            self._check_ear()

    def _take_in(self) -> None:
        self._take_reports()
        for heard in self.heard.take_all():
            self._take_heard(heard)
        if self.consumer is not None:
            self.consumer.next_deadline_ns = self.correlator.next_deadline_ns()
        if not self.correlator.books.pending:
            self._nothing_pending.set()

    def _take_reports(self) -> None:
        for report in self.reports.take_all():
            if isinstance(report, BaseException):
                self._fail(f"the delivery poller died: {report!r}; sends could not be heard any more")
                continue
            exchange = report.whose
            if report.error is not None:
                # Judged when all replies received before it are: the order of looking must not decide.
                exchange.failure = report.error.str()
                self._failures.append(report)
                continue
            exchange.acked_ns = report.reported_ns
            message = report.message
            assert message is not None
            exchange.delivery = place_of(message)
            self._outlet.acked(exchange)
            self._wake(exchange.ack_waiter)

    def _take_heard(self, heard: Heard) -> None:
        if heard.death is not None:
            self._fail(f"the reply consumer died: {heard.death!r}; replies could not be heard any more")
            return
        for error in heard.errors:
            self._consumer_error(error)
        for message in heard.messages:
            if (error := message.error()) is not None:
                self._consumer_error(error)
            else:
                self._judge(message, heard.watermark_ns)
        if heard.messages and self.ear_lost_ns:
            logger.warning("the reply consumer hears a broker again")
            self.ear_lost_ns = 0
        self._watermark_ns = max(self._watermark_ns, heard.watermark_ns)
        while self._failures and self._failures[0].reported_ns <= heard.watermark_ns:
            report = self._failures.popleft()
            ended = self.correlator.undelivered(report.whose.correlation_id, report.reported_ns)
            if ended is not None:
                self._ended(ended)
            self._outlet.acked(report.whose)
        for exchange in self.correlator.expire(heard.watermark_ns):
            exchange.ear_lost = bool(self.ear_lost_ns)
            self._ended(exchange)

    def _judge(self, message: Any, received_ns: int) -> None:
        self._outlet.read()
        correlation_id = self._rule.reply_id(message)
        if not correlation_id:
            self.correlator.malformed()
            self._outlet.unmatched(message, None)
            return
        verdict, exchange, past = self.correlator.reply(correlation_id, received_ns)
        if exchange is not None:
            exchange.received_ns, exchange.reply, exchange.verdict = received_ns, message, verdict
            self._ended(exchange)
        elif past is not None:
            self._outlet.further(correlation_id, past, verdict, message, received_ns)
        else:
            self._outlet.unmatched(message, correlation_id)

    def _ended(self, exchange: Live) -> None:
        if exchange.outcome is Outcome.UNDELIVERED and not exchange.failure:
            exchange.failure = "not delivered"
        self._outlet.ended(exchange)
        self._wake(exchange.ack_waiter)
        self._wake(exchange.waiter)

    def _wake(self, waiter: Waiter[None] | None) -> None:
        if waiter is not None:
            # A Waiter may be switched from the hub only.
            gevent.get_hub().loop.run_callback(waiter.switch, None)

    def _consumer_error(self, error: Any) -> None:
        if error.fatal():
            self._fail(f"the reply consumer failed: {error.str()}")
        elif error.code() == error._AUTO_OFFSET_RESET:  # noqa: SLF001 - its name
            self._fail(f"replies were deleted before they were read ({error.str()}): raise the topic's retention")
        elif error.code() == error._ALL_BROKERS_DOWN and not self.ear_lost_ns:  # noqa: SLF001 - its name
            self.ear_lost_ns = perf_counter_ns()
            logger.error(
                "the reply consumer has lost every broker (%s): replies cannot be heard; timeouts from here on say so",
                error.str(),
            )
        self._outlet.consumer_error(error.name())

    def _check_ear(self) -> None:
        """Everything handed over has been taken in: a watermark this old means that the native thread is stuck."""
        if perf_counter_ns() - self._watermark_ns > STUCK_NS and not self._fatal:
            self._fail(f"the reply consumer is stuck: nothing heard from it for {STUCK_NS / 1e9:.0f} s")

    def _fail(self, sentence: str) -> None:
        if not self._fatal:
            self._fatal = True
            self._on_fatal(RunInvalid(sentence))
