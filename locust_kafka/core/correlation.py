"""Decide the fate of every request and of every reply.

| state | input | next | verdict |
|---|---|---|---|
| unknown | register | PENDING | |
| unknown | reply | unknown | ORPHAN / FOREIGN |
| PENDING | reply in time / after its deadline | MATCHED / TIMED_OUT | MATCH / LATE |
| PENDING | deadline < watermark · delivery failed · close | TIMED_OUT · UNDELIVERED · UNFINISHED | |
| MATCHED | reply | MATCHED | DUPLICATE |
| TIMED_OUT, UNFINISHED | first / further reply | unchanged | LATE / DUPLICATE |
| UNDELIVERED | first / further reply | unchanged | UNEXPECTED / DUPLICATE |
| any ended | delivery failed | unchanged | (counted) |
| any ended | forgotten | unknown | |

What is decided depends on the times passed in alone, never on when, or how often, anything was called: a reply that
was received in time matches, even if the hub was too busy to look at it until later.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import Generic, NamedTuple, TypeVar

from locust_kafka.core.books import Books, Outcome, Verdict

REMEMBER_NS = 60_000_000_000
REMEMBER_COUNT = 1_000_000


class CorrelationIdInUse(ValueError):
    """The id belongs to a request that is pending or still remembered; nothing was registered."""


class Exchange:
    """One request and what became of it.

    Attributes:
        correlation_id: what its replies are recognised by.
        name: under which it is reported.
        intended_ns: when it was to start; its latency counts from here.
        sent_ns: when it was handed to the producer.
        deadline_ns: a reply received later is late.
        outcome: None while it is pending.
        ended_ns: when it ended: the reply's receipt, the deadline, the delivery report, the close.
    """

    __slots__ = ("correlation_id", "deadline_ns", "ended_ns", "intended_ns", "name", "outcome", "sent_ns")

    def __init__(self, correlation_id: bytes, name: str, intended_ns: int, sent_ns: int, deadline_ns: int) -> None:
        self.correlation_id = correlation_id
        self.name = name
        self.intended_ns = intended_ns
        self.sent_ns = sent_ns
        self.deadline_ns = deadline_ns
        self.outcome: Outcome | None = None
        self.ended_ns = 0


class Past(NamedTuple):
    """What is remembered of an ended exchange, for the replies that may still come."""

    ended_ns: int
    outcome: Outcome
    answered: bool
    intended_ns: int
    sent_ns: int
    name: str


E = TypeVar("E", bound=Exchange)


class Correlator(Generic[E]):
    """Match replies to requests.  Owned by one thread, so it needs no lock.

    Args:
        generation: the prefix of all ids of this process and run; None when ids are not made here (then an unknown
            reply cannot be known to be ours, and is FOREIGN).
        remember_ns: how long after its end a request's further replies are recognised.
        remember_count: how many ended requests are remembered at most; the oldest go first, and are counted.
    """

    def __init__(
        self,
        generation: bytes | None,
        *,
        remember_ns: int = REMEMBER_NS,
        remember_count: int = REMEMBER_COUNT,
    ) -> None:
        self.books = Books()
        self.evicted = 0
        """Ended requests forgotten before their time, for want of room: a later reply to one is an ORPHAN."""
        self.failed_after_end = 0
        """Delivery failures reported for requests that had ended otherwise."""
        self._generation = generation
        self._remember_ns = remember_ns
        self._remember_count = remember_count
        self._pending: dict[bytes, E] = {}
        # Deadlines mostly come in order (one timeout for all): those go to the queue, the others to the heap.
        self._queue: deque[tuple[int, bytes]] = deque()
        self._heap: list[tuple[int, bytes]] = []
        # Exact tuples of plain values: the garbage collector stops tracking them, a million cost it nothing.
        self._past: dict[bytes, tuple[int, Outcome, bool, int, int, str]] = {}
        self._past_order: deque[bytes] = deque()

    def register(self, exchange: E) -> None:
        """Start to wait.  Call before the request leaves: a reply may beat the delivery report.

        Raises:
            CorrelationIdInUse: the id is not unique.
        """
        correlation_id = exchange.correlation_id
        past = self._past.get(correlation_id)
        if correlation_id in self._pending or (past and exchange.sent_ns <= past[0] + self._remember_ns):
            raise CorrelationIdInUse(
                f"correlation id {correlation_id!r} belongs to a request that is pending or ended less than "
                f"{self._remember_ns / 1e9:g} s ago; every request needs its own"
            )
        self._pending[correlation_id] = exchange
        deadline = (exchange.deadline_ns, correlation_id)
        if not self._queue or self._queue[-1] <= deadline:
            self._queue.append(deadline)
        else:
            heapq.heappush(self._heap, deadline)
        self.books.registered += 1

    def reply(self, correlation_id: bytes, received_ns: int) -> tuple[Verdict, E | None, Past | None]:
        """Judge one reply.

        Returns:
            The verdict; the exchange, if this reply ended it; else what is remembered of it, if anything is.
        """
        exchange = self._pending.get(correlation_id)
        if exchange is None:
            verdict, past = self._judge_by_memory(correlation_id, received_ns)
            self.books.verdicts[verdict] += 1
            return verdict, None, past
        if received_ns <= exchange.deadline_ns:
            verdict = Verdict.MATCH
            self._end(exchange, Outcome.MATCHED, received_ns, answered=True)
        else:  # it had timed out; that nobody has looked since must not show
            self._end(exchange, Outcome.TIMED_OUT, exchange.deadline_ns)
            verdict, _past = self._judge_by_memory(correlation_id, received_ns)
        self.books.verdicts[verdict] += 1
        return verdict, exchange, None

    def malformed(self) -> Verdict:
        """Count a reply without a readable correlation id."""
        self.books.verdicts[Verdict.MALFORMED] += 1
        return Verdict.MALFORMED

    def undelivered(self, correlation_id: bytes, failed_ns: int) -> E | None:
        """The broker did not take the request.  None if it had already ended.

        The caller promises that all replies received before `failed_ns` were fed in.
        """
        exchange = self._pending.get(correlation_id)
        if exchange is None:
            self.failed_after_end += 1
            return None
        self._end(exchange, Outcome.UNDELIVERED, failed_ns)
        return exchange

    def expire(self, watermark_ns: int) -> list[E]:
        """End every request whose deadline lies before the watermark, in the order of their deadlines.

        The caller promises that all replies received before the watermark were fed in: it is not the wall clock,
        so a busy hub invents no timeouts.
        """
        expired: list[E] = []
        for deadlines in (self._queue, self._heap):
            while deadlines and (deadlines[0][0] < watermark_ns or deadlines[0][1] not in self._pending):
                deadline_ns, correlation_id = (
                    self._queue.popleft() if deadlines is self._queue else heapq.heappop(self._heap)
                )
                exchange = self._pending.get(correlation_id)
                # The same id may have been registered again after it was forgotten, with a later deadline.
                if exchange is not None and exchange.deadline_ns == deadline_ns:
                    self._end(exchange, Outcome.TIMED_OUT, deadline_ns)
                    expired.append(exchange)
        expired.sort(key=lambda exchange: exchange.deadline_ns)
        self._forget(watermark_ns)
        return expired

    def next_deadline_ns(self) -> int | None:
        """No pending request's deadline lies before this; None when nothing is pending."""
        heads = [deadlines[0][0] for deadlines in (self._queue, self._heap) if deadlines]
        return min(heads) if self._pending and heads else None

    def close(self, now_ns: int) -> list[E]:
        """End every request that is still pending: the run is over."""
        unfinished = list(self._pending.values())
        for exchange in unfinished:
            self._end(exchange, Outcome.UNFINISHED, now_ns)
        return unfinished

    def _judge_by_memory(self, correlation_id: bytes, received_ns: int) -> tuple[Verdict, Past | None]:
        stored = self._past.get(correlation_id)
        if stored is None or stored[0] + self._remember_ns < received_ns:
            ours = self._generation is not None and correlation_id.startswith(self._generation)
            return (Verdict.ORPHAN if ours else Verdict.FOREIGN), None
        past = Past._make(stored)
        if past.answered:
            return Verdict.DUPLICATE, past
        self._past[correlation_id] = (stored[0], stored[1], True, stored[3], stored[4], stored[5])
        return (Verdict.UNEXPECTED if past.outcome == Outcome.UNDELIVERED else Verdict.LATE), past

    def _end(self, exchange: E, outcome: Outcome, at_ns: int, *, answered: bool = False) -> None:
        # Whatever ends a request after its deadline ends it as timed out, at the deadline.
        if at_ns > exchange.deadline_ns:
            outcome, at_ns = Outcome.TIMED_OUT, exchange.deadline_ns
        exchange.outcome = outcome
        exchange.ended_ns = at_ns
        correlation_id = exchange.correlation_id
        del self._pending[correlation_id]
        self._past[correlation_id] = (
            at_ns,
            outcome,
            answered,
            exchange.intended_ns,
            exchange.sent_ns,
            exchange.name,
        )
        self._past_order.append(correlation_id)
        self.books.outcomes[outcome] += 1
        if len(self._past) > self._remember_count:
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        while self._past_order:
            if self._past.pop(self._past_order.popleft(), None) is not None:
                self.evicted += 1
                return

    def _forget(self, watermark_ns: int) -> None:
        order, past = self._past_order, self._past
        horizon = watermark_ns - self._remember_ns
        while order:
            stored = past.get(order[0])
            if stored is not None and stored[0] >= horizon:
                return
            past.pop(order.popleft(), None)
