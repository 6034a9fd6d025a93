"""`locust-kafka watch`: measures requests and replies that others send, and produces nothing."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition

from locust_kafka.cli.given import add_options, given_settings, seconds_of
from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import Judged, judge
from locust_kafka.core.flow import Flow, RecordPosition
from locust_kafka.core.results import RunResults
from locust_kafka.errors import (
    EXIT_CHECK,
    EXIT_CUT_SHORT,
    EXIT_INVALID,
    EXIT_NOT_STARTED,
    KafkaPluginError,
    SettingsError,
)
from locust_kafka.exchange.matching import Rule, rule
from locust_kafka.kafka.config import consumer_config
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.ready import refused, see_ready
from locust_kafka.kafka.record import record_headers
from locust_kafka.report import console, folder, progress, summary
from locust_kafka.settings import Settings

FLAGS = (
    "bootstrap",
    "config",
    "oauth-callback",
    "request-topic",
    "reply-topic",
    "reply-timeout",
    "match",
    "check",
    "report",
    "summary",
)
LINE_EVERY_S = 5
BATCH = 1000
POLL_S = 0.2
SUPPORTED_METRICS = frozenset({
    "e2e", "e2e_matched", "late", "duplicate", "requests", "matched", "timeouts", "unfinished", "failures",
    "late_replies", "duplicates", "malformed", "timeout_ratio", "failure_ratio", "late_ratio", "duplicate_ratio",
    "rate",
})  # fmt: skip
"""What a check can ask of a watch."""
PHRASES = {
    "e2e": "from append to append: matched, and timed out at its timeout",
    "e2e_matched": "matched replies alone",
    "late": "first replies that were appended after the timeout",
    "duplicate": "further replies to an answered request",
}
WORDS = (
    "Watched, not sent: a latency runs from the request's append to the reply's, in whole milliseconds; who waits for "
    "the reply waits longer, by the way to the log and back."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Put the watch's options into its parser."""
    add_options(parser, FLAGS)
    parser.add_argument("--seconds", type=float, metavar="S", help="how long to watch [until Ctrl-C]")


