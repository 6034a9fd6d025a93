"""One exchange: a request and what became of it.  Who writes which attribute, and when, is a rule, not a lock.

| written by | when | attributes |
|---|---|---|
| the user's greenlet | before `register` | correlation_id, name, intended_ns, sent_ns, deadline_ns, trace_id, topic, key, parent_span_id, root_span_id, sampled, wakeup, until_ack, deferred, validator, context |
| the user's greenlet | while it produces | sent_ns (again, after a full queue), produced_ns, never_queued, failure |
| the producer's thread | at the delivery report | delivery, then acked_ns |
| the exchange greenlet | at the end | outcome, ended_ns (by the correlator), reply, late_ns, late_verdict, failure, consumer_disconnected |
| the tracer (in the exchange greenlet) | at the end | kept, judged_ns |
| the user's greenlet | when it is killed while it waits | deferred |
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gevent.hub import Waiter

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import Pending
from locust_kafka.core.sampling import Reason

_MATCHED, _MATCH = Outcome.MATCHED, Verdict.MATCH
_NO_CONTEXT: Mapping[str, Any] = MappingProxyType({})


class Exchange(Pending):
    """An exchange with what the edges know of it.

    Attributes:
        trace_id: its trace id, 32 hex digits.
        topic: of its request.
        key: of its request.
        parent_span_id: span id (16 hex digits) of the user's own span that the request belongs to; empty for none.
        root_span_id: span id that the request carries then; empty for the one that its trace id ends with.
        sampled: whether its request told the service to record.
        wakeup: wakes the user that waits.
        until_ack: whether that user waits for the ack only.
        deferred: whether the row waits for the user's greenlet (`catch_response`, or a deserializer).
        validator: `on_reply` of `send()`.
        context: for listeners of Locust's `request` event.
        produced_ns: when produce() returned; 0 when it never did, or nobody asks (no tracing).
        never_queued: whether there will be no delivery report: the request never reached librdkafka.
        delivery: the request as the broker has it, a confluent-kafka Message without its payload; None while it is not
            acknowledged.
        acked_ns: when its delivery report was served; 0 while it was not.
        failure: why it was not delivered, in words.
        reply: the reply that ended it, a confluent-kafka Message.
        late_ns: when that reply was received, if it came after the deadline.
        late_verdict: what it was then.
        consumer_disconnected: whether the reply consumer was without a broker when it timed out.
        kept: why its spans are exported; None when they are not.
        judged_ns: when its end was decided, if it is kept.
    """

    __slots__ = (
        "acked_ns", "consumer_disconnected", "context", "deferred", "delivery", "failure", "judged_ns", "kept", "key",
        "late_ns", "late_verdict", "never_queued", "parent_span_id", "produced_ns", "reply", "root_span_id", "sampled",
        "topic", "trace_id", "until_ack", "validator", "wakeup",
    )  # fmt: skip

    def __init__(
        self, correlation_id: bytes, name: str, intended_ns: int, sent_ns: int, deadline_ns: int, trace_id: bytes,
        topic: str, key: bytes | str | None = None, wakeup: Waiter[None] | None = None,
    ) -> None:  # fmt: skip
        # The same as in Pending; a call of that would cost half as much again.
        self.correlation_id = correlation_id
        self.name = name
        self.intended_ns = intended_ns
        self.sent_ns = sent_ns
        self.deadline_ns = deadline_ns
        self.outcome = None
        self.ended_ns = 0
        self.trace_id = trace_id
        self.topic = topic
        self.key = key
        self.root_span_id = self.parent_span_id = b""
        self.sampled = False
        self.wakeup = wakeup
        self.until_ack = False
        self.deferred = False
        self.validator: Callable[[Exchange], object] | None = None
        self.context = _NO_CONTEXT
        self.produced_ns = 0
        self.never_queued = False
        self.delivery: Any = None
        self.acked_ns = 0
        self.failure = ""
        self.reply: Any = None
        self.late_ns = 0
        self.late_verdict: Verdict | None = None
        self.consumer_disconnected = False
        self.kept: Reason | None = None
        self.judged_ns = 0

    @property
    def latency_ns(self) -> int:
        """From the intended start to the end."""
        return self.ended_ns - self.intended_ns

    @property
    def received_ns(self) -> int:
        """When the reply that ended it was received; 0 when none did."""
        return self.ended_ns if self.outcome is _MATCHED else self.late_ns

    @property
    def verdict(self) -> Verdict | None:
        """Of the reply that ended it; None when none did."""
        return _MATCH if self.outcome is _MATCHED else self.late_verdict

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to come: acknowledged, failed, or never queued."""
        return bool(self.acked_ns or self.failure or self.never_queued)
