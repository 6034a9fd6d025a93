"""Requests and replies of somebody else's, read from their two topics and matched by id: `locust-kafka watch`.

Time is the logs' own: a latency runs from the request's append to the reply's.  The two topics are read side by side,
so a reply may be read before its request; it is kept for a while until it is said to belong to nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.counters import Counters
from locust_kafka.core.examples import SLOWEST, Example
from locust_kafka.core.history import History, Second
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.results import RunResults

PATIENCE_S = 5.0
"""How much later than another a record may be read that was appended at the same time."""
REMEMBERED = 200_000
"""Requests that have ended are remembered for so many others, for their duplicates and late replies."""
_MS = 1_000_000
_REPEATED = "requests whose id had been seen before"
_WITHOUT_ID = "requests without a correlation id"
_BACKWARDS = "replies with an earlier stamp than their request's (taken as 0 ms)"


class RecordPosition(NamedTuple):
    """Where a record lies, and when it was appended."""

    topic: str
    partition: int
    offset: int
    append_ms: int

    def __str__(self) -> str:
        return f"{self.topic} [{self.partition}] at {self.offset}"


class _ReadRecord(NamedTuple):
    place: RecordPosition
    read_s: float


class Flow:
    """Two topics, watched.

    Args:
        timeout_s: a request without a reply that was appended within so many seconds is TIMED_OUT.
    """

    def __init__(self, timeout_s: float) -> None:
        self.results = RunResults()
        self.closing = False
        """Whether the watch is about to end: it takes no more requests."""
        self.history = History()
        self._timeout_s = timeout_s
        self._pending: dict[bytes, _ReadRecord] = {}
        self._early: dict[bytes, list[_ReadRecord]] = {}
        self._ended: dict[bytes, tuple[RecordPosition, bool]] = {}
        self._e2e = LatencySeries()
        self._before = Counters()

    def request(self, correlation_id: bytes | None, place: RecordPosition, read_s: float) -> None:
        """A request was read.

        Args:
            correlation_id: its id; None when it has none.
            place: where it lies.
            read_s: when it was read, on a clock that only goes up.
        """
        if self.closing:
            return
        if correlation_id is None:
            self.results.note(_WITHOUT_ID)
            return
        if correlation_id in self._pending or correlation_id in self._ended:
            self.results.note(_REPEATED)
            return
        self.results.total.registered += 1
        self.results.name(place.topic).books.registered += 1
        self._pending[correlation_id] = _ReadRecord(place, read_s)
        for early in self._early.pop(correlation_id, ()):
            self._judge(correlation_id, early.place)

    def reply(self, correlation_id: bytes | None, place: RecordPosition, read_s: float) -> None:
        """A reply was read; the arguments are those of `request`."""
        self.results.replies_read += 1
        if correlation_id is None:
            self.results.total.verdicts[Verdict.MALFORMED] += 1
        elif correlation_id in self._pending or correlation_id in self._ended:
            self._judge(correlation_id, place)
        else:
            self._early.setdefault(correlation_id, []).append(_ReadRecord(place, read_s))

    def pass_time(self, now_s: float) -> None:
        """End the requests whose replies have had their time, and give up the requests of early replies."""
        while self._pending:
            correlation_id, request = next(iter(self._pending.items()))
            if now_s - request.read_s < self._timeout_s + PATIENCE_S:
                break
            self._time_out(correlation_id, request.place)
            self._end(correlation_id, request.place, replied=False)
        while self._early:
            correlation_id, replies = next(iter(self._early.items()))
            if now_s - replies[0].read_s < PATIENCE_S:
                break
            self._give_up(correlation_id)

    def sample(self, at_s: int, length_s: float) -> None:
        """End a second of the history; `at_s` on the wall clock."""
        counters = Counters.of(self.results)
        self.history.add(
            Second(at_s, length_s, counters.since(self._before), self._e2e, self.results.total.pending, 0, 0)
        )
        self._before, self._e2e = counters, LatencySeries()
        self.results.load_s = self.results.duration_s = self.results.load_s + length_s

    def finish(self) -> None:
        """The watch ends: what is pending stays unknown, UNFINISHED."""
        for correlation_id in list(self._early):
            self._give_up(correlation_id)
        for request in self._pending.values():
            self._count(request.place.topic, Outcome.UNFINISHED)
        self._pending.clear()

    def _judge(self, correlation_id: bytes, reply: RecordPosition) -> None:
        request = self._pending.get(correlation_id)
        if request is not None:
            latency_ms = self._latency_ms(request.place, reply)
            in_time = latency_ms <= self._timeout_s * 1000
            if in_time:
                self._matched(correlation_id, request.place, reply, latency_ms)
            else:
                self._time_out(correlation_id, request.place)
                self._later(Verdict.LATE, correlation_id, request.place, reply)
            self._end(correlation_id, request.place, replied=True)
            return
        place, replied = self._ended[correlation_id]
        self._later(Verdict.DUPLICATE if replied else Verdict.LATE, correlation_id, place, reply)
        self._ended[correlation_id] = place, True

    def _latency_ms(self, request: RecordPosition, reply: RecordPosition) -> int:
        if reply.append_ms < request.append_ms:  # two brokers, two clocks
            self.results.note(_BACKWARDS)
        return max(0, reply.append_ms - request.append_ms)

    def _matched(self, correlation_id: bytes, request: RecordPosition, reply: RecordPosition, latency_ms: int) -> None:
        self._count(request.topic, Outcome.MATCHED, Verdict.MATCH)
        self.results.name(request.topic).e2e_matched.record(latency_ms * _MS)
        self._e2e.record(latency_ms * _MS)
        if latency_ms * _MS > self.results.examples.slower_than_ns:
            self._example(SLOWEST, correlation_id, request, reply)

    def _later(self, verdict: Verdict, correlation_id: bytes, request: RecordPosition, reply: RecordPosition) -> None:
        entry, latency_ms = self.results.name(request.topic), max(0, reply.append_ms - request.append_ms)
        self._count(request.topic, None, verdict)
        (entry.late if verdict is Verdict.LATE else entry.duplicate).record(latency_ms * _MS)
        self._example(f"{verdict.name.lower()} reply", correlation_id, request, reply)

    def _time_out(self, correlation_id: bytes, request: RecordPosition) -> None:
        self._count(request.topic, Outcome.TIMED_OUT)
        timeout_ns = int(self._timeout_s * 1e9)
        self.results.name(request.topic).timed_out.record(timeout_ns)
        self._e2e.record(timeout_ns)
        self._example("timed out", correlation_id, request, None)

    def _give_up(self, correlation_id: bytes) -> None:
        self.results.total.verdicts[Verdict.FOREIGN] += len(self._early.pop(correlation_id))

    def _end(self, correlation_id: bytes, request: RecordPosition, *, replied: bool) -> None:
        self._pending.pop(correlation_id, None)
        self._ended[correlation_id] = request, replied
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _count(self, name: str, outcome: Outcome | None, verdict: Verdict | None = None) -> None:
        for books in (self.results.total, self.results.name(name).books):
            if outcome is not None:
                books.outcomes[outcome] += 1
            if verdict is not None:
                books.verdicts[verdict] += 1

    def _example(self, kind: str, correlation_id: bytes, request: RecordPosition, reply: RecordPosition | None) -> None:
        if kind != SLOWEST and not self.results.examples.wants(kind):
            return
        latency_ns = int(self._timeout_s * 1e9) if reply is None else max(0, reply.append_ms - request.append_ms) * _MS
        self.results.examples.add(
            Example(
                kind, request.topic, latency_ns, correlation_id.decode("utf-8", "backslashreplace"),
                request_at=str(request), reply_at="" if reply is None else str(reply),
            )
        )  # fmt: skip
