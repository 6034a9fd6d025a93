"""Stand-ins for Locust's runners, for the runs of workers, and for a clock that only moves when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import gevent
from gevent.event import Event
from hypothesis import strategies as st
from locust.event import Events
from locust.runners import STATE_INIT, STATE_MISSING, STATE_RUNNING, STATE_STOPPED

from locust_kafka.core.books import Outcome, Verdict
from locust_kafka.core.results import RunResults
from locust_kafka.plugin import messages as m

MUCH_LATER_S = 100_000.0

Fate = tuple[str, Outcome | None]
"""A request's name, and how it ended; None while it is pending."""

FATES: st.SearchStrategy[list[Fate]] = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from([None, Outcome.MATCHED, Outcome.TIMED_OUT, Outcome.UNDELIVERED, Outcome.UNFINISHED]),
    ),
    max_size=6,
)


def results_of(fates: Iterable[Fate]) -> RunResults:
    """What a worker would have counted."""
    results = RunResults()
    for name, outcome in fates:
        for books in (results.total, results.name(name).books):
            books.registered += 1
            if outcome is not None:
                books.outcomes[outcome] += 1
            if outcome is Outcome.MATCHED:
                books.verdicts[Verdict.MATCH] += 1
        results.replies_read += outcome is Outcome.MATCHED
    return results


def let_greenlets_run(turns: int = 12) -> None:
    for _ in range(turns):
        gevent.sleep(0)


class Clock:
    """Seconds that pass only in `wait`: what is planned by then happens meanwhile, at its time."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.planned: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now_s

    def ns(self) -> int:
        return round(self.now_s * 1e9)

    def at(self, instant_s: float, act: Callable[[], None]) -> None:
        self.planned.append((instant_s, act))
        self.planned.sort(key=lambda one: one[0])

    def wait(self, timeout_s: float) -> None:
        """Until the time is up, or something has happened."""
        assert self.now_s < MUCH_LATER_S, "the end does not come"
        until_s = self.now_s + timeout_s
        if not self.planned or self.planned[0][0] > until_s:
            self.now_s = until_s
            return
        self.now_s = max(self.now_s, self.planned[0][0])
        while self.planned and self.planned[0][0] <= self.now_s:
            self.planned.pop(0)[1]()


class ClockedEvent:
    """gevent's Event, by such a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def wait(self, timeout_s: float) -> None:
        self._clock.wait(timeout_s)


class StubMaster:
    """Locust's MasterRunner, as far as the master's side uses it."""

    def __init__(self, clock: Clock) -> None:
        self.environment = SimpleNamespace(events=Events())
        self.environment.events.worker_report.add_listener(self._report)
        self.clients: dict[str, Any] = {}
        self.sent: list[tuple[float, str, str, dict[str, Any]]] = []
        """(when, worker, type, data)."""
        self.answers: dict[str, Callable[[int], None]] = {}
        """What a worker does when it is asked to finish, given the how-manieth time it is."""
        self._clock = clock
        self._handlers: dict[str, Callable[..., None]] = {}
        self._indexes: dict[str, int] = {}

    @property
    def worker_count(self) -> int:
        return len(self.clients)

    def join(self, worker: str, **users: int) -> None:
        self.clients[worker] = SimpleNamespace(state=STATE_RUNNING, user_classes_count=users)

    def miss(self, worker: str) -> None:
        """Its heartbeat has failed."""
        self.clients[worker].state = STATE_MISSING
        self.clients[worker].user_classes_count = {}

    def register_message(self, type: str, listener: Callable[..., None], concurrent: bool = False) -> None:
        assert type not in self._handlers
        self._handlers[type] = listener

    def send_message(self, type: str, data: Any = None, client_id: str | None = None) -> None:
        assert client_id in self.clients, "Locust cannot send to a worker that it does not know"
        self.sent.append((self._clock.now_s, client_id, type, data))
        if type == m.Finish.type and client_id in self.answers:
            self.answers[client_id](len(self.sent_to(client_id, m.Finish)))

    def get_worker_index(self, worker: str) -> int:
        return self._indexes.setdefault(worker, len(self._indexes))

    def hear(self, worker: str, message: m.Message | dict[str, Any], type: str = "") -> None:
        """A worker's message arrives."""
        data = message.to_wire() if isinstance(message, m.Message) else message
        kind = message.type if isinstance(message, m.Message) else type
        self._handlers[kind](environment=self.environment, msg=SimpleNamespace(data=data, node_id=worker))

    def hear_report(self, worker: str, data: dict[str, Any], type: str = m.Report.type) -> None:
        """One of Locust's own reports arrives, with ours in it."""
        self.environment.events.worker_report.fire(client_id=worker, data={type: data})

    def sent_to(self, worker: str, kind: type[m.Message]) -> list[Any]:
        return [kind.from_wire(data) for _at, to, type_, data in self.sent if to == worker and type_ == kind.type]

    def _report(self, client_id: str, data: dict[str, Any], **_kwargs: Any) -> None:
        assert m.Report.type not in data, "ours must be taken out before Locust sees it"


class StubWorker:
    """Locust's WorkerRunner, as far as the worker's side uses it."""

    worker_index = 3

    def __init__(self) -> None:
        self.environment = SimpleNamespace(stop_timeout=0.0)
        self.state = STATE_RUNNING
        self.worker_state = STATE_INIT
        self.done: list[Any] = []
        """Messages sent to the master, and "stop" and "stats" in between."""
        self.failing_stop = False
        self._handlers: dict[str, tuple[Callable[..., None], bool]] = {}

    def register_message(self, type: str, listener: Callable[..., None], concurrent: bool = False) -> None:
        assert type not in self._handlers
        self._handlers[type] = listener, concurrent

    def send_message(self, type: str, data: Any = None, client_id: str | None = None) -> None:
        kinds = {kind.type: kind for kind in m.Message.__subclasses__()}
        self.done.append(kinds[type].from_wire(data))

    def stop(self) -> None:
        self.done.append("stop")
        if self.failing_stop:
            raise RuntimeError("a listener of test_stopping")
        self.state = STATE_STOPPED

    def _send_stats(self) -> None:
        self.done.append("stats")

    def hear(self, message: m.Message | dict[str, Any], type: str = "") -> None:
        """The master's message arrives."""
        data = message.to_wire() if isinstance(message, m.Message) else message
        listener, concurrent = self._handlers[message.type if isinstance(message, m.Message) else type]
        msg = SimpleNamespace(data=data, node_id="master")
        if concurrent:
            gevent.spawn(listener, environment=self.environment, msg=msg)
        else:
            listener(environment=self.environment, msg=msg)


class StubRun:
    """A worker's run: it drains until somebody lets it end, or cuts it."""

    def __init__(self, run_id: str, fates: Iterable[Fate] = ()) -> None:
        self.spec = SimpleNamespace(run_id=run_id)
        self.results = results_of(fates)
        self.arrivals: Any = None
        self.drained = Event()
        self.cuts = self.finishes = 0
        self.told: list[Any] = []

    def finish(self) -> None:
        self.finishes += 1
        self.drained.wait()

    def cut(self) -> None:
        self.cuts += 1
        self.drained.set()

    def begin_plan(self, *plan: Any) -> None:
        self.told.append(plan)

    def set_rate(self, rate: float) -> None:
        self.told.append(rate)
