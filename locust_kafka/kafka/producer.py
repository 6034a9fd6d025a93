"""A request producer, and the native thread that serves its delivery reports.

A true ack stamp needs a native thread in `poll`: `msg.latency()` runs until the report is *served*, and on the hub that
may be much later.  Each producer has a thread of its own, blocked until there is something to serve: one thread that
sweeps over many would stamp late and never sleep.  (librdkafka itself has three threads for each.)
The thread also owns the producer's end: one deleted with records outstanding loses them without a report.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from confluent_kafka import KafkaError, Message, Producer

from locust_kafka.hub.queue import HubQueue
from locust_kafka.hub.thread import NativeThread
from locust_kafka.kafka.login import FIRST_TOKEN_NS, is_slow_to_make

Headers = list[tuple[str, str | bytes | None]]

POLL_S = 0.25
MAX_STATISTICS = 8
"""Texts that wait to be taken: they come once a second, and so does whoever takes them."""
LAST_WINDOW_NS = 1_500_000_000
"""How long a producer whose user is gone stays for the statistics of its last second."""


END_S, MAKING_S = 5.0, 12.0
"""How long its end is waited for; one that is being made waits 10 s for a token, and must not outlive the hub."""


class Deliverable(Protocol):
    """What a delivery is noted on, in the producer's thread.

    Attributes:
        delivery: the record as the broker has it, without its payload.
        acked_ns: when its delivery report was served; set last, so that whoever sees it sees both.
        until_ack: whether somebody waits for it.
    """

    delivery: Any
    acked_ns: int
    until_ack: bool


T = TypeVar("T", bound=Deliverable)


class DeliveryReport(NamedTuple, Generic[T]):
    """What the hub must know: a delivery that somebody waits for, a failed one, the producer's or its thread's end.

    Attributes:
        exchange: the request's; None when this is about the producer itself.
        error: why it was not delivered, or why the producer cannot go on; None when it was delivered.
        reported_ns: when it was served.
    """

    exchange: T | None
    error: KafkaError | BaseException | None
    reported_ns: int


def _not_made_yet(**_record: object) -> None:
    raise BufferError("the producer waits for its first token")


class _Silent:
    """Takes librdkafka's log lines."""

    def log(self, _level: int, _text: str, *_arguments: object) -> None:
        """Nothing: what matters comes as an error."""


class RequestProducer(Generic[T]):
    """One librdkafka producer with its delivery-report thread.

    Args:
        config: librdkafka's settings.
        delivery_reports: queue of what the hub must know.
        timeout_s: the longest reply timeout that its `message.timeout.ms` was made for.

    Raises:
        KafkaException: librdkafka refused a setting.
    """

    def __init__(self, config: dict[str, Any], delivery_reports: HubQueue[DeliveryReport[T]], timeout_s: float) -> None:
        self.timeout_s = timeout_s
        slow = is_slow_to_make(config)
        self.made_ns = perf_counter_ns() + (FIRST_TOKEN_NS if slow else 0)
        """When it is made; in the future for one that waits for its first token."""
        self.statistics: deque[str] = deque(maxlen=MAX_STATISTICS)
        """librdkafka's statistics that nobody has taken yet; none where its interval is 0."""
        self._statistics_ns = 0
        # librdkafka would write of a fatal error to stderr by itself; it is reported as an error too.
        self._config = {
            **config, "error_cb": self._error, "stats_cb": self._keep_statistics, "logger": _Silent(),
        }  # fmt: skip
        self._producer: Producer | None = None
        self._produce: Callable[..., None] = _not_made_yet
        if not slow:
            self._make()
        self._delivery_reports = delivery_reports
        self._served_ns = 0
        self._retired = self._stopping = False
        self._delivery_callback = self._on_delivery  # bound once, not for each request
        self._thread = NativeThread(self._listen, lambda death: delivery_reports.put(DeliveryReport(None, death, 0)))
        self._thread.start()

    def produce(self, exchange: T, topic: str, value: bytes | None, key: bytes | str | None, headers: Headers) -> None:
        """Produce, and note the delivery on the exchange; from a greenlet.

        The hub is woken only when somebody waits for it, or it failed: waking it costs more than the note.

        Args:
            exchange: the request's.
            topic: where it goes.
            value: of the record.
            key: of the record.
            headers: of the record.

        Raises:
            BufferError: the local queue is full; try again.
            KafkaException: librdkafka refused the record; there will be no report.
        """
        if self._stopping:
            raise BufferError("the run is over")  # the user finds its exchange ended when it tries again
        # By keyword: whoever wraps this class (ddtrace, OpenTelemetry) looks for `headers` by name.
        self._produce(
            topic=topic, value=value, key=key, on_delivery=partial(self._delivery_callback, exchange), headers=headers
        )

    def _make(self) -> Producer:
        self._producer = producer = Producer(self._config)
        self._produce = producer.produce
        return producer

    def retire(self) -> None:
        """Its user is gone: the thread serves what is outstanding, lets the producer go, and ends."""
        self._retired = True

    def stop(self) -> None:
        """Give up what is still outstanding (it is reported as failed) and end the thread soon."""
        self._stopping = True

    @property
    def ended(self) -> bool:
        """Whether the thread has ended."""
        return self._thread.ended

    def join(self) -> None:
        """Wait for the thread's end; from a greenlet."""
        self._thread.join(END_S if self._producer is not None else MAKING_S)

    def _on_delivery(self, exchange: T, error: KafkaError | None, message: Message) -> None:
        # What one poll serves had arrived before the first of it was served: one stamp for all, the truest.
        at_ns = self._served_ns
        if not at_ns:
            at_ns = self._served_ns = perf_counter_ns()
        if error is None:
            message.set_value(None)  # the payload may be large, and nobody needs it any more
            exchange.delivery = message
            exchange.acked_ns = at_ns
            if not exchange.until_ack:
                return
        self._delivery_reports.put(DeliveryReport(exchange, error, at_ns))

    def _error(self, error: KafkaError) -> None:
        if error.fatal():
            self._delivery_reports.put(DeliveryReport(None, error, perf_counter_ns()))

    def _keep_statistics(self, text: str) -> None:
        self.statistics.append(text)  # in the native thread: they are read in the hub
        self._statistics_ns = perf_counter_ns()

    def _listen(self) -> None:
        producer = self._producer or self._make()
        poll = producer.poll
        while not (self._stopping or (self._retired and not len(producer))):
            self._served_ns = 0
            poll(POLL_S)
        self._await_last_statistics(producer)
        producer.purge()
        producer.poll(0)
        self._produce, self._producer = _not_made_yet, None
        # This thread has the last reference: closing the producer takes a while, and must not stop the hub.

    def _await_last_statistics(self, producer: Producer) -> None:
        """Wait for what was sent since the last ones: librdkafka gives none at its end."""
        drained_ns = perf_counter_ns()
        until_ns = drained_ns + (0 if str(self._config.get("statistics.interval.ms", 0)) == "0" else LAST_WINDOW_NS)
        while not self._stopping and self._statistics_ns < drained_ns and perf_counter_ns() < until_ns:
            producer.poll(POLL_S)
