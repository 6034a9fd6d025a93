"""The user's own word about a reply: `on_reply`, in greenlets of its own, and the header that says error.

What it does can take its time: it may send again, sleep, or never return.  The judging of replies goes on meanwhile.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import gevent

from locust_kafka.core.books import Outcome
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.observer import Failure
from locust_kafka.kafka.record import record_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Reporter(Protocol):
        """Takes the row of an exchange."""

        def report(self, exchange: Exchange, failure: Failure) -> None:
            """Its row, and why it failed."""


logger = logging.getLogger("locust_kafka")

_MAX_SHOWN = 200
"""Characters of an error header's value in a row."""


class Validators:
    """Runs `on_reply` callbacks and reports the rows of their exchanges when they return.

    Args:
        reporter: takes the rows.
        error_header: a reply with this header fails its row; "" for none.
    """

    def __init__(self, reporter: Reporter, error_header: str) -> None:
        self.error_header = error_header
        self._report: Callable[[Exchange, Failure], None] = reporter.report
        self._running: dict[gevent.Greenlet, Exchange] = {}

    @property
    def running(self) -> int:
        """How many callbacks have not returned yet."""
        return len(self._running)

    def report(self, exchange: Exchange) -> None:
        """Report the row of an ended exchange: at once, or when the user's callback has returned."""
        if exchange.outcome is not Outcome.MATCHED:
            self._report(exchange, failure_of(exchange))
        elif exchange.validator is None:
            self._report(exchange, self.error_of(exchange))
        else:
            greenlet = gevent.Greenlet(self._validate, exchange)
            self._running[greenlet] = exchange
            greenlet.start()

    def error_of(self, exchange: Exchange) -> Failure:
        """What a matched reply says of an error, if it carries the error header."""
        if not self.error_header or exchange.outcome is not Outcome.MATCHED:
            return None
        for name, value in reversed(record_headers(exchange.reply) or ()):
            if name == self.error_header:
                return f"the reply says {name}: {(value or b'').decode('utf-8', 'backslashreplace')[:_MAX_SHOWN]}"
        return None

    def wait(self, timeout_s: float) -> None:
        """Wait until all callbacks have returned, for so long at most."""
        gevent.joinall(list(self._running), timeout=max(0.0, timeout_s))

    def close(self) -> None:
        """End callbacks that have not returned; the rows of their exchanges say so."""
        left = list(self._running.items())
        if left:
            logger.error("%d on_reply callbacks have not returned by the end of the run: they are stopped", len(left))
        for greenlet, _exchange in left:
            greenlet.kill(block=False)
        for _greenlet, exchange in left:
            self._report(exchange, "on_reply did not return by the end of the run")
        self._running.clear()

    def _validate(self, exchange: Exchange) -> None:
        validator = exchange.validator
        assert validator is not None
        complaint: Failure
        try:
            said = validator(exchange)  # whether it is true is asked in here, too: that may raise
            complaint = said if isinstance(said, Exception) else str(said) if said else self.error_of(exchange)
        except gevent.GreenletExit:
            complaint = "on_reply was ended: the run is over"
        except (
            gevent.Timeout,
            SystemExit,
        ) as error:  # no Exceptions; SystemExit would end the process
            complaint = f"on_reply raised {type(error).__name__}: {error}"
        except Exception as error:
            complaint = error
        if self._running.pop(gevent.getcurrent(), None) is not None:  # else the run has ended, and the row is reported
            self._report(exchange, complaint)


def failure_of(exchange: Exchange) -> Failure:
    """Why the exchange failed, in words; None for a matched one, or one that was cut short."""
    if exchange.outcome is Outcome.TIMED_OUT:
        timeout_s = (exchange.deadline_ns - exchange.intended_ns) / 1e9
        disconnected = " (the reply consumer had no broker)" if exchange.consumer_disconnected else ""
        return f"no reply within {timeout_s:g} s{disconnected}"
    if exchange.outcome is Outcome.UNDELIVERED:
        return f"undelivered: {exchange.failure}"
    return None
