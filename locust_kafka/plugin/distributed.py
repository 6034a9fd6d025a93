"""Master and workers: the end of a distributed run belongs to the master.

The master asks the workers to stop sending and drain, while their users still stand; each drains, settles, reports
its statistics and its ledger, and answers.  Drained later, the results would be lost: Locust's master waits half a
second for its workers.  A worker that dies is accounted for by its last report: what it had pending is LOST.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from locust_kafka.core.results import RunResults
from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid

if TYPE_CHECKING:
    from locust_kafka.plugin.plugin import Plugin
    from locust_kafka.run.run import Run

logger = logging.getLogger("locust_kafka")

DRAIN = "kafka_drain"
DONE = "kafka_done"
FAILED = "kafka_failed"
RESET = "kafka_reset"
RATE = "kafka_rate"
SHARE = "kafka_share"
SPLIT_EVERY_S = 1.0
CUT_PATIENCE_S = 3.0
REST_S = 120.0


class MasterSide:
    """At the master: collects the workers' ledgers.

    Args:
        runner: Locust's.
        on_failure: is called when a worker could not begin or go on.
    """

    def __init__(self, runner: MasterRunner, on_failure: Callable[[KafkaPluginError], None]) -> None:
        self._runner = runner
        self._on_failure = on_failure
        self._run_id = ""
        self._ledgers: dict[str, dict[str, Any]] = {}
        self._done: set[str] = set()
        self._changed = Event()
        self._cut = Event()
        self._failed = False
        self.ending = False
        """Locust has begun to stop the run."""
        self._at_rest = Event()
        self._workers: set[str] = set()
        self._shares: dict[str, float] = {}
        self._splitter: gevent.Greenlet | None = None
        self._finisher: gevent.Greenlet | None = None
        self._result: RunResults | None = None
        runner.register_message(DONE, self._worker_done)
        runner.register_message(FAILED, self._worker_failed)
        runner.environment.events.worker_report.add_listener(self._worker_report)

    def begin(self, options: dict[str, Any]) -> None:
        """A run begins, after the one before has come to rest: name it, so that no report is taken for another's."""
        if self.ending:
            self._at_rest.wait(REST_S)
        self.ending = False
        self._at_rest.clear()
        self._workers = {worker for worker in self._runner.clients if self._alive(worker)}
        self._run_id = options["kafka_run_id"] = uuid.uuid4().hex
        options["kafka_worker_count"] = self._runner.worker_count
        self._ledgers, self._done = {}, set()
        self._cut.clear()
        self._failed = False
        self._finisher = None
        self._result = None
        self._shares = {worker: 1 / len(self._workers) for worker in self._workers}
        self._splitter = self._splitter or gevent.spawn(self._split)

    def set_rate(self, rate: float) -> None:
        """Tell the workers the total rate from now on."""
        self._runner.send_message(RATE, {"rate": rate})

    def ledger(self) -> RunResults:
        """The sum of what the workers last reported of the current run."""
        total = RunResults()
        for wire in list(self._ledgers.values()):
            total.add(RunResults.from_wire(wire))
        return total

    def rest(self) -> None:
        """The run's result has been told."""
        self._at_rest.set()

    def reset(self, since: str) -> None:
        """Tell the workers to begin their latency series anew."""
        self._runner.send_message(RESET, {"since": since})

    def cut(self) -> None:
        """Second Ctrl-C: the workers end now."""
        self._cut.set()
        self._runner.send_message(DRAIN, {"cut": True})

    def finish(self) -> RunResults | None:
        """Have the workers drain, and add up; None when no run was begun, or its result was given before."""
        if not self._run_id:
            return None
        if self._finisher is None:
            self._finisher = gevent.spawn(self._collect)
        self._finisher.join()
        result, self._result = self._result, None
        return result

    def _collect(self) -> None:
        workers = {name for name in self._runner.clients if self._alive(name)} | set(self._ledgers) | self._workers
        if workers - self._done:
            logger.info("asking %d workers to drain (Ctrl-C: end now)", len(workers - self._done))
            self._runner.send_message(DRAIN, {"cut": False})
        give_up = math.inf
        while any(self._alive(worker) for worker in workers - self._done) and time.monotonic() < give_up:
            if self._cut.is_set():
                give_up = min(give_up, time.monotonic() + CUT_PATIENCE_S)
            self._changed.clear()
            self._changed.wait(0.2)
        self._result = self._add_up(workers)

    def _add_up(self, workers: set[str]) -> RunResults | None:
        total = RunResults()
        for worker in sorted(workers):
            wire = self._ledgers.get(worker)
            if wire is None:
                total.invalid.append(f"worker {worker} ended without any report: what it did is unknown")
                continue
            ledger = RunResults.from_wire(wire)
            if worker not in self._done:
                lost = ledger.total.pending
                ledger.lose_pending()
                ledger.invalid.append(f"worker {worker} ended without a last report: {lost} pending requests are LOST")
            total.add(ledger)
        if not total.balanced(closed=True):
            total.invalid.append("the books do not balance")
        return None if self._failed and not total.total.registered else total

    def _split(self) -> None:
        """Divide the rate anew whenever users are not where they were: a worker joined, left, or got more of them."""
        while True:
            gevent.sleep(SPLIT_EVERY_S)
            users = {w: node.user_count for w, node in self._runner.clients.items() if self._alive(w)}
            total = sum(users.values())
            if self.ending or not total:
                continue
            shares = {worker: count / total for worker, count in users.items()}
            for worker, share in shares.items():
                if share != self._shares.get(worker):
                    self._runner.send_message(SHARE, {"share": share}, client_id=worker)
            self._shares = shares

    def _alive(self, worker: str) -> bool:
        node = self._runner.clients.get(worker)
        return node is not None and node.state != STATE_MISSING

    def _worker_report(self, client_id: str, data: dict[str, Any], **_kwargs: Any) -> None:
        wire = data.get("locust_kafka")
        if wire is not None and wire["run"] == self._run_id and client_id not in self._done:
            self._ledgers[client_id] = wire

    def _worker_done(self, msg: Any, **_kwargs: Any) -> None:
        if msg.data["run"] == self._run_id:
            self._ledgers[msg.node_id] = msg.data
            self._done.add(msg.node_id)
            self._changed.set()

    def _worker_failed(self, msg: Any, **_kwargs: Any) -> None:
        if not self._failed:
            self._failed = True
            kind = RunInvalid if msg.data["invalid"] else NotReady
            self._on_failure(kind(f"worker {msg.node_id}: {msg.data['reason']}"))


