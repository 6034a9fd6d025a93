"""What a locustfile calls: `self.kafka.request(...)` and `self.kafka.send(...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Literal, overload

import gevent
from confluent_kafka import KafkaException
from gevent.hub import Waiter

from locust_kafka.core.traceparent import request_traceparent
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.kafka.producer import RequestProducer
from locust_kafka.plugin.reply import CheckedReply, Reply, Sent

if TYPE_CHECKING:
    from locust_kafka.plugin.user import KafkaUser
    from locust_kafka.run.run import Run

Value = bytes | str | None
HeaderInput = Mapping[str, bytes | str] | Sequence[tuple[str, bytes | str]] | None
QUEUE_FULL_PAUSE_S = 0.002
TURNS = 16


class KafkaClient:
    """One user's way to Kafka, as `self.kafka`.

    Args:
        user: whose it is.
        run: the run it belongs to.
    """

    def __init__(self, user: KafkaUser, run: Run) -> None:
        self._user = user
        self._run = run
        self._arrival_ns: int | None = None
        self._producer: RequestProducer[Exchange] | None = None
        self._warm_ns = 0
        self._turns = 0
        self._awaited = False
        self._last_turn = -1
        self._reply_to = ("reply-to", user.reply_topic)
        self._hub = gevent.get_hub()
        run.users += 1
        if run.is_open:  # else there is nobody to connect to
            self._producer, self._warm_ns = (
                run.producers.shared() if user.producers == "shared" else run.producers.own()
            )

    @overload
    def request(
        self, value: Value, *, key: Value = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[False] = ...,
    ) -> Reply: ...  # fmt: skip

    @overload
    def request(
        self, value: Value, *, key: Value = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[True],
    ) -> CheckedReply: ...  # fmt: skip

    def request(
        self,
        value: Value,
        *,
        key: Value = None,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        catch_response: bool = False,
    ) -> Reply:
        """Send a request and wait for its outcome (closed model).  A timeout raises nothing: it is a failed row.

        Args:
            value: the record's value; text is sent as UTF-8.
            key: the record's key; a random UUID by default.
            headers: more headers; traceparent and reply-to are added.
            name: of its row in the statistics; the topic by default.
            topic: the request topic; the user class's by default.
            timeout: the reply timeout in seconds; the user class's by default.
            catch_response: return a reply for a `with` block that decides about the row.

        Raises:
            CorrelationIdInUse: with `--kafka-match key` or `header:`, when the id is that of another request.
        """
        waiter = Waiter(self._hub)
        exchange = self._send(value, key, headers, name, topic, timeout, waiter, deferred=catch_response)
        try:
            if exchange.outcome is None:
                self._turns = 0
                waiter.get()
        except BaseException:
            exchange.deferred = False  # the user is gone: nobody is left to report the row
            raise
        return CheckedReply(exchange, self._run.recorder) if catch_response else Reply(exchange)

    def send(
        self,
        value: Value,
        *,
        key: Value = None,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        wait_for_ack: bool = True,
        on_reply: Callable[[Reply], object] | None = None,
    ) -> Sent:
        """Send a request and return at the broker's ack, or at once; the exchange is tracked all the same (open model).

        Args:
            value: as in `request`, and so are key, headers, name, topic and timeout.
            key: as in `request`.
            headers: as in `request`.
            name: as in `request`.
            topic: as in `request`.
            timeout: as in `request`.
            wait_for_ack: False returns as soon as the record is in librdkafka's queue.
            on_reply: is called with a matched reply; what it returns (if true) or raises is the row's failure.  It
                runs in the greenlet that judges all replies: it must not wait for anything.

        Raises:
            CorrelationIdInUse: as in `request`.
        """
        waiter = Waiter(self._hub) if wait_for_ack else None
        check = None if on_reply is None else lambda ended: on_reply(Reply(ended))
        exchange = self._send(value, key, headers, name, topic, timeout, waiter, until_ack=wait_for_ack, check=check)
        if waiter is not None and not exchange.acked_ns and exchange.outcome is None:
            self._turns = 0
            waiter.get()
        return Sent(exchange, waited=wait_for_ack)

    def arrivals(self) -> Iterator[int]:
        """Open model, for tight loops: comes back at each arrival that this user takes; without end.

        `for _ in self.kafka.arrivals(): self.kafka.send(value, wait_for_ack=False)` costs less than a task for each.

        Yields:
            The intended start, on the clock of `time.perf_counter_ns`; the next request or send counts from it.

        Raises:
            RuntimeError: there is no rate, so nothing arrives.
        """
        while self._run.arrivals is not None:
            if not self._run.is_open:
                self._run.await_open()
            self.await_arrival()
            assert self._arrival_ns is not None
            yield self._arrival_ns
        raise RuntimeError("arrivals() needs a rate: --kafka-rate, the class attribute rate, or set_rate()")

    def await_arrival(self) -> None:
        """Open model: wait for this user's next arrival; its request will count from the intended instant."""
        arrivals = self._run.arrivals
        if arrivals is None:
            return
        if self._warm_ns:
            self._warm_up()  # before it takes an arrival, not on the arrival's time
        if self._arrival_ns is not None:
            arrivals.give_back(self._arrival_ns)  # a task that sent nothing
            self._arrival_ns = None
        intended_ns = arrivals.take()
        # Late is the generator's fault when the user was there, or was kept from being there by nothing but us.
        self._awaited = self._hub.loop.iteration == self._last_turn
        if intended_ns is None:
            intended_ns = arrivals.wait()
            self._turns, self._awaited = 0, True
        self._arrival_ns = intended_ns
        self.rest()

    def rest(self) -> None:
        """Between tasks: let others have a turn, if this user has had many without waiting for anything."""
        self._turns += 1
        if self._turns > TURNS:
            self._turns = 0
            gevent.sleep(0)
        self._last_turn = self._hub.loop.iteration

    def close(self) -> None:
        """Its user is gone: let the producer hear what is outstanding, then go."""
        if self._arrival_ns is not None and self._run.arrivals is not None:
            self._run.arrivals.give_back(self._arrival_ns)
            self._arrival_ns = None
        self._run.users -= 1
        if self._producer is not None:
            self._run.producers.take_back(self._producer)
        self._producer = None

    def _warm_up(self) -> None:
        if self._warm_ns:
            gevent.sleep(max(0.0, (self._warm_ns - perf_counter_ns()) / 1e9))
            self._warm_ns = 0

    def _send(
        self,
        value: Value,
        key: Value,
        headers: HeaderInput,
        name: str | None,
        topic: str | None,
        timeout: float | None,
        waiter: Waiter[None] | None,
        *,
        until_ack: bool = False,
        deferred: bool = False,
        check: Callable[[Exchange], object] | None = None,
    ) -> Exchange:
        """Begin an exchange and produce its request."""
        run, recorder = self._run, self._run.recorder
        if self._warm_ns or run.arrivals is not None or not run.is_open:
            self._get_ready()
        trace_id, traceparent, default_key = run.ids.new()
        if key is None:
            key = default_key
        sampled = recorder.tracer is not None and recorder.tracer.sample(trace_id, perf_counter_ns())
        if sampled:
            traceparent = request_traceparent(trace_id, sampled=True)
        all_headers: list[tuple[str, str | bytes | None]] = [("traceparent", traceparent), self._reply_to]
        if headers is not None:
            all_headers += headers.items() if isinstance(headers, Mapping) else headers
        correlation_id = trace_id
        if not run.rule.ours:
            correlation_id = run.rule.of_request(_bytes(key), _bytes(value), all_headers) or trace_id
        topic = topic or self._user.request_topic
        now_ns = perf_counter_ns()
        intended_ns = now_ns if self._arrival_ns is None else self._take_arrival(now_ns)
        deadline_ns = intended_ns + int((self._user.reply_timeout if timeout is None else timeout) * 1e9)
        exchange = Exchange(correlation_id, name or topic, intended_ns, now_ns, deadline_ns, trace_id, topic)
        exchange.key, exchange.waiter = key, waiter
        if until_ack or deferred or sampled or check is not None:
            exchange.until_ack, exchange.deferred = until_ack, deferred
            exchange.sampled, exchange.check = sampled, check
        if recorder.statistics.listened:
            exchange.context = self._user.context()
        run.exchanges.register(exchange)
        self._produce(exchange, value, all_headers)
        return exchange

    def _get_ready(self) -> None:
        """Wait for what a request needs: a producer that can be used, an open run, an arrival."""
        self._warm_up()
        run = self._run
        if not run.is_open:
            run.await_open()
        if run.arrivals is not None and self._arrival_ns is None:
            self.await_arrival()
            run.await_open()

    def _take_arrival(self, now_ns: int) -> int:
        """The intended start of this user's arrival, which begins now."""
        intended_ns, self._arrival_ns = self._arrival_ns or now_ns, None
        if self._awaited:
            self._awaited = False
            if self._run.check is not None:
                self._run.check.started(intended_ns, now_ns)
        return intended_ns

    def _produce(self, exchange: Exchange, value: Value, headers: list[tuple[str, str | bytes | None]]) -> None:
        run, producer = self._run, self._producer
        assert producer is not None
        try:
            while True:
                try:
                    producer.produce(exchange, exchange.topic, value, exchange.key, headers)
                    if run.recorder.tracer is not None:
                        exchange.produced_ns = perf_counter_ns()
                    return
                except BufferError:
                    gevent.sleep(QUEUE_FULL_PAUSE_S)
                    if exchange.outcome is not None:  # it timed out before librdkafka had room for it
                        exchange.never_queued = True
                        return
                    exchange.sent_ns = perf_counter_ns()
        except KafkaException as refused:
            run.exchanges.not_sent(exchange, refused.args[0].str())
        except BaseException:
            exchange.deferred = False  # the user is gone: nobody is left to report the row
            run.exchanges.not_sent(exchange, "its user was stopped before it was sent")
            raise


def _bytes(value: Value) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
