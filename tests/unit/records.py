"""Stand-ins for what passes through the middle: records as confluent-kafka would hand them over, and Locust's rows."""

from __future__ import annotations

from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from locust_kafka.core.books import Outcome
from locust_kafka.core.correlator import Pending
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure, LaterReply


class Record:
    """A record; `poisoned` ones have a header name that is no UTF-8, and end the test when they are asked twice."""

    def __init__(
        self, topic: str = "replies", key: bytes | None = b"k", value: bytes | None = b"v",
        headers: list[tuple[str, bytes | None]] | None = None, *, poisoned: bool = False, append_ms: int = 1,
        partition: int = 0,
    ) -> None:  # fmt: skip
        self._topic, self._key, self._value = topic, key, value
        self._headers = headers
        self._poisoned, self._asked = poisoned, False
        self._append_ms, self._partition = append_ms, partition

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        if self._poisoned:
            assert not self._asked, "a second look at such headers ends the process"
            self._asked = True
            raise SystemError("returned NULL without setting an exception")
        return self._headers

    def set_headers(self, headers: list[Any]) -> None:
        self._poisoned, self._headers = False, headers

    def error(self) -> None:
        return None

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return 0

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._append_ms

    def __len__(self) -> int:
        return len(self._value or b"")


def reply_to(trace_id: bytes, **more: Any) -> Record:
    """A reply that carries this trace id."""
    return Record(headers=[("traceparent", b"00-" + trace_id + b"-00000000000000ff-00")], **more)


class CountedRows:
    """Locust's rows, kept one by one."""

    def __init__(self, *, listened: bool = False) -> None:
        self.listened = listened
        self.rows: list[tuple[bytes, bool]] = []
        """(correlation id, failed)."""
        self.notes: list[str] = []

    def matched(self, name: str, exchanges: list[Exchange]) -> None:
        assert all(x.name == name for x in exchanges)
        self.rows += [(x.correlation_id, False) for x in exchanges]

    def result(self, exchange: Exchange, failure: Failure) -> None:
        self.rows.append((exchange.correlation_id, failure is not None))

    def add_failure_note(self, name: str, what: str) -> None:
        self.notes.append(what)

    def flush(self, pause: Any = None) -> None:
        pass

    def close(self, patience_s: float) -> int:
        return 0

    def disconnect(self) -> None:
        pass


class Watcher:
    """An observer that remembers what it was told."""

    def __init__(self, *, each: bool) -> None:
        self.each = each
        self.ends: list[bytes] = []
        self.completes: list[tuple[bytes, Outcome | None]] = []
        self.later: list[tuple[bytes, str]] = []
        self.closed = 0

    def ended(self, exchange: Exchange) -> None:
        self.ends.append(exchange.correlation_id)

    def complete(self, batch: list[Exchange]) -> None:
        self.completes += [(x.correlation_id, x.outcome) for x in batch]

    def later_reply(self, later: LaterReply) -> str | None:
        self.later.append((later.correlation_id, later.verdict.name))
        return None

    def flush(self) -> None:
        pass

    def reset(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def pending(correlation_id: bytes, at_ns: int = 0, deadline_ns: int = 100) -> Pending:
    return Pending(correlation_id, "name", at_ns, at_ns, deadline_ns)
