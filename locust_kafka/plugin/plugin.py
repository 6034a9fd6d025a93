"""Locust's events, and what the plugin does at each.  One plugin an environment.

Before the fork, for `--list`, and on the master there is no Kafka client and no thread.
"""

from __future__ import annotations

import atexit
import logging
import sys
from functools import partial
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import gevent
from locust.env import Environment
from locust.runners import STATE_STOPPED, MasterRunner, WorkerRunner

from locust_kafka.core.history import History
from locust_kafka.core.results import RunResults
from locust_kafka.errors import EXIT_NOT_STARTED, KafkaPluginError, RunInvalid, SettingsError
from locust_kafka.exchange.routing import ALONE
from locust_kafka.kafka.pool import warm_ns
from locust_kafka.plugin.classes import kafka_users, settings_for
from locust_kafka.plugin.compat import listen_first, warn_of_untested
from locust_kafka.plugin.desk import Desk
from locust_kafka.plugin.ending import Ending
from locust_kafka.plugin.master import MasterSide
from locust_kafka.plugin.options import LocustOptions, say_notes, warn_of_kubernetes
from locust_kafka.plugin.rows import LocustRows
from locust_kafka.plugin.task_errors import TaskErrors
from locust_kafka.plugin.worker import WorkerSide
from locust_kafka.run.run import Run
from locust_kafka.run.spec import RunSpec
from locust_kafka.settings import Settings
from locust_kafka.telemetry import prometheus

logger = logging.getLogger("locust_kafka")