class WorkerSide:
    """At a worker: answers the master.

    Args:
        runner: Locust's.
        plugin: whose run it drains.
    """

    def __init__(self, runner: WorkerRunner, plugin: Plugin) -> None:
        self._runner = runner
        self._plugin = plugin
        self._told: Run | None = None
        runner.register_message(DRAIN, self._drain, concurrent=True)
        runner.register_message(RESET, self._reset)
        runner.register_message(RATE, lambda msg, **_kwargs: plugin.set_rate(msg.data["rate"]))
        runner.register_message(SHARE, lambda msg, **_kwargs: plugin.set_share(msg.data["share"]))

    @property
    def index(self) -> int:
        """The worker's number, from 0."""
        return max(0, self._runner.worker_index)

    def failed(self, error: KafkaPluginError) -> None:
        """Tell the master that this worker's run cannot begin or go on."""
        self._runner.send_message(FAILED, {"reason": str(error), "invalid": isinstance(error, RunInvalid)})

    def done(self, run: Run) -> None:
        """Report the last statistics and the ledger of a closed run; once."""
        if self._told is not run:
            self._told = run
            self._runner._send_stats()  # noqa: SLF001 - in order before our answer; Locust has no public way
            self._runner.send_message(DONE, run.wire())

    def _drain(self, msg: Any, **_kwargs: Any) -> None:
        run = self._plugin.finish_run(cut=msg.data["cut"])
        if run is not None:
            self.done(run)
        else:
            self._runner.send_message(DONE, {"run": self._plugin.run_id, **RunResults().to_wire()})

    def _reset(self, msg: Any, **_kwargs: Any) -> None:
        self._plugin.reset(msg.data["since"])