def run_watch(chosen: argparse.Namespace, stopping: threading.Event) -> int:
    """Watch until `stopping` is set or the time is over; the exit code: 0, 3 (not started), 4, 6 or 7.

    Args:
        chosen: the parsed command line.
        stopping: ends the watch.
    """
    settings = None
    try:
        seconds = seconds_of(chosen)
        settings, notes = given_settings(chosen, os.environ)
        for check in settings.checks:
            if check.metric not in SUPPORTED_METRICS:
                raise SettingsError(
                    f"--kafka-check {check.text!r} is refused: a watch knows {', '.join(sorted(SUPPORTED_METRICS))}"
                )
        if settings.request_topic == settings.reply_topic:
            raise SettingsError(f"requests and replies cannot both be in {settings.request_topic!r}: name two topics")
        for note in notes:
            print(note, file=sys.stderr)
        watch = Watch(settings)
    except KafkaPluginError as error:
        print(f"locust-kafka watch: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    failure = watch.follow(stopping, seconds)
    return _report(settings, watch, failure)


class Watch:
    """Two topics, read from now on.

    Args:
        settings: the options.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: no broker answers, a topic is missing, or cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self.flow = Flow(settings.reply_timeout_s)
        self.began = datetime.now(UTC)
        self._settings = settings
        self._rule: Rule = rule(settings.match)
        # Both are read, so both are looked at as reply topics are.
        both = replace(settings, request_topics=frozenset(), reply_topics=frozenset(self._topics))
        view, ends = see_ready(both)
        try:
            self._consumer = Consumer(consumer_config(both))
        except KafkaException as error:
            raise refused(settings, error) from error
        self.flow.results.cluster = view.words
        self._consumer.assign([TopicPartition(topic, number, offset) for (topic, number), offset in ends.items()])
        print(
            f"watching {len(ends)} partitions of {' and '.join(self._topics)} on cluster {view.words} (by "
            f"{settings.bootstrap_source}); {'Ctrl-C ends it' if sys.stdin.isatty() else 'SIGINT ends it'}",
            flush=True,
        )

    @property
    def _topics(self) -> tuple[str, str]:
        return self._settings.request_topic, self._settings.reply_topic

    def follow(self, stopping: threading.Event, seconds: float | None) -> str:
        """Read until the end; why it ended too early, in a sentence, or "".

        Args:
            stopping: ends it.
            seconds: how long at most.
        """
        began_s = sampled_s = time.monotonic()
        failure, said = "", 0
        while not stopping.is_set() and not failure:
            now_s = time.monotonic()
            if seconds is not None and now_s - began_s >= seconds:
                break
            failure = self._read(now_s)
            now_s = time.monotonic()
            self.flow.pass_time(now_s)
            if now_s - sampled_s >= 1.0:
                self.flow.sample(round(time.time()), now_s - sampled_s)
                sampled_s = now_s
                said += 1
                if said % LINE_EVERY_S == 0 and (latest := self.flow.history.latest(LINE_EVERY_S)) is not None:
                    print(progress.line(latest, open_model=False).replace("sent ", "seen "), flush=True)
        failure = failure or self._drain(stopping)
        self.flow.sample(round(time.time()), max(time.monotonic() - sampled_s, 1e-3))
        self.flow.finish()
        self._consumer.close()
        return failure

    def _drain(self, stopping: threading.Event) -> str:
        """Take no more requests, and wait for the replies to those that are pending; a second signal cuts it short."""
        pending = self.flow.results.total.pending
        if pending:
            print(f"draining: {pending} requests have no reply yet (again: end now)", flush=True)
        stopping.clear()
        self.flow.closing = True
        failure = ""
        while self.flow.results.total.pending and not stopping.is_set() and not failure:
            failure = self._read(time.monotonic())
            self.flow.pass_time(time.monotonic())
        return failure

    def _read(self, now_s: float) -> str:
        for message in self._consumer.consume(BATCH, POLL_S):
            error = message.error()
            if error is not None:
                return f"a partition of {message.topic()!r} can no longer be read: {error.str()}"
            self._take(message, now_s)
        return ""

    def _take(self, message: Any, read_s: float) -> None:
        kind, stamp_ms = message.timestamp()
        place = RecordPosition(
            str(message.topic()), int(message.partition()), int(message.offset()),
            stamp_ms if kind != TIMESTAMP_NOT_AVAILABLE else 0,
        )  # fmt: skip
        headers = record_headers(message)
        if message.topic() == self._settings.request_topic:
            found = None if headers is None else self._rule.of_request(message.key(), message.value(), headers)
            self.flow.request(found, place, read_s)
        else:
            self.flow.reply(None if headers is None else self._rule.of_reply(message), place, read_s)


def _report(settings: Settings, watch: Watch, failure: str) -> int:
    results = watch.flow.results
    if failure:
        results.invalid.append(mask(failure, settings.config))
    if not results.balanced(closed=True):
        results.invalid.append("the books do not balance")
    judged = judge(settings.checks, results)
    print("\n".join([*console.lines(results, judged, PHRASES), WORDS]), flush=True)
    facts = {
        "watched": "two topics of somebody else's; nothing was produced",
        "began": watch.began.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "cluster": results.cluster,
        "topics": f"{settings.request_topic}, {settings.reply_topic}",
    }
    try:
        if settings.report:
            folder.write(Path(settings.report), results, watch.flow.history.rows(), judged, facts)
        if settings.summary:
            summary.write(results, settings.summary, judged)
    except OSError as error:
        print(f"locust-kafka watch: {error.filename} could not be written: {error.strerror}", file=sys.stderr)
        return EXIT_INVALID
    return _exit_code(results, judged)


def _exit_code(results: RunResults, judged: list[Judged]) -> int:
    if results.invalid:
        return EXIT_INVALID
    if results.total.outcomes[Outcome.UNFINISHED]:
        return EXIT_CUT_SHORT
    return EXIT_CHECK if any(not one.passed for one in judged) else 0
