"""What the person at the desk sees: the progress line of a headless run, and the page beside Locust's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import gevent
from locust.env import Environment

from locust_kafka.core.checks import Check, Judged, judge
from locust_kafka.core.history import History, Row
from locust_kafka.core.results import RunResults
from locust_kafka.errors import SettingsError
from locust_kafka.hub.share import HubShare
from locust_kafka.plugin.classes import kafka_users, settings_for
from locust_kafka.plugin.ending import Ending
from locust_kafka.plugin.facts import at_end, at_start
from locust_kafka.plugin.master import MasterSide
from locust_kafka.plugin.options import LocustOptions
from locust_kafka.plugin.progress import Progress
from locust_kafka.report import page
from locust_kafka.run.group import GroupFollower
from locust_kafka.run.run import Run
from locust_kafka.run.spec import State
from locust_kafka.web.form import guard_form
from locust_kafka.web.live import MAX_NAMES
from locust_kafka.web.origin import refuse_cross_site
from locust_kafka.web.routes import add_page
from locust_kafka.web.tab import add_tab

logger = logging.getLogger("locust_kafka")


class Host(Protocol):
    """What the desk asks the plugin."""

    ending: Ending

    @property
    def options(self) -> dict[str, Any]:
        """Locust's parsed options."""

    def worker_run(self) -> Run | None:
        """The latest run of this process."""


class Desk:
    """One in each process that a person looks at: a local one, or the master.

    Args:
        environment: Locust's.
        host: the plugin.
        options: Locust's options, by which a start form is judged.
        master: at a master; None in a local process.
    """

    def __init__(self, environment: Environment, host: Host, options: LocustOptions, master: MasterSide | None) -> None:
        self._environment, self._host, self._options, self._master = environment, host, options, master
        self._progress: Progress | None = None
        self._group: GroupFollower | None = None
        self._refusal = ""
        """Why the start form was refused last; "" when a run has begun since."""
        if environment.web_ui is not None and hasattr(environment.web_ui, "app"):
            classes = environment.user_classes
            refuse_cross_site(environment.web_ui)
            add_page(environment.web_ui, self._snapshot)
            guard_form(environment.web_ui, self._refused)
            add_tab(environment.web_ui, self._copied, needs_host=len(kafka_users(classes)) < len(classes))

    def begin(self) -> None:
        """A run begins."""
        self._refusal = ""
        if self._progress is not None:
            self._progress.stop()
        if self._group is not None:
            self._group.stop()
        self._group = GroupFollower(self._host.ending.settings, self._history)
        ending, headless = self._host.ending, bool(self._host.options.get("headless"))
        ending.facts = at_start(ending.settings, self._host.options)
        self._progress = Progress(ending.settings, self._history, self._copied, self._abort, headless=headless)

    def conclude(self, ending: Ending, results: RunResults, history: History) -> None:
        """A run has ended.

        Args:
            ending: its own.
            results: all of them.
            history: its seconds.
        """
        if ending is self._host.ending and self._progress is not None and self._group is not None:
            self._progress.stop()
            self._group.stop()
            results.group = self._group.results
        ending.facts, ending.workers = at_end(ending.facts, results.cluster), self._workers()
        ending.conclude(results, history.rows(), show=not self._host.options.get("headless"))

    def results(self) -> RunResults:
        """Of the latest run, up to now."""
        run = self._host.worker_run()
        results = RunResults() if run is None else run.results
        if self._master is not None:
            results = self._master.results()
        results.group = self._group.results if self._group is not None else None
        return results

    def _looked_at(self) -> RunResults:
        """The same with latency series, which workers send only when somebody looks."""
        if self._master is not None:
            self._master.look()
        return self.results()

    def _copied(self) -> RunResults:
        return self._looked_at().copy(HubShare())

    def _history(self) -> History:
        if self._master is not None:
            return self._master.seconds.history
        run = self._host.worker_run()
        return run.sampler.history if run is not None else History()

    @property
    def _ready(self) -> bool:
        if self._master is not None:
            return self._master.ready
        run = self._host.worker_run()
        return run is not None and run.state is not State.STARTING

    def _refused(self, form: Mapping[str, str]) -> str:
        self._refusal = ""
        try:
            settings_for(self._options.validate_form(form), kafka_users(self._environment.user_classes))
        except SettingsError as error:
            logger.error("the start form is refused: %s", error)
            if self._host.ending.concluded is not None or not self._host.ending.number:  # else a run goes on
                self._refusal = f"the start form is refused: {error}"
            return str(error)
        return ""

    def _workers(self) -> list[dict[str, Any]]:
        return self._master.seconds.table() if self._master is not None else []

    def _state(self, results: RunResults) -> str:
        """Where the latest run stands, in words."""
        runner, run = self._environment.runner, self._host.worker_run()
        words = runner.state if runner is not None else ""
        if self._host.ending.number and not self._ready:
            words = "looking at the brokers and the topics"
        if run is not None and run.state is State.DRAINING:
            words = "draining: waiting for what is pending, then for late replies"
        return f"{words}; {results.total.pending} requests pending"

    def _abort(self, sentence: str) -> None:
        logger.error("%s", sentence)
        runner = self._environment.runner
        if runner is not None:
            gevent.spawn(runner.stop if self._environment.web_ui is not None else runner.quit)

    def _snapshot(self) -> Callable[[], dict[str, Any]]:
        """Copy what the page shows now; to be computed elsewhere."""
        ending, history = self._host.ending, self._history()
        results = self._copied() if ending.concluded is None else ending.concluded
        ended = ending.concluded is not None
        checks, rows = ending.settings.checks, history.rows()
        return partial(
            _page, results, rows, ending.judged if ended else None, checks, ending.facts,
            run=f"{ending.number}:{history.seconds_per_row}", begun=ending.number > 0, ended=ended,
            ready=self._ready,
            words="" if ended or ending.refusal else self._state(results), refusal=self._refusal or ending.refusal,
            workers=ending.workers if ended else self._workers(), max_names=MAX_NAMES,
        )  # fmt: skip


def _page(
    results: RunResults,
    rows: list[Row],
    judged: list[Judged] | None,
    checks: tuple[Check, ...],
    facts: dict[str, str],
    **where: Any,
) -> dict[str, Any]:
    return page.data(results, rows, judge(checks, results) if judged is None else judged, facts, **where)
