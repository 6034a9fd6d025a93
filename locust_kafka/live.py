"""An exchange as the edges see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gevent.hub import Waiter

from locust_kafka.core.books import Verdict
from locust_kafka.core.correlation import Exchange
from locust_kafka.core.sampling import Reason


class Live(Exchange):
    """An exchange with what the edges know of it.

    Attributes:
        trace_id: its trace id.
        topic: of its request.
        key: of its request.
        sampled: whether its request told the service to record.
        produced_ns: when produce() returned; 0 when it never did.
        kept: why its spans are exported; None when they are not.
        judged_ns: when its end was decided, if it is kept.
        acked_ns: when its delivery report came; 0 while it has not.
        delivery: the request as the broker has it, a confluent-kafka Message; None while it is not acknowledged.
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

    # What most exchanges never set are defaults of the class: setting each would cost more than all the matching.
    key: bytes | str | None = None
    sampled = False
    produced_ns = 0
    kept: Reason | None = None
    judged_ns = 0
    acked_ns = 0
    delivery: Any = None
    failure = ""
    received_ns = 0
    reply: Any = None
    verdict: Verdict | None = None
    waiter: Waiter[None] | None = None
    ack_waiter: Waiter[None] | None = None
    deferred = False
    check: Callable[[Any], object] | None = None
    context: Mapping[str, Any] = MappingProxyType({})
    ear_lost = False

    def __init__(
        self, correlation_id: bytes, name: str, intended_ns: int, sent_ns: int, deadline_ns: int, trace_id: bytes,
        topic: str,
    ) -> None:  # fmt: skip
        super().__init__(correlation_id, name, intended_ns, sent_ns, deadline_ns)
        self.trace_id = trace_id
        self.topic = topic

    @property
    def latency_ns(self) -> int:
        """From the intended start to the end."""
        return self.ended_ns - self.intended_ns
