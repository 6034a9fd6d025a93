"""What a locustfile gets back: `Reply` from `request()`, `Sent` from `send()`."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import gevent
from locust.exception import InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser

from locust_kafka.core.books import Outcome
from locust_kafka.errors import said
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.validation import failure_of
from locust_kafka.kafka.record import record_headers
from locust_kafka.plugin.payloads import Payload

_MATCHED = Outcome.MATCHED
# How a task says what is to happen next: they say nothing about the reply.
_LOCUSTS_OWN = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopTest, StopUser)


class Reply:
    """The outcome of a request (MATCHED, TIMED_OUT, UNDELIVERED or UNFINISHED); falsy unless it was matched.

    With a deserializer it is falsy too when that failed; the outcome still says MATCHED.
    """

    __slots__ = ("_exchange", "_payload")

    def __init__(self, exchange: Exchange, payload: Payload | None = None) -> None:
        self._exchange = exchange
        self._payload = payload

    @property
    def outcome(self) -> Outcome:
        """How the exchange ended."""
        outcome = self._exchange.outcome
        assert outcome is not None
        return outcome

    @property
    def ok(self) -> bool:
        """Whether a reply came in time, and could be deserialized if it was to be."""
        return self._exchange.outcome is _MATCHED and (self._payload is None or not self._payload.failure)

    @property
    def _message(self) -> Any:
        return self._exchange.reply if self._exchange.outcome is _MATCHED else None

    @property
    def value(self) -> Any:
        """What the deserializer made of the reply's value; without one its bytes.  None when there is none."""
        return self.raw_value if self._payload is None else self._payload.value

    @property
    def raw_value(self) -> bytes | None:
        """The reply's value as it was received; None for a tombstone, or when none came."""
        return self._message.value() if self._message is not None else None

    @property
    def key(self) -> bytes | None:
        """The reply's key."""
        return self._message.key() if self._message is not None else None

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """The reply's headers, (name, value) pairs; none when a name among them is no UTF-8."""
        return (record_headers(self._message) or []) if self._message is not None else []

    @property
    def latency_ms(self) -> float:
        """Milliseconds from the (intended) start to the end of the exchange."""
        return self._exchange.latency_ns / 1e6

    @property
    def trace_id(self) -> str:
        """The id, 32 hex digits, by which the exchange can be found in a trace store."""
        return self._exchange.trace_id.decode()

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return f"<Reply {self.outcome.name} {self.latency_ms:.3f} ms trace {self.trace_id}>"


def row_failure(exchange: Exchange, recorder: Recorder, payload: Payload | None) -> Failure:
    """Why the row of an ended exchange failed, as far as the user's code has no word in it."""
    of_payload = payload.failure if payload is not None else ""
    return failure_of(exchange) or recorder.validators.error_of(exchange) or of_payload or None


class CheckedReply(Reply):
    """A reply in a `with` block (`catch_response=True`): the block decides about the row, at its end."""

    __slots__ = ("_failure", "_recorder", "_reported")

    def __init__(self, exchange: Exchange, recorder: Recorder, payload: Payload | None = None) -> None:
        super().__init__(exchange, payload)
        self._recorder = recorder
        self._failure = row_failure(exchange, recorder, payload)
        self._reported = False
        recorder.results.rows_unreported += 1

    def failure(self, why: Exception | str) -> None:
        """Mark the row failed; the books still say MATCHED, and count it as rejected."""
        self._failure = why

    def success(self) -> None:
        """Mark the row as good, even after a timeout."""
        self._failure = None

    def __enter__(self) -> CheckedReply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # A failed assertion in the block is a failed check; a kill (not an Exception), or a task that says what is to
        # happen next, says nothing about the reply.
        checked = isinstance(error, AssertionError)
        if isinstance(error, gevent.Timeout):  # no Exception, and no kill either
            self._failure = f"{type(error).__name__}: {said(error)}"
        elif isinstance(error, Exception) and not isinstance(error, _LOCUSTS_OWN):
            self._failure = (said(error) or "assertion failed") if checked else error
        if not self._reported:
            self._reported = True
            self._recorder.results.rows_unreported -= 1
            self._recorder.report(self._exchange, self._failure)
        return checked


class Sent:
    """What `send()` knows when it returns; falsy when the broker refused the request.

    Attributes:
        ok: True when acknowledged, False when undelivered (or timed out before the ack), None when not waited for.
        trace_id: of the exchange, which goes on; 32 hex digits.
        latency_ms: milliseconds from produce() to the ack; None without one.
    """

    __slots__ = ("latency_ms", "ok", "trace_id")

    def __init__(self, exchange: Exchange, *, waited: bool) -> None:
        acked = exchange.acked_ns > 0
        # A reply can beat the ack: then the broker had the request, whatever it has said yet.
        self.ok: bool | None = (acked or exchange.outcome is Outcome.MATCHED) if waited else None
        self.latency_ms = (exchange.acked_ns - exchange.sent_ns) / 1e6 if acked else None
        self.trace_id = exchange.trace_id.decode()

    def __bool__(self) -> bool:
        return self.ok is not False
