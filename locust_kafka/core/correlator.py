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
from typing import Generic, TypeVar

from locust_kafka.core.books import Books, Outcome, Verdict
from locust_kafka.core.ended import EndedRequest, EndedRequests

REMEMBER_NS = 60_000_000_000
REMEMBER_COUNT = 1_000_000
COMPACT_AT_ONCE = 500
SLACK = 1_000

_MATCHED = Outcome.MATCHED
_MATCHED_AT, _MATCH_AT = int(Outcome.MATCHED), int(Verdict.MATCH)


class CorrelationIdInUse(ValueError):
    """The id belongs to a request that is pending or still remembered; nothing was registered."""


class Pending:
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


E = TypeVar("E", bound=Pending)


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
        self.failed_after_end = 0
        """Delivery failures reported for requests that had ended otherwise."""
        self._generation = generation
        self._only_ours = generation is not None
        self._remembered = EndedRequests(remember_ns, remember_count)
        self._id_pages = self._remembered.rows
        # Pending requests, and those that ended since the last `compact`, which handles many at a time.
        self._live: dict[bytes, E] = {}
        self._ended: list[E] = []
        # Deadlines mostly come in order (one timeout for all): those go to the queue, the others to the heap.
        self._queue: deque[E] = deque()
        self._heap: list[tuple[int, int, E]] = []

    def register(self, exchange: E, *, fresh: bool = False) -> None:
        """Start to wait.  Call before the request leaves: a reply may beat the delivery report.

        Args:
            exchange: the request's.
            fresh: whether its id was made here just now, of 96 random bits: to look for it among a million that are
                remembered would cost more than all the rest, and find nothing.

        Raises:
            CorrelationIdInUse: the id is not unique.
        """
        correlation_id, queue, books = exchange.correlation_id, self._queue, self.books
        if not fresh:
            self._check_unique(correlation_id, exchange.sent_ns)
        self._live[correlation_id] = exchange
        if not queue or queue[-1].deadline_ns <= exchange.deadline_ns:
            queue.append(exchange)
        else:
            heapq.heappush(self._heap, (exchange.deadline_ns, books.registered, exchange))
        books.registered += 1

    def match(self, correlation_id: bytes | None, received_ns: int) -> E | None:
        """The short way of `reply`, for most replies: the exchange that this one matches.

        None when there is none: then nothing was counted or changed, and `reply` is to judge.
        """
        exchange = self._live.get(correlation_id)  # type: ignore[arg-type] # None is no key
        if exchange is None or exchange.outcome is not None or received_ns > exchange.deadline_ns:
            return None
        exchange.outcome = _MATCHED
        exchange.ended_ns = received_ns
        self._ended.append(exchange)
        books = self.books
        books.outcomes[_MATCHED_AT] += 1
        books.verdicts[_MATCH_AT] += 1
        return exchange

    def reply(self, correlation_id: bytes, received_ns: int) -> tuple[Verdict, E | None, EndedRequest | None]:
        """Judge one reply.

        Returns:
            The verdict; the exchange, if this reply ended it; else what is remembered of it, if anything is.
        """
        if self._only_ours and not correlation_id.startswith(self._generation or b""):
            self.books.verdicts[Verdict.FOREIGN] += 1  # on a shared topic most are: they cost no look-up
            return Verdict.FOREIGN, None, None
        exchange = self.match(correlation_id, received_ns)
        if exchange is not None:
            return Verdict.MATCH, exchange, None
        exchange = self._live.get(correlation_id)
        if exchange is not None and exchange.outcome is None:  # it had timed out; that nobody looked must not show
            self._end(exchange, Outcome.TIMED_OUT, exchange.deadline_ns)
            verdict, _past = self._judge_by_memory(correlation_id, received_ns)
            past = None
        else:
            exchange = None
            verdict, past = self._judge_by_memory(correlation_id, received_ns)
        self.books.verdicts[verdict] += 1
        return verdict, exchange, past

    def accept_other_ids(self) -> None:
        """From now on ids are registered that do not begin with the generation (a trace that the user has begun)."""
        self._only_ours = False

    def malformed(self) -> Verdict:
        """Count a reply without a readable correlation id."""
        self.books.verdicts[Verdict.MALFORMED] += 1
        return Verdict.MALFORMED

    def undelivered(self, exchange: E, failed_ns: int) -> bool:
        """The broker did not take the request.

        The exchange itself is given, not its id: a user may have used the same key again since.
        The caller promises that all replies received before `failed_ns` were fed in.

        Returns:
            Whether this ended it; False (and counted) when it had ended before.
        """
        if exchange.outcome is not None:
            self.failed_after_end += 1
            return False
        self._end(exchange, Outcome.UNDELIVERED, failed_ns)
        return True

    def expire(self, watermark_ns: int) -> list[E]:
        """End every request whose deadline lies before the watermark, in the order of their deadlines.

        The caller promises that all replies received before the watermark were fed in: it is not the wall clock,
        so a busy hub invents no timeouts.
        """
        expired: list[E] = []
        self._shorten()
        while (head := self._head()) is not None and head.deadline_ns < watermark_ns:
            self._end(head, Outcome.TIMED_OUT, head.deadline_ns)
            expired.append(head)
        if len(self._ended) >= COMPACT_AT_ONCE:
            self.compact()
        self._remembered.drop_expired(watermark_ns)
        return expired

    def next_deadline_ns(self) -> int | None:
        """The first deadline of a pending request; None when nothing is pending."""
        head = self._head()
        return None if head is None else head.deadline_ns

    def last_deadline_ns(self) -> int | None:
        """The last deadline of a pending request; None when nothing is pending.  Looks at all of them."""
        deadlines = [exchange.deadline_ns for exchange in self._live.values() if exchange.outcome is None]
        return max(deadlines, default=None)

    def close(self, now_ns: int) -> list[E]:
        """End every request that is still pending: the run is over."""
        unfinished = [exchange for exchange in self._live.values() if exchange.outcome is None]
        for exchange in unfinished:
            self._end(exchange, Outcome.UNFINISHED, now_ns)
        return unfinished

    @property
    def evicted(self) -> int:
        """Ended requests evicted early because the memory limit was reached: a later reply to one is an ORPHAN."""
        self.compact()
        return self._remembered.evicted

    def _head(self) -> E | None:
        """The pending request with the first deadline; drops what has ended before it."""
        queue, heap = self._queue, self._heap
        while queue and queue[0].outcome is not None:
            queue.popleft()
        while heap and heap[0][2].outcome is not None:
            heapq.heappop(heap)
        if heap and (not queue or heap[0][0] < queue[0].deadline_ns):
            return heap[0][2]
        return queue[0] if queue else None

    def _shorten(self) -> None:
        """One request that waits long must not keep all that have ended behind it."""
        longest = max(len(self._queue), len(self._heap))
        if longest > SLACK and longest > 2 * self.books.pending + SLACK:
            self._queue = deque(exchange for exchange in self._queue if exchange.outcome is None)
            self._heap = [entry for entry in self._heap if entry[2].outcome is None]
            heapq.heapify(self._heap)

    def _check_unique(self, correlation_id: bytes, sent_ns: int) -> None:
        if correlation_id in self._live:
            self._check_free(correlation_id, sent_ns)
        for rows in self._id_pages:
            if correlation_id in rows:
                self._check_free(correlation_id, sent_ns)
                break  # the check may have turned a page, and it has looked at all of them

    def _check_free(self, correlation_id: bytes, sent_ns: int) -> None:
        self.compact()
        past, remember_ns = self._remembered.get(correlation_id), self._remembered.remember_ns
        if correlation_id in self._live or (past is not None and sent_ns <= past.ended_ns + remember_ns):
            raise CorrelationIdInUse(
                f"correlation id {correlation_id!r} belongs to a request that is pending or ended less than "
                f"{remember_ns / 1e9:g} s ago; every request needs its own"
            )

    def _judge_by_memory(self, correlation_id: bytes, received_ns: int) -> tuple[Verdict, EndedRequest | None]:
        self.compact()
        past = self._remembered.get(correlation_id)
        if past is None or past.ended_ns + self._remembered.remember_ns < received_ns:
            ours = self._generation is not None and correlation_id.startswith(self._generation)
            return (Verdict.ORPHAN if ours else Verdict.FOREIGN), None
        if past.answered:
            return Verdict.DUPLICATE, past
        self._remembered.mark_answered(correlation_id)
        return (Verdict.UNEXPECTED if past.outcome == Outcome.UNDELIVERED else Verdict.LATE), past

    def _end(self, exchange: E, outcome: Outcome, at_ns: int) -> None:
        # Whatever ends a request after its deadline ends it as timed out, at the deadline.
        if at_ns > exchange.deadline_ns:
            outcome, at_ns = Outcome.TIMED_OUT, exchange.deadline_ns
        exchange.outcome = outcome
        exchange.ended_ns = at_ns
        self._ended.append(exchange)
        self.books.outcomes[outcome] += 1

    def compact(self) -> None:
        """Keep of those that ended what a later reply needs, and let go of the rest."""
        live, ended = self._live, self._ended
        for exchange in ended:
            del live[exchange.correlation_id]
        self._remembered.add(ended)
        ended.clear()
