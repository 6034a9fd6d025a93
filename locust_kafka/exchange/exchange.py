"""An exchange as the edges see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gevent.hub import Waiter

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.correlator import Pending
from locust_kafka.core.sampling import Reason

_MATCHED, _MATCH = Outcome.MATCHED, Verdict.MATCH


class Exchange(Pending):
    """An exchange with what the edges know of it.

    Attributes:
        trace_id: its trace id.
        topic: of its request.
        key: of its request.
        sampled: whether its request told the service to record.
        produced_ns: when produce() returned; 0 when it never did, or nobody asks (no tracing).
        kept: why its spans are exported; None when they are not.
        judged_ns: when its end was decided, if it is kept.
        delivery: the request as the broker has it, a confluent-kafka Message; None while it is not acknowledged.
        acked_ns: when its delivery report came; 0 while it has not.  These two are set in the producer's thread.
        failure: why it was not delivered.
        never_queued: whether there will be no delivery report: the request never reached librdkafka.
        reply: the reply that ended it, a confluent-kafka Message.
        late_ns: when that reply was received, if it came after the deadline.
        late_verdict: what it was then.
        waiter: wakes the user that waits.
        until_ack: whether that user waits for the ack only.
        deferred: whether the user's code reports the row (`catch_response`).
        check: `on_reply` of `send()`.
        context: for listeners of Locust's `request` event.
        consumer_disconnected: whether the reply consumer had lost its broker when it timed out.
    """

    # What most exchanges never set are defaults of the class: setting each would cost more than all the matching.
    key: bytes | str | None = None
    sampled = False
    produced_ns = 0
    kept: Reason | None = None
    judged_ns = 0
    acked_ns = 0
    delivery: Any = None
    failure = ""
    never_queued = False
    reply: Any = None
    late_ns = 0
    late_verdict: Verdict | None = None
    waiter: Waiter[None] | None = None
    until_ack = False
    deferred = False
    check: Callable[[Any], object] | None = None
    context: Mapping[str, Any] = MappingProxyType({})
    consumer_disconnected = False

    def __init__(
        self, correlation_id: bytes, name: str, intended_ns: int, sent_ns: int, deadline_ns: int, trace_id: bytes,
        topic: str,
    ) -> None:  # fmt: skip
        # As in Pending; a call of that would cost half as much again.
        self.correlation_id = correlation_id
        self.name = name
        self.intended_ns = intended_ns
        self.sent_ns = sent_ns
        self.deadline_ns = deadline_ns
        self.outcome = None
        self.ended_ns = 0
        self.trace_id = trace_id
        self.topic = topic

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
