"""From complete exchanges to latency series and legs: whole columns at a time, which costs a third of one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from operator import sub
from time import perf_counter_ns
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from locust_kafka.core.books import Outcome
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import HALF_MS, MS, Clocks, Legs, RecordMetadata
from locust_kafka.core.name_results import PAYLOAD_LEGS, NameResults
from locust_kafka.core.results import RunResults
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.kafka.record import record_metadata

CREATE_TIME = (
    "the topics' stamps are not the brokers' own: set message.timestamp.type=LogAppendTime on both topics "
    "(and acks other than 0) to see where the time went"
)
TOO_FEW = "the offset between the clocks was never known to 10 ms: too few exchanges"

OURS = ("schedule", "ack", *PAYLOAD_LEGS)
"""Legs on one clock."""
SINGLE_MS = 0.5
"""How certain a single leg of two clocks is: append times are whole milliseconds."""

_MATCHED = Outcome.MATCHED


class Measure:
    """Records complete exchanges: ended, and acknowledged or failed.

    Args:
        results: where figures go.
    """

    def __init__(self, results: RunResults) -> None:
        self.clocks = Clocks()
        self.measure_from_ns = 0
        """ExchangeEngine that were to start before this are left out of the figures (warm-up)."""
        self._results = results

    def record(self, batch: list[Exchange]) -> None:
        """Record them."""
        measured = [x for x in batch if x.intended_ns >= self.measure_from_ns]
        for name, exchanges in by_name(measured).items():
            self._record_name(self._results.name(name), exchanges)
        if len(measured) < len(batch):  # the clocks are learnt from the warm-up too
            warm_up = [x for x in batch if x.intended_ns < self.measure_from_ns]
            self._record_legs([x for x in warm_up if x.acked_ns and x.outcome is _MATCHED], None)

    def payload(self, leg: str, exchange: Exchange, took_ns: int) -> None:
        """Record how long the user's serializer or deserializer took (`PAYLOAD_LEGS`)."""
        if exchange.intended_ns >= self.measure_from_ns:
            getattr(self._results.name(exchange.name), leg).record(took_ns)

    def legs_of(self, exchange: Exchange) -> Legs:
        """One exchange's legs."""
        sent_ns, acked_ns = exchange.sent_ns, exchange.acked_ns
        schedule_ns, ack_ns = sent_ns - exchange.intended_ns, acked_ns - sent_ns if acked_ns else None
        request_ns = service_ns = reply_ns = None
        there = self._appended_ns(exchange.topic, exchange.delivery)
        if there is not None:
            request_ns = there - sent_ns
        if exchange.reply is not None:
            back = self._appended_ns(exchange.reply.topic(), exchange.reply)
            if back is not None:
                reply_ns = exchange.received_ns - back
                service_ns = None if there is None else back - there
        return Legs(schedule_ns, request_ns, service_ns, reply_ns, ack_ns)

    def legs_of_late(
        self, topic: str, request: RecordMetadata, ended: EndedRequest, acked_ns: int, message: Any, received_ns: int
    ) -> Legs:
        """The legs of a late reply, whose exchange is only remembered."""
        sent_ns = ended.sent_ns
        there = self._on_our_clock(topic, request)
        back = self._appended_ns(message.topic(), message)
        return Legs(
            sent_ns - ended.intended_ns,
            None if there is None else there - sent_ns,
            None if there is None or back is None else back - there,
            None if back is None else received_ns - back,
            acked_ns - sent_ns if acked_ns else None,
        )

    def finish(self) -> None:
        """Note how well the brokers' clocks are known, on the wall clock."""
        wall_ns = time.time_ns() - perf_counter_ns()
        results = self._results
        results.clocks = {
            "" if broker < 0 else str(broker): ((offset.ns - wall_ns) / MS, offset.width_ns / MS)
            for broker, offset in self.clocks.offsets().items()
        }
        if not results.leg_count and not results.legs_unavailable and results.total.outcomes[_MATCHED]:
            results.legs_unavailable = TOO_FEW

    def _record_name(self, entry: NameResults, exchanges: list[Exchange]) -> None:
        acked = [x for x in exchanges if x.acked_ns]
        entry.send.extend([x.acked_ns - x.sent_ns for x in acked])
        matched = [x for x in exchanges if x.outcome is _MATCHED]
        entry.e2e_matched.extend([x.ended_ns - x.intended_ns for x in matched])
        if self._results.open_model:
            entry.schedule.extend([x.sent_ns - x.intended_ns for x in matched])
            entry.from_send.extend([x.ended_ns - x.sent_ns for x in matched])
        self._record_legs([x for x in acked if x.outcome is _MATCHED], entry)

    def _record_legs(self, exchanges: list[Exchange], entry: NameResults | None) -> None:
        """Learn from matched and acknowledged exchanges what they say of the brokers' clocks, and record their legs."""
        for (there, back), group in self._by_leaders(exchanges).items():
            kinds, appended_ms = zip(*[x.delivery.timestamp() for x in group], strict=True)
            reply_kinds, replied_ms = zip(*[x.reply.timestamp() for x in group], strict=True)
            if {*kinds, *reply_kinds} != {TIMESTAMP_LOG_APPEND_TIME}:
                self._results.legs_unavailable = CREATE_TIME
                continue
            sent, received = [x.sent_ns for x in group], [x.ended_ns for x in group]
            appended, replied = [ms * MS for ms in appended_ms], [ms * MS for ms in replied_ms]
            now_ns = perf_counter_ns()
            requests, replies = self.clocks.of(there), self.clocks.of(back)
            requests.bound(now_ns, _most(appended, [x.acked_ns for x in group]), _least(appended, sent) + MS)
            replies.bound(now_ns, _most(replied, received), _least(replied, sent) + MS)
            at, back_at = requests.usable_offset, replies.usable_offset
            if entry is None or at is None or back_at is None:
                continue
            self._results.leg_count += len(group)
            self._results.offset_uncertainty_ns += len(group) * max(at.width_ns, back_at.width_ns)
            out, home = HALF_MS - at.ns, back_at.ns - HALF_MS
            entry.request.extend([append + out - start for append, start in zip(appended, sent, strict=True)])
            apart = back_at.ns - at.ns
            entry.service.extend([reply - append - apart for reply, append in zip(replied, appended, strict=True)])
            entry.reply.extend([end - reply + home for end, reply in zip(received, replied, strict=True)])

    def _by_leaders(self, exchanges: list[Exchange]) -> dict[tuple[int, int], list[Exchange]]:
        """Groups with the same leaders of the request's and the reply's partition."""
        if not exchanges:
            return {}
        only = self.clocks.only_leader
        if only is not None:
            return {(only, only): exchanges}
        groups: dict[tuple[int, int], list[Exchange]] = {}
        leader = self.clocks.leader
        for x in exchanges:
            pair = leader(x.topic, x.delivery.partition()), leader(x.reply.topic(), x.reply.partition())
            groups.setdefault(pair, []).append(x)
        return groups

    def _appended_ns(self, topic: str, message: Any) -> int | None:
        """When a record was appended, on our clock; its stamp is a floor, so half a millisecond is added."""
        return None if message is None else self._on_our_clock(topic, record_metadata(message))

    def _on_our_clock(self, topic: str, record: RecordMetadata) -> int | None:
        partition, _offset, append_ms = record
        offset = self.clocks.of(self.clocks.leader(topic, partition)).usable_offset
        return append_ms * MS + HALF_MS - offset.ns if append_ms and offset is not None else None