class Plugin:
    """Everything of ours in one Locust environment.

    Args:
        environment: Locust's.

    Raises:
        SettingsError: an option was refused.
    """

    _instances: ClassVar[WeakKeyDictionary[Environment, Plugin]] = WeakKeyDictionary()

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._run: Run | None = None
        self._runs = 0
        self._quitting = False
        runner = environment.runner
        self._options = LocustOptions(
            environment, is_master=isinstance(runner, MasterRunner), is_worker=isinstance(runner, WorkerRunner)
        )
        warn_of_kubernetes()
        warn_of_untested()
        settings = self._settings()  # refused now rather than at the start
        self.ending = Ending(settings, 0, is_worker=self._options.is_worker)
        """Of the latest run."""
        self.master = MasterSide(runner, self._not_started) if isinstance(runner, MasterRunner) else None
        self.worker = WorkerSide(runner, self) if isinstance(runner, WorkerRunner) else None
        self._task_errors = TaskErrors(environment, self.worker_run)
        self._desk = None if self.worker is not None else Desk(environment, self, self._options, self.master)
        events = environment.events
        events.test_start.add_listener(self._test_start)
        events.test_stopping.add_listener(self._test_stopping)
        events.test_stop.add_listener(self._test_stop)
        events.reset_stats.add_listener(self._reset_stats)
        events.quitting.add_listener(self._on_quitting)
        events.quit.add_listener(self._on_quit)
        # Before Locust's own: a batch is merged before Locust reports or clears.
        listen_first(events.report_to_master, self._report_to_master)
        listen_first(events.spawning_complete, self._spawning_complete)
        if settings.metrics_port is not None and self._desk is not None:
            prometheus.serve(settings.metrics_port, self._desk.results)
        Plugin._instances[environment] = self
        atexit.register(self._at_exit)

    @classmethod
    def of(cls, environment: Environment) -> Plugin:
        """The plugin of an environment; made here for one that was built by hand, without Locust's `init` event."""
        return cls._instances.get(environment) or cls(environment)

    @classmethod
    def all(cls) -> list[Plugin]:
        """Those of all environments in this process."""
        return list(cls._instances.values())

    def current_run(self) -> Run:
        """The run that users belong to; begun here when no `test_start` was fired."""
        if self._run is None:
            self._start()
        assert self._run is not None
        if self._run.failure is not None and self.environment.runner is None:
            sys.exit(EXIT_NOT_STARTED)  # run_single_user: there is no runner to stop
        return self._run

    @property
    def options(self) -> dict[str, Any]:
        """Locust's parsed options."""
        return self._options.values

    def worker_run(self) -> Run | None:
        """The run of this process."""
        return self._run

    def set_rate(self, rate: float) -> None:
        """Open model: so many arrivals a second in total from now on, in this run and in the next."""
        self._options.values["kafka_rate"] = f"{rate:.6f}"
        if self.master is not None:
            self.master.set_rate(rate)
        elif self._run is not None and self.worker is not None:
            self.worker.ask_for_rate(self._run, rate)
        elif self._run is not None:
            self._run.set_rate(rate)

    def reset(self, since: str) -> None:
        """Locust's rows are reset, and so are the latency series.  The books never are."""
        if self._run is not None:
            self._run.recorder.reset(since)
            if self._run.self_check is not None:
                self._run.self_check.reset()

    def _settings(self) -> Settings:
        return settings_for(self._options.load(), kafka_users(self.environment.user_classes))

    def _test_start(self, **_kwargs: Any) -> None:
        if kafka_users(self.environment.user_classes):  # else others were chosen on the command line
            self._start()

    def _start(self) -> None:
        if self.master is not None:
            self._start_master(self.master)
            return
        run = self._run
        # Locust fires test_start again when users or a shape change during our start: that is still the same run.
        if run is None or run.ending:
            run = self._run = self._begin(run)
        run.await_started()
        if run.failure is not None and self.worker is None and self.environment.runner is not None:
            raise gevent.GreenletExit  # no user may start: this ends the greenlet that was about to make them

    def _begin(self, previous: Run | None) -> Run:
        refusal: KafkaPluginError | None = None
        try:
            settings = self._settings()
        except SettingsError as error:
            refusal, settings = error, self.ending.settings  # the last that were good
        if previous is not None:
            previous.recorder.rows.disconnect()
        self._runs += 1
        self.ending = Ending(settings, self._runs, is_worker=self.worker is not None)
        share = ALONE if self.worker is None else self.worker.share(self._options.values)
        match = next((one.match for one in kafka_users(self.environment.user_classes)), None)
        run_id = str(self._options.values.get("kafka_run_id") or "") if self.worker is not None else ""
        spec = RunSpec(
            settings, match, run_id, share,
            self.ending.log_path(None if self.worker is None else self.worker.index), self.worker is None,
        )  # fmt: skip
        failed = partial(self._run_failed, self.ending, spec.run_id)
        return Run(spec, LocustRows(self.environment), self._opened, failed, previous, refusal)

    def _opened(self) -> None:
        if (run := self._run) is None or run.connection is None:
            return
        say_notes(self._options.values, run.settings, kafka_users(self.environment.user_classes))
        self.ending.announce(run.settings, run.connection.view)
        if self.worker is not None:
            self.worker.opened(run)
        if self._desk is not None:
            self._desk.begin()

    def _start_master(self, master: MasterSide) -> None:
        try:
            settings = self._settings()
        except SettingsError as error:
            self._runs += 1
            self.ending = Ending(self.ending.settings, self._runs, is_worker=False)
            self._not_started(error)
            raise gevent.GreenletExit from None  # no user may start
        classes = frozenset(user_class.__name__ for user_class in kafka_users(self.environment.user_classes))
        given, lost, warm = self._options.values, settings.allow_lost, warm_ns(settings)
        master.begin(given, settings.rate, classes, allow_lost=lost, warm_ns=warm)
        self._runs += 1
        self.ending = Ending(settings, self._runs, is_worker=False)
        if self._desk is not None:
            self._desk.begin()

    def _test_stopping(self, **_kwargs: Any) -> None:
        if self._run is not None:
            self._run.note_stopping()
        if self.master is not None:
            self.master.ending = True

    def _test_stop(self, **_kwargs: Any) -> None:
        run, ending = self._run, self.ending  # the next run may begin while this one drains
        if self.master is not None:
            results = self.master.finish()
            if results is not None:
                self._conclude(ending, results, self.master.seconds.history)
            self.master.run_finished()
        elif run is not None and self.worker is not None:
            self.worker.locust_stopped(run)
        elif run is not None:
            run.finish()
            if run.connection is not None:
                self._conclude(ending, run.results, run.sampler.history)

    def _conclude(self, ending: Ending, results: RunResults, history: History) -> None:
        if self._desk is not None:
            self._desk.conclude(ending, results, history)

    def _reset_stats(self, **_kwargs: Any) -> None:
        since = "since the statistics were reset"
        if self.master is not None:
            self.master.reset(since)
        self.reset(since)

    def _spawning_complete(self, **_kwargs: Any) -> None:
        if self.environment.reset_stats:
            self.reset("since all users had started")

    def _report_to_master(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if self._run is not None and self.worker is not None:
            data.update(self.worker.report(self._run))

    def _run_failed(self, ending: Ending, run_id: str, error: KafkaPluginError) -> None:
        if self.worker is not None:
            logger.error("%s", error)
            self.worker.failed(run_id, error)
        elif ending is self.ending:
            self._not_started(error)
        else:
            ending.fail(error)  # it failed in its drain: that must not stop the run that was begun meanwhile

    def _not_started(self, error: KafkaPluginError) -> None:
        """A run could not begin, or not go on: say so, set the exit code, stop from a greenlet of its own."""
        self.ending.fail(error)
        runner = self.environment.runner
        if runner is None or (self.master is not None and self.master.ending):
            return  # workers that drain must not be told to quit: they have not reported yet
        if self.environment.web_ui is not None:
            runner.log_exception("locust-kafka", str(error), "")
            gevent.spawn(runner.stop if isinstance(error, RunInvalid) else self._stop_refused)
        else:
            gevent.spawn(runner.quit)

    def _stop_refused(self) -> None:
        """A start that was refused in the web UI: back to where the next one can be given."""
        if (runner := self.environment.runner) is not None:
            runner.stop()
            runner.update_state(STATE_STOPPED)

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
        if self.ending.decided is not None:
            self.environment.process_exit_code = self.ending.decided

    def _stop(self) -> None:
        if (runner := self.environment.runner) is None:
            return
        if self.master is not None:
            runner.stop(send_stop_to_client=False)  # type: ignore[call-arg] # a master's
            self._test_stop()
            return
        runner.stop()
        if self.worker is None:
            self._test_stop()
        elif self._run is not None:
            self.worker.finish(self._run, quitting=True)

    def _cut(self) -> None:
        logger.warning("cutting the drain short: what is pending is UNFINISHED")
        if self._run is not None:
            self._run.cut()
        if self.master is not None:
            self.master.cut()

    def _on_quit(self, **_kwargs: Any) -> None:
        self.ending.last_words(show=bool(self._options.values.get("headless")))

    def _at_exit(self) -> None:
        if self._run is not None and self._run.is_open:
            self._run.abandon()
            self._conclude(self.ending, self._run.results, self._run.sampler.history)
