"""What a locustfile calls: `self.kafka.request(...)` and `self.kafka.send(...)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from gevent.hub import Waiter
from locust import User

from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.plugin.arguments import DefaultKey, HeaderInput, Value
from locust_kafka.plugin.classes import ClassSettings
from locust_kafka.plugin.expected import Expected, expect
from locust_kafka.plugin.payloads import Hook, deserialize, hook
from locust_kafka.plugin.reply import CheckedReply, Reply, Sent, row_failure
from locust_kafka.plugin.sender import RequestSender

if TYPE_CHECKING:
    from locust_kafka.run.run import Run


class KafkaClient(RequestSender):
    """A user's Kafka client, as `self.kafka`; arguments as `RequestSender`'s."""

    def __init__(self, user: User, run: Run, settings: ClassSettings) -> None:
        super().__init__(user, run, settings)
        # Looked up once: without hooks they must cost nothing.
        self._own_send = self._send if settings.serializer is None else self._serializing(settings.serializer)
        self._deserializer = settings.deserializer

    @overload
    def request(
        self, value: Any, *, key: Value | DefaultKey = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[False] = ...,
        serializer: Hook | None = ..., deserializer: Hook | None = ...,
    ) -> Reply: ...  # fmt: skip

    @overload
    def request(
        self, value: Any, *, key: Value | DefaultKey = ..., headers: HeaderInput = ..., name: str | None = ...,
        topic: str | None = ..., timeout: float | None = ..., catch_response: Literal[True],
        serializer: Hook | None = ..., deserializer: Hook | None = ...,
    ) -> CheckedReply: ...  # fmt: skip

    def request(
        self,
        value: Any,
        *,
        key: Value | DefaultKey = DefaultKey.UUID,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        catch_response: bool = False,
        serializer: Hook | None = None,
        deserializer: Hook | None = None,
    ) -> Reply:
        """Send a request and wait for its outcome (closed model).  A timeout raises nothing: it is a failed row.

        Args:
            value: the record's value; text is sent as UTF-8.  With a serializer it is whatever that takes.
            key: the record's key; a random UUID by default, and none for None.
            headers: more headers; traceparent and reply-to are added.  A traceparent of your own (OpenTelemetry's
                `inject`) makes your span the parent, and its trace id the exchange's.
            name: of its row in the statistics; the topic by default.
            topic: the request topic; the user class's by default.
            timeout: the reply timeout in seconds; the user class's by default.
            catch_response: return a reply for a `with` block that decides about the row.
            serializer: makes bytes of the value, before the exchange begins; the user class's by default.
            deserializer: makes `reply.value` of the reply's bytes, before this returns; the user class's by default.
                When it raises, the row fails.

        Raises:
            TypeError: an argument has the wrong type; nothing was sent.
            ValueError: an argument cannot be sent, or its serializer failed; nothing was sent.
            CorrelationIdInUse: the correlation id is that of another request (with `--kafka-match key` or `header:`,
                or a traceparent of your own).
            RunOver: the run has ended; it ends the greenlet, as Locust's own kill would.
        """
        waiter = Waiter(self._hub)
        send = self._own_send if serializer is None else self._serializing(serializer)
        read = self._deserializer if deserializer is None else hook(deserializer, "deserializer")
        deferred = catch_response or read is not None
        exchange = send(value, key, headers, name, topic, timeout, waiter, deferred=deferred)
        payload = None
        try:
            if exchange.outcome is None:
                self._tasks_without_yield = 0
                waiter.get()
            if read is not None:
                payload = deserialize(read, exchange, self._run.recorder.measure)
        except BaseException:
            self._report_deferred(exchange)
            raise
        if not deferred:
            return Reply(exchange)
        recorder = self._run.recorder
        if catch_response:
            return CheckedReply(exchange, recorder, payload)
        recorder.report(exchange, row_failure(exchange, recorder, payload))
        return Reply(exchange, payload)

    def send(
        self,
        value: Any,
        *,
        key: Value | DefaultKey = DefaultKey.UUID,
        headers: HeaderInput = None,
        name: str | None = None,
        topic: str | None = None,
        timeout: float | None = None,
        wait_for_ack: bool = True,
        on_reply: Callable[[Reply], object] | None = None,
        serializer: Hook | None = None,
        deserializer: Hook | None = None,
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
            serializer: as in `request`.
            deserializer: as in `request`, before `on_reply` is called; without `on_reply` nobody looks at the reply.

        Raises:
            TypeError: as in `request`, and so are the others.
            ValueError: as in `request`.
            CorrelationIdInUse: as in `request`.
            RunOver: as in `request`.
        """
        waiter = Waiter(self._hub) if wait_for_ack else None
        send = self._own_send if serializer is None else self._serializing(serializer)
        read = self._deserializer if deserializer is None else hook(deserializer, "deserializer")
        validator = None if on_reply is None else partial(self._validate, read, on_reply)
        exchange = send(value, key, headers, name, topic, timeout, waiter, until_ack=wait_for_ack, validator=validator)
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
            ValueError: no reply could carry that id, or workers read their own replies only (`--kafka-reply-routing`).
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

    def _serializing(self, serializer: Hook) -> Callable[..., Exchange]:
        return partial(self._send_serialized, hook(serializer, "serializer"))

    def _validate(self, deserializer: Hook | None, on_reply: Callable[[Reply], object], ended: Exchange) -> object:
        """The user's word about a reply, unless it cannot be deserialized."""
        if deserializer is None:
            return on_reply(Reply(ended))
        recorder = self._run.recorder
        payload = deserialize(deserializer, ended, recorder.measure)
        failure: Failure = row_failure(ended, recorder, payload) if payload.failure else None
        return failure or on_reply(Reply(ended, payload))
