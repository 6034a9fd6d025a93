"""The producer stage: send replies, and say which requests are answered."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from opentelemetry.trace import Span

from waiter_service.core.request import SHORT_BYTES, Reply, by_key, recorded, shortened
from waiter_service.kafka.topics import KnownTopics
from waiter_service.observe.counters import Telemetry
from waiter_service.observe.tracing import Tracing, sent
from waiter_service.pipeline.job import Answer
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
    """One Producer, with a thread that sends and a thread that hears the broker's acknowledgements.

    Args:
        number: from 1, for the threads' names.
        config: the Producer's configuration.
        replies: the queue of answers; closing it ends the sending thread.
        topics: knows which topics exist.
        telemetry: counters.
        tracing: spans; None for none.
        on_crash: is called when a thread cannot go on.
    """

    def __init__(
        self,
        number: int,
        config: dict[str, Any],
        replies: BoundedQueue[Answer],
        topics: KnownTopics,
        telemetry: Telemetry,
        tracing: Tracing | None,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._producer = Producer({**config, "error_cb": self._error})
        self._replies = replies
        self._topics = topics
        self._telemetry = telemetry
        self._tracing = tracing
        self._on_crash = on_crash
        self._closing = threading.Event()
        self._acknowledged = 0
        self._troubles: deque[tuple[Answer, Reply, KafkaError]] = deque()
        self._sender = threading.Thread(
            target=self._guard, args=(self._send_all,), name=f"producer-{number}", daemon=True
        )
        self._listener = threading.Thread(
            target=self._guard, args=(self._hear_all,), name=f"producer-{number}-acks", daemon=True
        )

    def start(self) -> None:
        """Start both threads."""
        self._sender.start()
        self._listener.start()

    def close(self, deadline: float) -> int:
        """Wait until all is sent and acknowledged, at most until `deadline`; the queue must be closed before.

        Returns:
            How many replies the broker has not acknowledged.
        """
        self._sender.join(max(0.0, deadline - time.monotonic()))
        while (len(self._producer) or self._troubles) and time.monotonic() < deadline:
            time.sleep(0.01)
        unacknowledged = len(self._producer)
        self._closing.set()
        self._listener.join(2 * POLL_S + 1)
        return unacknowledged

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as crash:
            self._on_crash(crash)

    def _send_all(self) -> None:
        while (answer := self._replies.take()) is not None:
            if not self._topics.exists(answer.reply.topic):
                self._telemetry.odd("unknown reply-to topic", f"{answer.job.place()} to {answer.reply.topic}")
                answer.job.finish()
                continue
            for _ in range(answer.unacknowledged):
                self._send(answer, hold_back=lambda: time.sleep(0.005))

    def _send(self, answer: Answer, hold_back: Callable[[], object]) -> None:
        reply, span = answer.reply, None
        if self._tracing is not None and (begun := self._tracing.send(answer.job, reply.topic)) is not None:
            span, traceparent = begun
            reply = recorded(reply, traceparent)
        place: dict[str, Any] = {} if reply.partition is None else {"partition": reply.partition}
        while True:
            try:
                self._producer.produce(
                    reply.topic, reply.value, key=reply.key, headers=reply.headers,
                    on_delivery=partial(self._delivered, answer, answer.reply, span), **place,
                )  # fmt: skip
                return
            except BufferError:
                hold_back()  # librdkafka's queue is full
            except KafkaException as refused:
                self._delivered(answer, answer.reply, span, refused.args[0], None)
                return

    def _hear_all(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)
            if self._acknowledged:
                self._telemetry.count("replies", self._acknowledged)
                self._acknowledged = 0
            for _ in range(len(self._troubles)):
                self._refused(*self._troubles.popleft())

    def _delivered(
        self, answer: Answer, reply: Reply, span: Span | None, error: KafkaError | None, message: Message | None
    ) -> None:
        if span is not None:
            sent(span, message, error)
        if error is not None:
            # Not from in here: sending may have to wait for room, and only this thread's polling makes room.
            self._troubles.append((answer, reply, error))
            return
        self._acknowledged += 1
        self._settle(answer)

    def _refused(self, answer: Answer, reply: Reply, error: KafkaError) -> None:
        """Send it in another form, send it again, or give it up: in this order, by what the broker said."""
        example = f"{answer.job.place()} to {reply.topic}: {error.str()}"
        code = error.code()
        if code in _OVER:
            self._on_crash(KafkaException(error))
        elif reply is not answer.reply:
            self._resend(answer)  # its twin met the same and was changed already
        elif code in _TOO_LARGE and len(reply.value) > SHORT_BYTES:
            self._telemetry.odd("reply too large", example)
            answer.reply = shortened(reply)
            self._resend(answer)
        elif code in _NO_SUCH_PARTITION and reply.partition is not None:
            self._telemetry.odd("reply-partition does not exist", example)
            answer.reply = by_key(reply)
            self._resend(answer)
        elif code in _PERMANENT:
            self._telemetry.odd("reply refused", example)
            self._settle(answer)
        else:  # the cluster may take it later
            self._telemetry.odd("reply sent again", example)
            self._producer.poll(POLL_S)  # not at once, over and over
            self._resend(answer)

    def _resend(self, answer: Answer) -> None:
        self._send(answer, hold_back=lambda: self._producer.poll(0.005))

    def _settle(self, answer: Answer) -> None:
        """One of its replies needs no more waiting; after the last, the request's offset may be committed."""
        answer.unacknowledged -= 1
        if answer.unacknowledged == 0:
            answer.job.finish()

    def _error(self, error: KafkaError) -> None:
        if error.fatal():
            self._on_crash(KafkaException(error))
        self._telemetry.odd("producer error", str(error))
