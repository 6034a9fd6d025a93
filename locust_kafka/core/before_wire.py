"""How long requests waited in librdkafka before they reached the socket, by its statistics.

librdkafka tells it in windows: once in `statistics.interval.ms`, for each broker, what it has seen since the last time.
Counts, sums and maxima of windows add up exactly; percentiles do not, so the largest of any window stands for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from locust_kafka.core import wire

MAX_US = 10**11
"""More than a day: no record can have waited for longer."""
_SHARES = {"p50": 5_000, "p75": 7_500, "p90": 9_000, "p95": 9_500, "p99": 9_900, "p99_99": 9_999}
"""The percentiles that librdkafka tells, per ten thousand."""
_BROKERS = re.compile(r'"brokers":\s*')


class Waits(NamedTuple):
    """Waits of one kind: of one window, or of many added up.

    Attributes:
        number: how many.
        sum_us: all of them added up.
        max_us: the longest.
        p50_us: the largest p50 of any window.
        p99_us: the largest p99 of any window.
    """

    number: int = 0
    sum_us: int = 0
    max_us: int = 0
    p50_us: int = 0
    p99_us: int = 0

    def plus(self, other: Waits) -> Waits:
        """Both added up."""
        return Waits(self.number + other.number, self.sum_us + other.sum_us, *map(max, self[2:], other[2:]))

    @property
    def mean_ms(self) -> float | None:
        """On average; None when there was none."""
        return self.sum_us / self.number / 1e3 if self.number else None

    @classmethod
    def of_window(cls, told: Mapping[str, Any]) -> Waits:
        """What librdkafka tells of one window.

        Its histogram leaves out what is above its range, which it widens for the next window only: of a stall the
        percentiles would be those of everything else.  Each rank is looked for among all values instead, in the next
        percentile that reaches it, and the maximum where none does: rather overstated.

        Raises:
            LookupError, TypeError, ValueError: it is not of that form.
        """
        number, sum_us, max_us = (wire.count(told[name]) for name in ("cnt", "sum", "max"))
        in_range = max(0, number - wire.count(told["outofrange"]))

        def percentile(wanted: int) -> int:
            for name, share in _SHARES.items():
                if share * in_range >= wanted * number:
                    return min(wire.count(told[name]), max_us)
            return max_us

        return _checked(cls(number, sum_us, max_us, percentile(5_000), percentile(9_900))) if number else cls()

    @classmethod
    def from_wire(cls, data: Any) -> Waits:
        """The inverse of a list of it.

        Raises:
            TypeError, ValueError: the data is not of that form, or contradicts itself.
        """
        values = wire.listed(data)
        if len(values) != len(cls._fields):
            raise ValueError("waits before the wire have another number of values")
        return _checked(cls(*map(wire.count, values)))


class BeforeWire:
    """Waits before the wire of a run; of one process, or of all workers added up.

    Attributes:
        queue: of records, from produce() until the record is in a request.
        buffer: of requests, from there until the request is written to the socket.
        watched: producers whose statistics were taken.
        producers: all that there were.
    """

    def __init__(self) -> None:
        self.queue = self.buffer = Waits()
        self.watched = self.producers = 0

    def add_statistics(self, text: str) -> None:
        """Add the windows of one statistics text; of another form than the one that is known it tells nothing."""
        queue, buffer = self.queue, self.buffer
        try:
            for broker in _brokers(text):
                queue = queue.plus(Waits.of_window(broker["int_latency"]))
                buffer = buffer.plus(Waits.of_window(broker["outbuf_latency"]))
        except (LookupError, TypeError, ValueError, AttributeError):
            return
        self.queue, self.buffer = queue, buffer

    def reset(self) -> None:
        """Begin anew; the producers are as many as before."""
        self.queue = self.buffer = Waits()

    def add(self, other: BeforeWire) -> None:
        """Add another process's."""
        self.queue, self.buffer = self.queue.plus(other.queue), self.buffer.plus(other.buffer)
        self.watched, self.producers = self.watched + other.watched, self.producers + other.producers

    def to_wire(self) -> list[Any]:
        """For the master: plain values."""
        return [list(self.queue), list(self.buffer), self.watched, self.producers]

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """The inverse of `to_wire`.

        Raises:
            TypeError, ValueError: the data is not of that form.
        """
        result = cls()
        queue, buffer, watched, producers = wire.listed(data)
        result.queue, result.buffer = Waits.from_wire(queue), Waits.from_wire(buffer)
        result.watched, result.producers = wire.count(watched), wire.count(producers)
        return result


def _brokers(text: str) -> Iterator[Mapping[str, Any]]:
    """The brokers' part alone: that of a large topic's partitions is many times as long, and nobody needs it."""
    found = _BROKERS.search(text)
    if found is not None:
        brokers, _ = json.JSONDecoder().raw_decode(text, found.end())
        yield from brokers.values()


def _checked(waits: Waits) -> Waits:
    """The same, if it can be so."""
    if not waits.max_us <= waits.sum_us <= waits.number * waits.max_us or waits.max_us > MAX_US:
        raise ValueError("waits before the wire contradict themselves")
    if max(waits.p50_us, waits.p99_us) > waits.max_us:
        raise ValueError("a percentile of waits before the wire lies above their maximum")
    return waits
