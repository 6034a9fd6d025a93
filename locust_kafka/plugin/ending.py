"""What is said and written about a run: at its start, at its end, and last of all; and its exit code."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path

from confluent_kafka import libversion

from locust_kafka.core.books import Outcome
from locust_kafka.core.results import RunResults
from locust_kafka.errors import (
    EXIT_BOTTLENECK,
    EXIT_CUT_SHORT,
    EXIT_INVALID,
    EXIT_NOT_STARTED,
    KafkaPluginError,
    RunInvalid,
)
from locust_kafka.kafka.cluster import ClusterView
from locust_kafka.options import FAIL
from locust_kafka.report import console, summary
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
        self._run, self._is_worker = run, is_worker
        self._refusal = ""
        self._concluded: RunResults | None = None
        path = self.summary_path()
        if path and run and not is_worker and Path(path).is_file() and not Path(path).is_symlink():
            # A run that cannot begin must leave no older summary for somebody to take for its own.
            Path(path).unlink(missing_ok=True)
            logger.info("the summary %s of an earlier run is removed", path)

    def summary_path(self) -> str:
        """Where this run's summary goes; "" for nowhere.  Later runs of a process do not overwrite earlier ones."""
        path = self.settings.summary
        return numbered(path, self._run) if path and self._run > 1 else path

    def log_path(self, worker_index: int | None) -> str:
        """Where this run's exchange log goes; "" for nowhere.

        Args:
            worker_index: of the worker that writes it; None for a local run.
        """
        path = self.settings.exchange_log
        if path and worker_index is not None:
            path = numbered(path, worker_index)
        if path and self._run > 1:
            path = numbered(path, f"run{self._run}")
            logger.info("the exchange log of this run is %s: it is run %d of this process", path, self._run)
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
        self._refusal = "" if invalid else sentence

    def conclude(self, results: RunResults, *, show: bool) -> None:
        """The run has ended: judge it, write its summary, and show it unless that comes last of all."""
        if self._concluded is results or self._is_worker:
            return
        self._concluded = results
        for sentence in results.invalid:
            logger.error("invalid run: %s", sentence)
        path = self.summary_path()
        if path and not self._written(results, path):
            self.exit_code = self.exit_code or EXIT_INVALID
        if results.invalid:
            self.exit_code = self.exit_code or EXIT_INVALID
        for sentence in results.bottleneck:
            logger.error("invalid run: the generator was the bottleneck: %s", sentence)
        if results.bottleneck and self.settings.self_check == FAIL:
            self.exit_code = self.exit_code or EXIT_BOTTLENECK
        if unfinished := results.total.outcomes[Outcome.UNFINISHED]:
            logger.error("the run was cut short: %d requests are UNFINISHED", unfinished)
            self.exit_code = self.exit_code or EXIT_CUT_SHORT
        if show:
            console.show(results)

    def last_words(self, *, show: bool) -> None:
        """The process ends: the summary stands below Locust's tables, and why a run could not begin stands last."""
        if show and self._concluded is not None:
            console.show(self._concluded)
        if self._refusal:
            logger.error("%s", self._refusal)

    def _written(self, results: RunResults, path: str) -> bool:
        if self._run > 1:
            logger.info("the summary of this run is %s: it is run %d of this process", path, self._run)
        try:
            summary.write(results, path)
        except OSError as error:
            logger.error("the summary could not be written: %s", error)
            return False
        return True
