"""Observers of exchanges.  The recorder calls them in the hub, so they must not wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from locust_kafka.core.books import Verdict
from locust_kafka.core.ended import EndedRequest
from locust_kafka.core.legs import Legs, RecordMetadata
from locust_kafka.core.results import Pause, no_pause
from locust_kafka.exchange.exchange import Exchange

logger = logging.getLogger("locust_kafka")

T = TypeVar("T")

Failure = Exception | str | None
"""Why a row failed; None for a good one."""


class LaterReply(NamedTuple):
    """A reply to an exchange that had ended.

    Attributes:
        correlation_id: of both.
        ended: what is remembered of the exchange.
        verdict: LATE, DUPLICATE or UNEXPECTED.
        message: the reply.
        received_ns: when it was received.
        request: where the request lies, if that is remembered (of one that timed out lately).
        acked_ns: when the request was acknowledged; 0 when that is not remembered.
        legs: where the time went, if the request is remembered.
    """

    correlation_id: bytes
    ended: EndedRequest
    verdict: Verdict
    message: Any
    received_ns: int
    request: RecordMetadata | None
    acked_ns: int
    legs: Legs | None


class Observer(Protocol):
    """Receives exchanges in batches.

    Attributes:
        each: whether `ended` is to be called for each exchange at its end.  It makes every exchange more expensive.
    """

    each: bool

    def ended(self, exchange: Exchange) -> None:
        """One exchange ended just now; called only for those who asked for `each`."""

    def complete(self, batch: list[Exchange]) -> None:
        """These exchanges have ended and were acknowledged, or failed: all that can be known of them is known."""

    def later_reply(self, later: LaterReply) -> str | None:
        """A reply came to an exchange that had ended.

        Returns:
            The trace id under which it can be looked at; "" when it cannot; None when this observer does not say.
        """

    def flush(self) -> None:
        """Pass on what was gathered, a few times a second.

        Raises:
            OSError: a file cannot be written.
        """

    def reset(self) -> None:
        """The latencies are reset."""

    def close(self) -> None:
        """The run is over; this may wait, for seconds at most.

        Raises:
            OSError: a file cannot be written.
        """


class Guarded:
    """An observer whose errors harm nobody else: the first one is said, and each is counted beside the books.

    An OSError of `flush` and of `close` passes: a file that cannot be written ends the run, or makes it invalid.

    Args:
        observer: is told.
        note: counts something beside the books.
    """

    def __init__(self, observer: Observer, note: Callable[[str], None]) -> None:
        self.each = observer.each
        self._observer = observer
        self._note = note
        self._said = False

    def ended(self, exchange: Exchange) -> None:
        """As the observer's, and so are the others."""
        self._tell(self._observer.ended, exchange)

    def complete(self, batch: list[Exchange]) -> None:
        """As the observer's."""
        self._tell(self._observer.complete, batch)

    def later_reply(self, later: LaterReply) -> str | None:
        """As the observer's."""
        return self._tell(self._observer.later_reply, later)

    def flush(self) -> None:
        """As the observer's."""
        self._tell(self._observer.flush, passes=OSError)

    def reset(self) -> None:
        """As the observer's."""
        self._tell(self._observer.reset)

    def close(self) -> None:
        """As the observer's."""
        self._tell(self._observer.close, passes=OSError)

    def _tell(self, call: Callable[..., T], *told: Any, passes: type[Exception] | tuple[()] = ()) -> T | None:
        try:
            return call(*told)
        except Exception as error:
            if isinstance(error, passes):
                raise
            name = type(self._observer).__name__
            if not self._said:
                self._said = True
                logger.exception("%s failed: what it tells is incomplete (said once; counted)", name)
            self._note(f"errors of {name}: what it tells is incomplete")
            return None


class Rows(Protocol):
    """Locust's rows: one for each exchange.

    Attributes:
        listened: whether each row is an event of its own, for somebody listens.
    """

    listened: bool

    def matched(self, name: str, exchanges: list[Exchange]) -> None:
        """Rows of many matched exchanges that the user's code did not look at."""

    def result(self, exchange: Exchange, failure: Failure) -> None:
        """The row of one exchange."""

    def add_failure_note(self, name: str, what: str) -> None:
        """A line in the Failures table that fails no request: a late or duplicate reply."""

    def flush(self, pause: Pause = no_pause) -> None:
        """Merge what was gathered into Locust's statistics, name by name."""

    def close(self, patience_s: float) -> int:
        """Merge the last; wait for listeners so long at most (s).  How many rows they have not taken."""

    def disconnect(self) -> None:
        """A new run has cleared Locust's statistics: what is still to come is not theirs."""
