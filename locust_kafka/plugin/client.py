"""What a locustfile calls: `self.kafka.request(...)` and `self.kafka.send(...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, overload

from gevent.hub import Waiter

from locust_kafka.plugin.arguments import DefaultKey, HeaderInput, Value
from locust_kafka.plugin.expected import Expected, expect
from locust_kafka.plugin.reply import CheckedReply, Reply, Sent
from locust_kafka.plugin.sender import RequestSender


class KafkaClient(RequestSender):
    """A user's Kafka client, as `self.kafka`."""

    @overload
    def request(
        self, value: Value, *, key: Value | DefaultKey = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[False] = ...,
    ) -> Reply: ...  # fmt: skip

    @overload
    def request(
        self, value: Value, *, key: Value | DefaultKey = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[True],
    ) -> CheckedReply: ...  # fmt: skip

    def request(
        self,
        value: Value,
        *,
        key: Value | DefaultKey = DefaultKey.UUID,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        catch_response: bool = False,
    ) -> Reply:
        """Send a request and wait for its outcome (closed model).  A timeout raises nothing: it is a failed row.

        Args:
            value: the record's value; text is sent as UTF-8.
            key: the record's key; a random UUID by default, and none for None.
            headers: more headers; traceparent and reply-to are added.  A traceparent of your own (OpenTelemetry's
                `inject`) makes your span the parent, and its trace id the exchange's.
            name: of its row in the statistics; the topic by default.
            topic: the request topic; the user class's by default.
            timeout: the reply timeout in seconds; the user class's by default.
            catch_response: return a reply for a `with` block that decides about the row.

        Raises:
            TypeError: an argument has the wrong type; nothing was sent.
            ValueError: an argument cannot be sent; nothing was sent.
            CorrelationIdInUse: the correlation id is that of another request (with `--kafka-match key` or `header:`,
                or a traceparent of your own).
            RunOver: the run has ended; it ends the greenlet, as Locust's own kill would.
        """
        waiter = Waiter(self._hub)
        exchange = self._send(value, key, headers, name, topic, timeout, waiter, deferred=catch_response)
        try:
            if exchange.outcome is None:
                self._tasks_without_yield = 0
                waiter.get()
        except BaseException:
            self._report_deferred(exchange)
            raise
        return CheckedReply(exchange, self._run.recorder) if catch_response else Reply(exchange)

    def send(
        self,
        value: Value,
        *,
        key: Value | DefaultKey = DefaultKey.UUID,
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
            on_reply: is called with a matched reply, in a greenlet of its own; what it returns (if true) or raises is
                the row's failure.  It may send and wait for replies itself.

        Raises:
            TypeError: as in `request`, and so are the others.
            ValueError: as in `request`.
            CorrelationIdInUse: as in `request`.
            RunOver: as in `request`.
        """
        waiter = Waiter(self._hub) if wait_for_ack else None
        validator = None if on_reply is None else lambda ended: on_reply(Reply(ended))
        exchange = self._send(
            value, key, headers, name, topic, timeout, waiter, until_ack=wait_for_ack, validator=validator
        )
        if waiter is not None and not exchange.acked_ns and exchange.outcome is None:
            self._tasks_without_yield = 0
            waiter.get()
        return Sent(exchange, waited=wait_for_ack)

    def expect(
        self, correlation_id: str | bytes | None = None, *, name: str | None = None, timeout: float | None = None
    ) -> Expected:
        """Expect a reply to a request that is sent by other means, such as HTTP; call this before it is sent.

        The exchange is registered, timed out and matched like any other; its latency counts from this call.

        Args:
            correlation_id: what the reply will carry; None makes a new trace id, to be sent as `traceparent`.
            name: of its row in the statistics; the reply topic by default.
            timeout: the reply timeout in seconds; the user class's by default.

        Raises:
            TypeError: an argument has the wrong type; nothing was registered.
            ValueError: no reply could carry that id.
            CorrelationIdInUse: it is that of another request.
            RunOver: the run has ended.
        """
        return expect(self._run, self._settings, correlation_id, name, timeout, self._start_of)

    def arrivals(self) -> Iterator[int]:
        """Open model, for tight loops: comes back at each arrival that this user takes; without end.

        `for _ in self.kafka.arrivals(): self.kafka.send(value, wait_for_ack=False)` costs less than a task for each.

        Yields:
            The intended start, on the clock of `time.perf_counter_ns`; the next request or send counts from it.

        Raises:
            RuntimeError: there is no rate, so nothing arrives.
        """
        while self._run.has_plan:
            if not self._run.is_open:
                self._run.await_may_send()
            intended_ns, self._arrival_ns = self._arrival_ns, None  # the task's own arrival is the first
            if intended_ns is None:
                intended_ns = self._take_arrival()
            self._arrival_ns = intended_ns
            yield intended_ns
        raise RuntimeError("arrivals() needs a rate: --kafka-rate, the class attribute rate, or set_rate()")
