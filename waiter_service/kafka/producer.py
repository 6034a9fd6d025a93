"""The producer stage: send replies, and say which requests are answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from waiter_service.core.request import TRUNCATED_BYTES, Reply, truncate, with_traceparent, without_partition
from waiter_service.kafka.causes import delivery_failure
from waiter_service.kafka.cluster import KafkaUnavailable, broker_error
from waiter_service.kafka.record import delivered
from waiter_service.kafka.topics import TopicChecker
from waiter_service.pipeline.job import Answer
from waiter_service.pipeline.observer import Counters, SendSpan
from waiter_service.pipeline.queue import BoundedQueue

POLL_S = 0.1
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
# librdkafka's own codes begin with an underscore; they are public all the same.
_NO_SUCH_PARTITION = {KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}  # noqa: SLF001
# Refused for good: to try again would only be refused again.
_PERMANENT = {
    *_TOO_LARGE,
    *_NO_SUCH_PARTITION,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
}
# The producer is dead or ending: the request stays uncommitted, and is answered after a restart.
_OVER = {
    KafkaError._FATAL,  # noqa: SLF001
    KafkaError._STATE,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
}


class ReplyProducer:
    """One Producer with two threads: one sends, the other one polls the broker's delivery reports.

    Args:
        number: its number from 1, for the threads' names.
        config: the Producer's configuration.
        replies: the queue of answers; closing it ends the sending thread.
        topics: knows which topics exist.
        counters: counts replies, anomalies and errors.
        on_crash: is called when a thread cannot go on.
    """

    def __init__(
        self,
        number: int,
        config: dict[str, Any],
        replies: BoundedQueue[Answer],
        topics: TopicChecker,
        counters: Counters,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._producer = Producer({**config, "error_cb": self._on_error})
        self._replies = replies
        self._topics = topics
        self._counters = counters
        self._on_crash = on_crash
        self._closing = threading.Event()
        self._acknowledged = 0
        self._failed_deliveries: deque[tuple[Answer, Reply, KafkaError]] = deque()
        self._sender = threading.Thread(
            target=self._guard, args=(self._send_all,), name=f"producer-{number}", daemon=True
        )
        self._poller = threading.Thread(
            target=self._guard, args=(self._poll_delivery_reports,), name=f"producer-{number}-acks", daemon=True
        )

    def start(self) -> None:
        """Start both threads."""
        self._sender.start()
        self._poller.start()

    def join_sender(self, deadline: float) -> None:
        """Wait until the queue's last answer is sent, at most until `deadline`; the queue must be closed before."""
        self._sender.join(max(0.0, deadline - time.monotonic()))

    def close(self, deadline: float) -> int:
        """Wait until all that was sent is acknowledged, at most until `deadline` (time.monotonic()).

        Returns:
            How many replies the broker has not acknowledged.
        """
        while (len(self._producer) or self._failed_deliveries) and time.monotonic() < deadline:
            time.sleep(0.01)
        unacknowledged = len(self._producer)
        self._closing.set()
        self._poller.join(2 * POLL_S + 1)
        return unacknowledged

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except KafkaException as fatal:  # confluent-kafka raises a fatal error instead of calling error_cb
            self._on_crash(KafkaUnavailable(delivery_failure("the reply topic", broker_error(fatal.args[0]))))
        except BaseException as crash:
            self._on_crash(crash)

    def _send_all(self) -> None:
        while (answer := self._replies.take()) is not None:
            exists = self._topics.exists_if_known(answer.reply.topic)
            if exists is None:
                # Asking takes up to 10 s; the other replies do not wait for it.
                self._topics.check(answer.reply.topic, partial(self._send_if, answer))
            else:
                self._send_if(answer, exists)

    def _send_if(self, answer: Answer, topic_exists: bool) -> None:
        if not topic_exists:
            self._counters.anomaly("unknown reply-to topic", f"{answer.job.request.position()} to {answer.reply.topic}")
            answer.job.finish()
            return
        for _ in range(answer.unacknowledged):
            self._send(answer, backpressure=lambda: time.sleep(0.005))

    def _send(self, answer: Answer, backpressure: Callable[[], object]) -> None:
        reply = answer.reply
        span = answer.job.span.start_send(reply.topic) if answer.job.span is not None else None
        if span is not None:
            reply = with_traceparent(reply, span.traceparent)
        # Names, not positions: tools that wrap `produce` look for `headers` by its name.
        place: dict[str, Any] = {} if reply.partition is None else {"partition": reply.partition}
        while True:
            try:
                self._producer.produce(
                    topic=reply.topic, key=reply.key, value=reply.value, headers=reply.headers,
                    on_delivery=partial(self._on_delivery, answer, answer.reply, span), **place,
                )  # fmt: skip
                return
            except BufferError:
                backpressure()  # librdkafka's queue is full
            except KafkaException as refused:
                self._on_delivery(answer, answer.reply, span, refused.args[0], None)
                return

    def _poll_delivery_reports(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)
            if self._acknowledged:
                self._counters.count("replies", self._acknowledged)
                self._acknowledged = 0
            for _ in range(len(self._failed_deliveries)):
                self._handle_failed_delivery(*self._failed_deliveries.popleft())

    def _on_delivery(
        self, answer: Answer, reply: Reply, span: SendSpan | None, error: KafkaError | None, message: Message | None
    ) -> None:
        if error is not None:
            if span is not None:
                span.end(None, error.name(), error.str())
            # Not handled in here: sending may have to wait for room, and only this thread's polling makes room.
            self._failed_deliveries.append((answer, reply, error))
            return
        if span is not None and message is not None:
            span.end(delivered(message))
        self._acknowledged += 1
        self._mark_replied(answer)

    def _handle_failed_delivery(self, answer: Answer, reply: Reply, error: KafkaError) -> None:
        """Send the reply in another form, send it again, or give it up: by the broker's error."""
        cause = delivery_failure(reply.topic, broker_error(error))
        example = f"{answer.job.request.position()} to {reply.topic}: {cause}"
        code = error.code()
        if code in _OVER:
            self._on_crash(KafkaUnavailable(cause))
        elif reply is not answer.reply:
            self._resend(answer)  # its duplicate failed in the same way and was changed already
        elif code in _TOO_LARGE and len(reply.value) > TRUNCATED_BYTES:
            self._counters.anomaly("reply too large", example)
            answer.reply = truncate(reply)
            self._resend(answer)
        elif code in _NO_SUCH_PARTITION and reply.partition is not None:
            self._counters.anomaly("reply-partition does not exist", example)
            answer.reply = without_partition(reply)
            self._resend(answer)
        elif code in _PERMANENT:
            self._counters.anomaly("reply refused", example)
            self._mark_replied(answer)
        else:  # the cluster may take it later
            self._counters.anomaly("reply sent again", example)
            self._producer.poll(POLL_S)  # not at once, over and over
            self._resend(answer)

    def _resend(self, answer: Answer) -> None:
        self._send(answer, backpressure=lambda: self._producer.poll(0.005))

    def _mark_replied(self, answer: Answer) -> None:
        """Count down the answer's replies; after the last one the request's offset may be committed."""
        answer.unacknowledged -= 1
        if answer.unacknowledged == 0:
            answer.job.finish()

    def _on_error(self, error: KafkaError) -> None:
        self._counters.anomaly("producer error", delivery_failure("the reply topic", broker_error(error)))