def to_step(value_ms: float, step: float) -> float:
    """A leg rounded to the step that is known of it; never below 0: less is the uncertainty, not time."""
    return round(max(0.0, round(value_ms / step) * step), 3)


def single_legs_ms(legs: Legs | None) -> dict[str, float]:
    """The legs of one exchange, in ms, as all outputs show them; those that are known."""
    if legs is None:
        return {}
    named = {field.removesuffix("_ns"): ns for field, ns in zip(Legs._fields, legs, strict=True)}
    return {
        leg: round(ns / 1e6, 3) if leg in OURS else to_step(ns / 1e6, SINGLE_MS)
        for leg, ns in named.items()
        if ns is not None
    }


def by_name(exchanges: list[Exchange]) -> dict[str, list[Exchange]]:
    """Grouped by request name."""
    names = {exchange.name for exchange in exchanges}
    if len(names) == 1:  # most often: nothing has to be divided
        return {names.pop(): exchanges}
    groups: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        name = exchange.name
        if name in groups:
            groups[name].append(exchange)
        else:
            groups[name] = [exchange]
    return groups


def _most(broker_ns: list[int], ours_ns: list[int]) -> float:
    return max(map(sub, broker_ns, ours_ns), default=-math.inf)


def _least(broker_ns: list[int], ours_ns: Iterable[int]) -> float:
    return min(map(sub, broker_ns, ours_ns), default=math.inf)
