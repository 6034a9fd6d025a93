"""A worker's part: it does what the master says about the run that both mean, and reports."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from time import perf_counter_ns
from typing import Any, Protocol, TypeVar

import gevent
from locust.runners import STATE_INIT, STATE_STOPPED, WorkerRunner

from locust_kafka.core.routing import Share
from locust_kafka.errors import KafkaPluginError, RunInvalid
from locust_kafka.hub.share import HubShare
from locust_kafka.plugin import messages as m
from locust_kafka.plugin.compat import send_worker_stats
from locust_kafka.run.run import Run

logger = logging.getLogger("locust_kafka")

M = TypeVar("M", bound=m.Message)

FINISHING_EVERY_S = 1.0
READY_PATIENCE_S = 10.0
"""How long Locust may take to be ready again after a stop: before that its master takes no statistics."""


class Host(Protocol):
    """What this side needs of the plugin."""

    def worker_run(self) -> Run | None:
        """The run of this process."""

    def reset(self, since: str) -> None:
        """Reset the latency series."""


class WorkerSide:
    """At a worker: answers the master.

    Args:
        runner: Locust's.
        host: whose run it drains.
    """

    def __init__(self, runner: WorkerRunner, host: Host) -> None:
        self._runner = runner
        self._host = host
        self._finishing: Run | None = None
        self._reported: Run | None = None
        self._stopped_by_us = False
        self._looked_until_s = 0.0
        runner.register_message(m.BeginPlan.type, self._handler(m.BeginPlan, self._begin_plan))
        runner.register_message(m.SetRate.type, self._handler(m.SetRate, self._set_rate))
        runner.register_message(m.SetShare.type, self._handler(m.SetShare, self._set_share))
        runner.register_message(m.Reset.type, self._handler(m.Reset, self._reset))
        runner.register_message(m.Look.type, self._handler(m.Look, self._look))
        runner.register_message(m.Finish.type, self._finish, concurrent=True)

    @property
    def index(self) -> int:
        """The worker's number, from 0."""
        return max(0, self._runner.worker_index)

    def share(self, options: Mapping[str, Any]) -> Share:
        """Which of the workers it is that the master counted as the run began, by the options that it sent."""
        workers = options.get("kafka_workers") or [self._runner.client_id]
        known = self._runner.client_id in workers
        return Share(workers.index(self._runner.client_id) if known else len(workers), len(workers))

    def opened(self, run: Run) -> None:
        """Tell the master that users may send here."""
        self._send(m.Opened(run.spec.run_id))

    def failed(self, run_id: str, error: KafkaPluginError) -> None:
        """Tell the master that this worker's run cannot begin or go on."""
        self._send(m.Failed(run_id, str(error)[: m.MAX_WORDS], isinstance(error, RunInvalid)))

    def ask_for_rate(self, run: Run, rate: float) -> None:
        """A locustfile asks for another rate at a worker: it holds for all."""
        self._send(m.SetRate(run.spec.run_id, rate))

    def report(self, run: Run) -> dict[str, Any]:
        """What goes to the master with Locust's own report."""
        share = HubShare()
        run.recorder.flush(share)
        looked_at = time.monotonic() < self._looked_until_s or run.settings.metrics_port is not None
        messages = (
            m.Report(run.spec.run_id, run.results.to_wire(latencies=looked_at, pause=share)),
            m.Seconds(run.spec.run_id, [second.to_wire() for second in run.sampler.take_unreported()]),
        )
        return {message.type: message.to_wire() for message in messages}

    def locust_stopped(self, run: Run) -> None:
        """Locust has stopped the users; it does so in its message loop, so the drain runs in a greenlet of its own."""
        if self._finishing is not run:
            self._stopped_by_us = False
            gevent.spawn(self._drain, run)

    def finish(self, run: Run, *, quitting: bool = False) -> None:
        """Drain, settle, close, and report; waits for the end.

        Args:
            run: of this process.
            quitting: whether the process is about to end, so that Locust will not be ready again.
        """
        if self._finishing is not run:
            self._finishing = run
        run.finish()
        if not quitting and not self._stopped_by_us:
            with gevent.Timeout(READY_PATIENCE_S + (self._runner.environment.stop_timeout or 0.0), False):
                while self._runner.worker_state != STATE_INIT and self._reported is not run:
                    gevent.sleep(0.02)
        if self._reported is not run:
            self._reported = run
            send_worker_stats(self._runner)  # before our answer
            self._send(m.Finished(run.spec.run_id, run.results.to_wire()))

    def _drain(self, run: Run, *, stop_users: bool = False) -> None:
        self._finishing = run
        with contextlib.ExitStack() as ending:  # it comes, whatever a listener of Locust's stop raises
            ending.callback(gevent.spawn(self._tell_finishing, run).kill, block=False)
            ending.callback(self.finish, run)
            if stop_users:
                self._runner.stop()  # its users first: what their on_stop sends belongs to the run

    def _finish(self, msg: Any, **_kwargs: Any) -> None:
        """The master wants the end: of this run, or of one that this worker never had."""
        try:
            message = m.Finish.from_wire(msg.data)
        except m.BadMessage as bad:
            logger.warning("a message of the master is passed over: %s", bad)
            return
        run = self._host.worker_run()
        if run is None or run.spec.run_id != message.run:
            self._send(m.Finished(message.run, None))
            return
        if message.cut:
            run.cut()
        if self._reported is run:
            self._send(m.Finished(run.spec.run_id, run.results.to_wire()))
        elif self._finishing is run:
            self._send(m.Finishing(run.spec.run_id))
        else:
            self._stopped_by_us = True
            self._drain(run, stop_users=self._runner.state != STATE_STOPPED)

    def _tell_finishing(self, run: Run) -> None:
        while True:
            self._send(m.Finishing(run.spec.run_id))
            gevent.sleep(FINISHING_EVERY_S)

    def _send(self, message: m.Message) -> None:
        self._runner.send_message(message.type, message.to_wire())

    def _handler(self, kind: type[M], act: Callable[[Run, M], None]) -> Callable[..., None]:
        def handle(msg: Any, **_kwargs: Any) -> None:
            try:
                message = kind.from_wire(msg.data)
            except m.BadMessage as bad:
                logger.warning("a message of the master is passed over: %s", bad)
                return
            run = self._host.worker_run()
            if run is not None and run.spec.run_id == message.run:
                act(run, message)

        return handle

    def _begin_plan(self, run: Run, message: m.BeginPlan) -> None:
        start_ns = perf_counter_ns() + int(message.delay_s * 1e9)
        run.begin_plan(message.plan(), start_ns, message.share, message.phase)

    def _set_rate(self, run: Run, message: m.SetRate) -> None:
        run.set_rate(message.rate)

    def _set_share(self, run: Run, message: m.SetShare) -> None:
        if run.arrivals is not None:
            run.arrivals.set_share(message.share)

    def _look(self, _run: Run, _message: m.Look) -> None:
        self._looked_until_s = time.monotonic() + m.LOOK_S

    def _reset(self, _run: Run, message: m.Reset) -> None:
        self._host.reset(message.since)
