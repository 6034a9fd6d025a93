"""The master's part: one plan for all workers, and the end of a distributed run.

The master asks the workers to stop their users and drain; each drains, settles, reports its statistics and its results,
and answers.  Drained later, they would be lost: Locust's master waits half a second for its workers.  The end always
comes: whoever is silent for too long is accounted for by its last report, and what it had pending is LOST.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, TypeVar

import gevent
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner

from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Plan, Stage
from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid
from locust_kafka.kafka.pool import WARM_NS
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.compat import listen_first
from locust_kafka.plugin.seconds import WorkerSeconds
from locust_kafka.plugin.summing import add_up

logger = logging.getLogger("locust_kafka")

M = TypeVar("M", bound=m.Message)

SPLIT_EVERY_S = 1.0
ASK_EVERY_S = 2.0
GONE_S = 6.0
"""A worker that Locust misses is given up when nothing came from it for so long."""
SILENT_S = 30.0
"""The same of one that Locust does not miss."""
CUT_PATIENCE_S = 5.0


class MasterSide:
    """At the master: knows the workers' results, and gives them orders.

    Args:
        runner: Locust's.
        on_failure: is called when a worker could not begin or go on.
    """

    def __init__(self, runner: MasterRunner, on_failure: Callable[[KafkaPluginError], None]) -> None:
        self._runner = runner
        self._on_failure = on_failure
        self.ending = False
        """Locust has begun to stop the run."""
        self.run_id = ""
        self._kafka_classes: frozenset[str] = frozenset()
        self._stages: tuple[Stage, ...] | None = None
        self._plan: Plan | None = None
        self._opened: set[str] = set()
        self._results: dict[str, RunResults | None] = {}
        self._finished, self._unreadable, self._refused = set[str](), set[str](), set[str]()
        self._shares, self._heard_s = dict[str, float](), dict[str, float]()
        self._failed, self._allow_lost, self._warm_ns = False, False, WARM_NS
        self._cut_s = self._looked_s = 0.0
        self._changed, self._run_finished = Event(), Event()
        self._run_finished.set()
        self._splitter: gevent.Greenlet | None = None
        self._finisher: gevent.Greenlet | None = None
        self._sum: RunResults | None = None
        runner.register_message(m.Opened.type, self._handler(m.Opened, self._worker_opened))
        runner.register_message(m.Finishing.type, self._handler(m.Finishing, self._worker_finishing))
        runner.register_message(m.Finished.type, self._handler(m.Finished, self._worker_finished))
        runner.register_message(m.Failed.type, self._handler(m.Failed, self._worker_failed))
        runner.register_message(m.SetRate.type, self._handler(m.SetRate, self._worker_set_rate))
        listen_first(runner.environment.events.worker_report, self._worker_report)
        self.seconds = WorkerSeconds(runner, lambda: self.run_id)

    def begin(
        self, options: dict[str, Any], stages: tuple[Stage, ...] | None, kafka_classes: frozenset[str],
        *, allow_lost: bool = False, warm_ns: int = WARM_NS,
    ) -> None:  # fmt: skip
        """A run begins, after the one before has ended.

        Args:
            options: Locust's, which go to the workers.
            stages: of the open model; None for the closed one.
            kafka_classes: the names of the user classes whose users take arrivals.
            allow_lost: whether it is valid although a worker died.
            warm_ns: how long after a worker is open its producers can be used.
        """
        self._run_finished.wait()
        self._run_finished.clear()
        self.ending = False
        self.run_id = options["kafka_run_id"] = uuid.uuid4().hex
        options["kafka_workers"] = sorted(name for name in self._runner.clients if self._alive(name))
        self._kafka_classes, self._stages, self._plan = kafka_classes, stages, None
        self._opened, self._results, self._finished, self._unreadable = set(), {}, set(), set()
        self._heard_s, self._shares, self._cut_s = {}, {}, 0.0
        self._failed, self._allow_lost, self._warm_ns = False, allow_lost, warm_ns
        self._finisher = self._sum = None
        self.seconds.begin()
        self._splitter = self._splitter or gevent.spawn(self._split)

    def set_rate(self, rate: float) -> None:
        """The total rate from now on, for all workers."""
        if self._plan is None:
            self._stages = (Stage(rate, rate, 0.0),)
            if self._opened:
                self._begin_plan(perf_counter_ns())
        else:
            self._plan.set_rate(perf_counter_ns(), rate)
            self._tell(m.SetRate(self.run_id, rate))

    def results(self) -> RunResults:
        """The sum of what the workers last reported of the current run."""
        total = RunResults()
        for one in list(self._results.values()):
            if one is not None:
                total.add(one)
        return total

    @property
    def ready(self) -> bool:
        """Whether users may send at any worker."""
        return bool(self._opened)

    def reset(self, since: str) -> None:
        """Have the workers reset their latency series."""
        self._tell(m.Reset(self.run_id, since))

    def look(self) -> None:
        """Have the workers send their latency series with the next reports: somebody looks."""
        if time.monotonic() - self._looked_s > m.LOOK_S / 3:
            self._looked_s = time.monotonic()
            self._tell(m.Look(self.run_id))

    def cut(self) -> None:
        """Second Ctrl-C: the workers end now."""
        self._cut_s = self._cut_s or time.monotonic()
        self._tell(m.Finish(self.run_id, cut=True))

    def run_finished(self) -> None:
        """The run's results have been reported: the next one may begin."""
        self._run_finished.set()

    def finish(self) -> RunResults | None:
        """Have the workers drain, and add up; None when no run was begun, or its results were given before."""
        if not self.run_id or self._run_finished.is_set():
            return None
        if self._finisher is None:
            self._finisher = gevent.spawn(self._await_workers)
        self._finisher.join()
        result, self._sum = self._sum, None
        return result

    def _await_workers(self) -> None:
        alive = {name for name in self._runner.clients if self._alive(name)}
        logger.info("asking %d workers to drain (Ctrl-C: end now)", len(self._known(alive) - self._finished))
        began_s, asked_s = time.monotonic(), 0.0
        while missing := {
            worker for worker in self._known(alive) - self._finished if self._is_awaited(worker, began_s)
        }:
            now_s = time.monotonic()
            if now_s - asked_s > ASK_EVERY_S:  # again and again: one may have joined, or was away for a moment
                asked_s = now_s
                self._tell(m.Finish(self.run_id, cut=bool(self._cut_s)), missing)
            self._changed.clear()
            self._changed.wait(0.2)
        self._sum = self._add_up(self._known(alive))

    def _known(self, alive: set[str]) -> set[str]:
        """Those that were there when the end began, and whoever was heard of, even since then."""
        return alive | set(self._results) | self._opened

    def _is_awaited(self, worker: str, began_s: float) -> bool:
        now_s = time.monotonic()
        heard_s = max(began_s, self._heard_s.get(worker, 0.0))
        if self._cut_s:
            return now_s - max(began_s, self._cut_s) < CUT_PATIENCE_S
        return now_s - heard_s < (SILENT_S if self._alive(worker) else GONE_S)

    def _add_up(self, workers: set[str]) -> RunResults | None:
        total = add_up(
            workers, self._results, opened=self._opened, finished=self._finished, unreadable=self._unreadable,
            allow_lost=self._allow_lost,
        )  # fmt: skip
        return None if self._failed and not total.total.registered else total

    def _begin_plan(self, start_ns: int) -> None:
        if self._stages is not None and self._plan is None:
            self._plan = Plan(self._stages, start_ns, 1.0)
            self._shares = self._wanted_shares()
            for worker in sorted(self._opened):
                self._send_plan(worker)

    def _send_plan(self, worker: str) -> None:
        """From now on, as it is now: whoever joins late begins where the others are."""
        if self._plan is None:
            return
        now_ns = perf_counter_ns()
        stages, start_ns = self._plan.remaining(now_ns)
        phase = self._runner.get_worker_index(worker) / max(1, len(self._opened)) % 1.0
        delay_s = max(0.0, (start_ns - now_ns) / 1e9)
        plan = m.BeginPlan(
            self.run_id, [list(stage) for stage in stages], delay_s, self._shares.get(worker, 0.0), phase
        )
        self._tell(plan, {worker})

    def _split(self) -> None:
        """Divide the rate again whenever users are not where they were: a worker joined, left, or got more of them."""
        while True:
            gevent.sleep(SPLIT_EVERY_S)
            if self._plan is None or self.ending:
                continue
            shares = self._wanted_shares()
            for worker in shares.keys() | self._shares.keys():
                if shares.get(worker, 0.0) != self._shares.get(worker, 0.0):
                    self._tell(m.SetShare(self.run_id, shares.get(worker, 0.0)), {worker})
            self._shares = shares

    def _wanted_shares(self) -> dict[str, float]:
        """By the users who take arrivals; by equal parts while none has reported any."""
        users = {
            worker: sum(count for name, count in node.user_classes_count.items() if name in self._kafka_classes)
            for worker, node in self._runner.clients.items()
            if worker in self._opened and self._alive(worker)
        }
        total = sum(users.values())
        return {worker: count / total if total else 1 / len(users) for worker, count in users.items()}

    def _tell(self, message: m.Message, workers: set[str] | None = None) -> None:
        for worker in sorted(set(self._runner.clients) if workers is None else workers & set(self._runner.clients)):
            self._runner.send_message(message.type, message.to_wire(), client_id=worker)

    def _alive(self, worker: str) -> bool:
        node = self._runner.clients.get(worker)
        return node is not None and node.state != STATE_MISSING

    def _handler(self, kind: type[M], act: Callable[[str, M], None]) -> Callable[..., None]:
        def handle(msg: Any, **_kwargs: Any) -> None:
            try:
                message = kind.from_wire(msg.data)
            except m.BadMessage as bad:
                if msg.node_id not in self._refused:  # once: a worker must not fill the log
                    self._refused.add(msg.node_id)
                    logger.warning("a message of worker %r is passed over: %s", msg.node_id, str(bad)[: m.MAX_WORDS])
                return
            if message.run == self.run_id:
                self._heard_s[msg.node_id] = time.monotonic()
                act(msg.node_id, message)
                self._changed.set()

        return handle

    def _worker_opened(self, worker: str, _message: m.Opened) -> None:
        self._opened.add(worker)
        if self._plan is None:
            self._begin_plan(perf_counter_ns() + self._warm_ns)
        else:
            self._send_plan(worker)

    def _worker_finishing(self, worker: str, _message: m.Finishing) -> None:
        self._opened.add(worker)  # its message alone says that it is there

    def _worker_finished(self, worker: str, message: m.Finished) -> None:
        self._take(worker, message.results)
        self._finished.add(worker)

    def _worker_set_rate(self, _worker: str, message: m.SetRate) -> None:
        self.set_rate(message.rate)

    def _worker_failed(self, worker: str, message: m.Failed) -> None:
        self.seconds.failures[worker] = message.reason[: m.MAX_WORDS]
        if not self._failed:
            self._failed = True
            kind = RunInvalid if message.invalid else NotReady
            self._on_failure(kind(f"worker {worker}: {message.reason[: m.MAX_WORDS]}"))

    def _worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: Any) -> None:
        if m.Report.type not in data or client_id in self._finished:
            return
        try:
            report = m.Report.from_wire(data.pop(m.Report.type))
        except m.BadMessage:
            self._unreadable.add(client_id)
            return
        if report.run == self.run_id:
            self._heard_s[client_id] = time.monotonic()
            self._take(client_id, report.results)

    def _take(self, worker: str, wire: dict[str, Any] | None) -> None:
        try:
            results = None if wire is None else RunResults.from_wire(wire)
            if results is not None:
                RunResults().add(results)  # what cannot be added up must not keep the others from it
        except (LookupError, TypeError, ValueError, AttributeError):
            self._unreadable.add(worker)
        else:
            self._results[worker] = results
