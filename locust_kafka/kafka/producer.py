"""Producers, and the one native thread that hears their delivery reports.

A true ack stamp needs a native thread in `poll`: `msg.latency()` runs until the report is *served*, and on the hub that
may be much later.  The thread owns the producers' `poll` and their end: a producer deleted with records outstanding
loses them without a report.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from time import perf_counter_ns
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaError, Message, Producer

from locust_kafka.kafka.native import Handover, NativeThread, allocate_lock

T = TypeVar("T")

ONE_PRODUCER_POLL_S = 0.1
SWEEP_POLL_S = 0.0005


class Delivery(Generic[T]):
    """One delivery report: when it came, whose it is, what it says."""

    __slots__ = ("error", "message", "reported_ns", "whose")

    def __init__(self, whose: T, error: KafkaError | None, message: Message | None, reported_ns: int) -> None:
        self.whose = whose
        self.error = error
        self.message = message
        self.reported_ns = reported_ns


class DeliveryPoller(Generic[T]):
    """Serves the delivery reports of all producers of the process.

    Args:
        reports: where they go; an exception there means that the thread died.
    """

    def __init__(self, reports: Handover[Delivery[T] | BaseException]) -> None:
        self.only: Producer | None = None
        """The process's one shared producer: the thread may sleep in its poll, for nobody else can need it."""
        self._reports = reports
        self._busy: deque[Producer] = deque()
        self._idle = False
        self._wake = allocate_lock()
        self._wake.acquire()
        self._stopping = False
        self._thread = NativeThread(self._serve, reports.put)

    def start(self) -> None:
        """Start to serve."""
        self._thread.start()

    def produce(self, producer: Producer, whose: T, topic: str, **record: Any) -> None:
        """Produce, and report the delivery for `whose`; from a greenlet.

        Raises:
            BufferError: the local queue is full; try again.
            KafkaException: librdkafka refused the record; there will be no report.
        """
        producer.produce(topic, on_delivery=partial(self._reported, whose), **record)
        self._hand(producer)

    def retire(self, producer: Producer) -> None:
        """Its user is gone: hear what is outstanding, then let it go, both in the native thread."""
        if not self._stopping:
            self._hand(producer)

    def stop(self) -> None:
        """Give up what is still outstanding (it is reported as failed) and end the thread; from a greenlet."""
        self._stopping = True
        self._rouse()
        self._thread.join(5)

    def _hand(self, producer: Producer) -> None:
        self._busy.append(producer)
        self._rouse()

    def _rouse(self) -> None:
        # The thread says that it is idle before it looks at the queue a last time, so no wake-up is lost; one too
        # many costs a turn of its loop.
        if self._idle and self._wake.locked():
            self._wake.release()

    def _reported(self, whose: T, error: KafkaError | None, message: Message) -> None:
        self._reports.put(Delivery(whose, error, message, perf_counter_ns()))

    def _serve(self) -> None:
        active: dict[int, Producer] = {}
        while not self._stopping:
            self._admit(active)
            if not active:
                self._rest()
                continue
            oldest = next(iter(active.values()))
            # Blocking on the one most likely to hear next keeps its stamp exact and the loop from spinning.
            oldest.poll(ONE_PRODUCER_POLL_S if oldest is self.only else SWEEP_POLL_S)
            for key, producer in list(active.items()):
                producer.poll(0)
                if not len(producer):
                    del active[key]
        self._admit(active)
        for producer in active.values():
            producer.purge()
            producer.poll(0)
        self._busy.clear()

    def _admit(self, active: dict[int, Producer]) -> None:
        busy = self._busy
        for _ in range(len(busy)):
            producer = busy.popleft()
            active[id(producer)] = producer

    def _rest(self) -> None:
        self._idle = True
        if not self._busy and not self._stopping:
            self._wake.acquire()
        self._idle = False
