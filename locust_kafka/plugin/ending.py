"""What is said and written about a run: at its start, at its end, and last of all; and its exit code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from confluent_kafka import libversion

from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import TASK_ERRORS, Judged, judge
from locust_kafka.core.disturbance import find_disturbances
from locust_kafka.core.history import Row
from locust_kafka.core.regression import compare
from locust_kafka.core.results import RunResults
from locust_kafka.errors import (
    EXIT_BOTTLENECK,
    EXIT_CHECK,
    EXIT_CUT_SHORT,
    EXIT_INVALID,
    EXIT_NOT_STARTED,
    KafkaPluginError,
    RunInvalid,
)
from locust_kafka.kafka.cluster import ClusterView
from locust_kafka.options import FAIL
from locust_kafka.paths import write_output
from locust_kafka.report import console, folder, summary, verdict
from locust_kafka.report.exchange_log import numbered
from locust_kafka.settings import Settings

logger = logging.getLogger("locust_kafka")


class Ending:
    """Of one run.  The next one may begin before this one has ended; a process exits with the code of its last.

    Args:
        settings: the run's.
        run: its number in this process, from 1; 0 before the first.
        is_worker: whether the master speaks for all.
    """

    def __init__(self, settings: Settings, run: int, *, is_worker: bool) -> None:
        self.settings = settings
        self.exit_code = 0
        """Our part of the process's exit code; 0 leaves it to Locust."""
        self.number, self._is_worker = run, is_worker
        self.refusal = ""
        """Why it could not begin, in a sentence; "" when it could."""
        self.concluded: RunResults | None = None
        """The results, when the run has ended."""
        self.facts: dict[str, str] = {}
        """What its report says of it besides its figures, as known at its start."""
        self.workers: list[dict[str, Any]] = []
        """How each worker of a distributed run is, as last known."""
        self.judged: list[Judged] = []
        """What its checks came to."""
        path = self.summary_path()
        if path and run and not is_worker and Path(path).is_file() and not Path(path).is_symlink():
            # A run that cannot begin must leave no older summary for somebody to take for its own.
            Path(path).unlink(missing_ok=True)
            logger.info("the summary %s of an earlier run is removed", path)
        report = self._report_path()
        if report and run and not is_worker and folder.remove_report(Path(report)):
            logger.info("the report of an earlier run in %s is removed", report)

    def summary_path(self) -> str:
        """Where this run's summary goes; "" for nowhere.  Later runs of a process do not overwrite earlier ones."""
        path = self.settings.summary
        return numbered(path, self.number) if path and self.number > 1 else path

    def log_path(self, worker_index: int | None) -> str:
        """Where this run's exchange log goes; "" for nowhere.

        Args:
            worker_index: of the worker that writes it; None for a local run.
        """
        path = self.settings.exchange_log
        if path and worker_index is not None:
            path = numbered(path, worker_index)
        if path and self.number > 1:
            path = numbered(path, f"run{self.number}")
            logger.info("the exchange log of this run is %s: it is run %d of this process", path, self.number)
        return path

    def announce(self, settings: Settings, view: ClusterView) -> None:
        """Say which cluster, topics and versions are used."""
        logger.info(
            "Kafka cluster %s at %s (by %s), %d brokers: requests to %s, replies from %s; "
            "locust-kafka %s, confluent-kafka %s, librdkafka %s",
            view.cluster_id or "without an id", settings.bootstrap, settings.bootstrap_source, view.brokers,
            ", ".join(sorted(settings.request_topics)), ", ".join(sorted(settings.reply_topics)),
            version("locust-kafka"), version("confluent-kafka"), libversion()[0],
        )  # fmt: skip

    def fail(self, error: KafkaPluginError) -> None:
        """A run could not begin, or not go on: say so."""
        invalid = isinstance(error, RunInvalid)
        sentence = f"{'the run is invalid and stops' if invalid else 'the run cannot begin'}: {error}"
        logger.error("%s", sentence)
        self.exit_code = EXIT_INVALID if invalid else EXIT_NOT_STARTED
        self.refusal = "" if invalid else sentence

    def conclude(self, results: RunResults, rows: list[Row], *, show: bool) -> None:
        """The run has ended: judge it, write its reports, and show it unless that comes last of all.

        Args:
            results: of the whole run.
            rows: its history.
            show: whether it is shown now.
        """
        if self.concluded is results or self._is_worker:
            return
        self.concluded = results
        results.disturbances = find_disturbances(rows, results.happened())
        self.judged = judged_of(self.settings, results, rows)
        for sentence in [*results.invalid, *(f"the generator was the bottleneck: {one}" for one in results.bottleneck)]:
            logger.error("invalid run: %s", sentence)
        if not self._written(results, rows):
            self.exit_code = self.exit_code or EXIT_INVALID
        if results.invalid:
            self.exit_code = self.exit_code or EXIT_INVALID
        if results.bottleneck and self.settings.self_check == FAIL:
            self.exit_code = self.exit_code or EXIT_BOTTLENECK
        if not results.total.registered and not results.notes.get(TASK_ERRORS):
            logger.error("no request was sent: see whether --run-time was over before brokers and topics were ready")
            # In the web UI a person may stop a run before it sends; a job that sends nothing must not pass.
            self.exit_code = self.exit_code or (0 if show else EXIT_NOT_STARTED)
        if unfinished := results.total.outcomes[Outcome.UNFINISHED]:
            logger.error("the run was cut short: %d requests are UNFINISHED", unfinished)
            self.exit_code = self.exit_code or EXIT_CUT_SHORT
        for one in [one for one in self.judged if not one.passed]:
            logger.error("check failed: %s", one.words)
            self.exit_code = self.exit_code or EXIT_CHECK
        if show:
            console.show(results, self.judged)

    def last_words(self, *, show: bool) -> None:
        """The process ends: the summary stands below Locust's tables, and why a run could not begin stands last."""
        if show and self.concluded is not None:
            console.show(self.concluded, self.judged)
        if self.refusal:
            logger.error("%s", self.refusal)

    @property
    def decided(self) -> int | None:
        """The process's exit code, if we have one: when there are checks they decide instead of Locust's own rule.

        A task that raised an exception is no failed request: it stays Locust's to fail, unless a check speaks of it.
        """
        if self.exit_code or self.concluded is None:
            return self.exit_code or None
        raised = self.concluded.notes.get(TASK_ERRORS) and not any("task_errors" in one.text for one in self.judged)
        return 0 if self.judged and not raised else None

    def _written(self, results: RunResults, rows: list[Row]) -> bool:
        if self.number > 1 and (self.settings.summary or self.settings.report):
            logger.info(
                "the summary of this run is %s: it is run %d of this process",
                self.summary_path() or self._report_path(), self.number,
            )  # fmt: skip
        page = os.environ.get("GITHUB_STEP_SUMMARY", "")
        writers: list[tuple[str, Callable[[], None]]] = [
            (self.summary_path(), lambda: summary.write(results, self.summary_path(), self.judged)),
            (
                self._report_path(),
                lambda: folder.write(Path(self._report_path()), results, rows, self.judged, self.facts, self.workers),
            ),
            (page, lambda: write_output(page, verdict.markdown(results, self.judged), os.O_APPEND)),
        ]
        good = True
        for path, write in writers:
            try:
                if path:
                    write()
                    logger.info("written: %s", path)
            except OSError as error:
                logger.error("%s could not be written: %s", path, error.strerror or error)
                good = False
        return good

    def _report_path(self) -> str:
        path = self.settings.report
        return numbered(path, self.number) if path and self.number > 1 else path


def judged_of(settings: Settings, results: RunResults, rows: list[Row]) -> list[Judged]:
    """What the checks came to, and the comparison with an earlier run."""
    judged = judge(settings.checks, results)
    if settings.baseline is None:
        return judged
    try:
        return judged + [change.judged for change in compare(settings.baseline, rows, settings.regression)]
    except ValueError as refused:
        return [*judged, Judged("not slower than the baseline", "not compared", passed=False, reason=str(refused))]
