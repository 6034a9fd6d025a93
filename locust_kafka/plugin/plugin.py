"""Locust's events, and what we do at each.  One plugin a process; the master's part is in `distributed.py`.

Before the fork, for `--list`, and on the master there is no Kafka client and no thread.
"""

from __future__ import annotations

import atexit
import logging
import sys
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locust_kafka.core.results import RunResults
from locust_kafka.errors import (
    EXIT_BOTTLENECK,
    EXIT_INVALID,
    EXIT_NOT_STARTED,
    KafkaPluginError,
    RunInvalid,
    SettingsError,
)
from locust_kafka.plugin.classes import kafka_users, settings_for
from locust_kafka.plugin.distributed import MasterSide, WorkerSide
from locust_kafka.plugin.rows import LocustRows
from locust_kafka.report import summary
from locust_kafka.report.exchange_log import numbered
from locust_kafka.run.run import Run
from locust_kafka.settings import DEFAULTS, FAIL, OPTIONS, Settings, parse
from locust_kafka.telemetry import prometheus as metrics

logger = logging.getLogger("locust_kafka")


class Plugin:
    """Everything of ours in one Locust process.

    Args:
        environment: Locust's.

    Raises:
        SettingsError: an option was refused.
    """

    instance: Plugin | None = None

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.exit_code = 0
        """Our part of the process's exit code; 0 leaves it to Locust."""
        self._run: Run | None = None
        self._last: RunResults | None = None
        self._quitting = False
        settings = parse(self._options())
        settings_for(settings, kafka_users(environment.user_classes))  # refused now rather than at the start
        self._frozen = {option.dest: self._options().get(option.dest) for option in OPTIONS if option.frozen}
        runner = environment.runner
        self.master = MasterSide(runner, self._not_started) if isinstance(runner, MasterRunner) else None
        self.worker = WorkerSide(runner, self) if isinstance(runner, WorkerRunner) else None
        events = environment.events
        events.test_start.add_listener(self._test_start)
        events.test_stopping.add_listener(self._test_stopping)
        events.test_stop.add_listener(self._test_stop)
        events.reset_stats.add_listener(self._reset_stats)
        events.quitting.add_listener(self._on_quitting)
        events.quit.add_listener(self._on_quit)
        if settings.metrics_port is not None and self.worker is None:
            metrics.serve(settings.metrics_port, self.master.ledger if self.master is not None else self._ledger)
        Plugin.instance = self
        atexit.register(self._at_exit)

    @classmethod
    def of(cls, environment: Environment) -> Plugin:
        """The plugin of an environment; made here for one that was built by hand, without Locust's `init` event."""
        if cls.instance is None or cls.instance.environment is not environment:
            return cls(environment)
        return cls.instance

    def current_run(self) -> Run:
        """The run that users belong to; begun here when no `test_start` was fired."""
        if self._run is None:
            self._test_start()
        assert self._run is not None
        if self._run.failure is not None and self.environment.runner is None:
            sys.exit(EXIT_NOT_STARTED)  # run_single_user: there is no runner to stop
        return self._run

    def report_to_master(self, data: dict[str, Any]) -> None:
        """Worker: what goes along with each of Locust's reports."""
        if self._run is not None and self.worker is not None:
            self._run.recorder.flush()
            data["locust_kafka"] = self._run.wire()

    @property
    def run_id(self) -> str:
        """The run's name, from the master."""
        return str(self._options().get("kafka_run_id", ""))

    def set_rate(self, rate: float) -> None:
        """Open model: so many arrivals a second in total from now on, in this run and in the next."""
        self._options()["kafka_rate"] = f"{rate:.6f}"
        if self.master is not None:
            self.master.set_rate(rate)
        elif self._run is not None:
            self._run.set_rate(rate)

    def set_share(self, share: float) -> None:
        """Worker: its part of the total rate has changed."""
        if self._run is not None:
            self._run.set_share(share)

    def reset(self, since: str) -> None:
        """Locust's rows begin anew: so do the latency series.  The books never do."""
        if self._run is not None:
            self._run.recorder.flush()
            self._run.recorder.reset_latencies(since)
            if self._run.check is not None:
                self._run.check.reset()

    def finish_run(self, *, cut: bool = False) -> Run | None:
        """Drain, settle and close the run of this process, if it has one."""
        run = self._run
        if run is not None and cut:
            run.cut()
        if run is not None:
            run.finish()
        return run

    def _ledger(self) -> RunResults | None:
        return self._run.ledger if self._run is not None else None

    def _options(self) -> dict[str, Any]:
        parsed = self.environment.parsed_options
        return vars(parsed) if parsed is not None else {}

    def _settings(self) -> Settings:
        options = self._options()
        for dest, value in self._frozen.items():
            # The web UI can set any option by a POST; what was frozen at the start is put back.  A worker that was
            # given none of its own takes the master's.
            if self.worker is None or (value not in ("", None) and value != DEFAULTS[dest]):
                options[dest] = value
        return settings_for(parse(options), kafka_users(self.environment.user_classes))

    def _test_start(self, **_kwargs: Any) -> None:
        if self.master is not None:
            self._start_master(self.master)
            return
        run = self._run
        # Locust fires test_start again when users or a shape change during our start: that is still the same run.
        if run is None or run.ending:
            run = self._run = self._begin(run)
        run.await_started()
        if run.failure is not None and self.worker is None and self.environment.runner is not None:
            gevent.sleep(1e9)  # no user may start: this greenlet is killed by the quit that is under way

    def _begin(self, after: Run | None) -> Run:
        problem: KafkaPluginError | None = None
        try:
            settings = self._settings()
        except SettingsError as error:
            problem, settings = error, parse({})
        if after is not None:
            after.recorder.statistics.disconnect()
        share, phase, log_path = 1.0, 0.0, settings.exchange_log
        if self.worker is not None:
            share = 1 / max(1, int(self._options().get("kafka_worker_count", 1)))
            phase = self.worker.index * share % 1.0
            log_path = numbered(log_path, self.worker.index) if log_path else ""
        run = Run(
            settings, LocustRows(self.environment), kafka_users(self.environment.user_classes), share, phase,
            log_path, self._run_failed, after, problem,
        )  # fmt: skip
        run.name = self.run_id
        return run

    def _start_master(self, master: MasterSide) -> None:
        try:
            self._settings()
        except SettingsError as error:
            self._not_started(error)
            gevent.sleep(1e9)  # killed by the quit that is under way
        master.begin(self._options())
        self._last = None

    def _test_stopping(self, **_kwargs: Any) -> None:
        if self._run is not None:
            self._run.note_stopping()
        if self.master is not None:
            self.master.ending = True

    def _test_stop(self, **_kwargs: Any) -> None:
        if self.master is not None:
            ledger = self.master.finish()
            if ledger is not None:
                self._conclude(ledger)
            self.master.rest()
            return
        run = self.finish_run()
        if run is None:
            return
        if self.worker is not None:
            self.worker.done(run)
        elif run.ledger is not self._last and run.began:
            self._conclude(run.ledger)

    def _conclude(self, ledger: RunResults) -> None:
        self._last = ledger
        for sentence in ledger.invalid:
            logger.error("invalid run: %s", sentence)
        path = self._frozen.get("kafka_summary")
        written = not path or summary.write(ledger, str(path))
        if ledger.invalid or not written:
            self.exit_code = self.exit_code or EXIT_INVALID
        for sentence in ledger.bottleneck:
            logger.error("invalid run: the generator was the bottleneck: %s", sentence)
        if ledger.bottleneck and self._settings().self_check == FAIL:
            self.exit_code = self.exit_code or EXIT_BOTTLENECK
        if not self._options().get("headless"):
            summary.show(ledger)

    def _reset_stats(self, **_kwargs: Any) -> None:
        since = "since the statistics were reset"
        if self.master is not None:
            self.master.reset(since)
        self.reset(since)

    def _run_failed(self, error: KafkaPluginError) -> None:
        if self.worker is not None:
            logger.error("%s", error)
            self.worker.failed(error)
        else:
            self._not_started(error)

    def _not_started(self, error: KafkaPluginError) -> None:
        """A run could not begin, or not go on: say so, set the exit code, stop from a greenlet of its own."""
        invalid = isinstance(error, RunInvalid)
        logger.error("%s: %s", "the run is invalid and stops" if invalid else "the run cannot begin", error)
        self.exit_code = EXIT_INVALID if invalid else EXIT_NOT_STARTED
        runner = self.environment.runner
        if runner is None:
            return
        if self.environment.web_ui is not None:
            runner.log_exception("locust-kafka", str(error), "")
            gevent.spawn(runner.stop)
        else:
            gevent.spawn(runner.quit)

    def _on_quitting(self, **_kwargs: Any) -> None:
        """Locust computes its exit code right after this event: what a stop has to say must be said in here."""
        again, self._quitting = self._quitting, True
        try:
            if again:
                self._cut()
            self._stop()
        except KeyboardInterrupt:  # a second Ctrl-C, while we drain
            self._cut()
            self._stop()
        if self.exit_code:
            self.environment.process_exit_code = self.exit_code

    def _stop(self) -> None:
        runner = self.environment.runner
        if self.master is not None:
            runner.stop(send_stop_to_client=False)  # type: ignore[union-attr, call-arg] # a master's
            self._test_stop()
        elif self.worker is not None:
            run = self.finish_run()
            if run is not None:
                self.worker.done(run)
        elif runner is not None:
            runner.stop()
            self._test_stop()

    def _cut(self) -> None:
        logger.warning("cutting the drain short: what is pending is UNFINISHED")
        if self._run is not None:
            self._run.cut()
        if self.master is not None:
            self.master.cut()

    def _on_quit(self, **_kwargs: Any) -> None:
        if self._last is not None and self._options().get("headless"):
            summary.show(self._last)

    def _at_exit(self) -> None:
        if self._run is not None and self._run.is_open:
            self._run.abandon()
            self._conclude(self._run.ledger)
