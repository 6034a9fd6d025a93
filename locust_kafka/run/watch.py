"""Watches the cluster while a run is open: leaders, partitions, deleted topics, records that cannot be read.

It runs in a greenlet, and asks in gevent's thread pool.  What it finds it says in a sentence, to the log or the engine.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter_ns

import gevent
from confluent_kafka import KafkaException

from locust_kafka.core.books import Outcome
from locust_kafka.core.routing import Partition
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.kafka.cluster import Cluster, ClusterView
from locust_kafka.kafka.config import consumer_config
from locust_kafka.kafka.groups import describe_groups
from locust_kafka.kafka.login import renewal_failure
from locust_kafka.run.readiness import Connection
from locust_kafka.settings import Settings

logger = logging.getLogger("locust_kafka")

LOOK_EVERY_S = 5.0
DISCONNECTED_EVERY_S = 1.0
STATISTICS_S = 1.2
SILENT_NS = 5_000_000_000
NO_LEADER = -1


class ClusterWatch:
    """Looks at the cluster of one run every few seconds.

    Args:
        settings: the run's.
        connection: to its cluster.
        engine: learns what matters to it.
        recorder: has the counts.
    """

    def __init__(self, settings: Settings, connection: Connection, engine: ExchangeEngine, recorder: Recorder) -> None:
        self._settings = settings
        self._cluster, self._consumer = connection.cluster, connection.consumer
        self._engine, self._recorder = engine, recorder
        self._topics = settings.request_topics | settings.reply_topics
        self._starts = dict(connection.ends)
        self._ends = dict(connection.ends)
        self._readable: dict[Partition, int] = {}
        self._blocked: set[Partition] = set()
        self._missing: set[str] = set()
        self._silence_said = False
        self._leaders: dict[Partition, int] = {}
        self._token_failure = ""
        self._committed: Cluster | None = None
        self._opened_ns = perf_counter_ns()
        self._see(connection.view)
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> list[str]:
        """Look a last time; sentences that say why the figures cannot be trusted."""
        self._greenlet.kill()
        results = self._recorder.results
        suspicious = results.total.outcomes[Outcome.TIMED_OUT] or results.total.outcomes[Outcome.UNFINISHED]
        if suspicious and not self._engine.disconnected_since_ns:
            self._look()
        found = [
            f"records of {topic!r}, partition {number}, cannot be read from offset {self._readable[topic, number]} on: "
            "a transaction is open there; replies may be among them"
            for topic, number in sorted(self._blocked)
        ]
        if not found and suspicious and results.total.registered and not results.replies_read and self._grown():
            found.append(
                f"{self._grown()} records were written to the reply topic and none was read; see whether the tester "
                "may read them (READ on the topic), and isolation.level"
            )
        self._cluster.close()
        if self._committed is not None:
            self._committed.close()
        return found if suspicious else []

    def _run(self) -> None:
        while True:
            doubted = self._engine.doubted.wait(
                DISCONNECTED_EVERY_S if self._engine.disconnected_since_ns else LOOK_EVERY_S
            )
            if doubted:
                gevent.sleep(STATISTICS_S)  # librdkafka's next statistics show whether it is true
                self._engine.doubted.clear()
            try:
                self._check(doubted=doubted)
            except Exception as error:  # the watch must go on: what it sees next may matter
                logger.warning("a look at the cluster failed: %r", error)

    def _check(self, *, doubted: bool) -> None:
        if doubted or self._engine.disconnected_since_ns:
            self._check_connection()
        if not self._engine.disconnected_since_ns:
            self._look()
        self._check_silence()
        self._check_token()

    def _check_token(self) -> None:
        """A renewal that fails hurts nobody until the token expires: say it before."""
        failure = renewal_failure(self._settings)
        if failure and failure != self._token_failure:
            logger.warning("%s; the last token is used until it expires", failure)
        self._token_failure = failure

    def _check_connection(self) -> None:
        self._engine.set_connected(self._consumer.has_broker())

    def _look(self) -> None:
        pool = gevent.get_hub().threadpool
        view = pool.apply(self._asked)
        if view is None:
            return
        self._see(view)
        self._check_deleted(view)
        wanted = view.of(self._settings.reply_topics)
        new = [partition for partition in wanted if partition not in self._starts]
        if new:
            logger.warning("the reply topic has gained partitions: %s; they are read from their start", _named(new))
            self._engine.note_event(f"the reply topic has gained partitions: {_named(new)}")
            self._starts.update(dict.fromkeys(new, 0))
            self._consumer.add(dict.fromkeys(self._engine.routing.gained(new), 0))
        ends = pool.apply(self._asked_ends, (wanted,))
        if ends is not None:
            self._check_ends(*ends)

    def _asked(self) -> ClusterView | None:
        try:
            return self._cluster.look(self._topics)
        except KafkaException:
            return None

    def _asked_ends(self, wanted: list[Partition]) -> tuple[dict[Partition, int], dict[Partition, int]] | None:
        """Each log's end, and up to where the reply consumer may read: before an open transaction.

        The second is asked only when something is missing, by a client that is made for it.
        """
        try:
            ends = self._cluster.ends(wanted)
            if not self._something_is_missing(ends):
                return ends, ends
            if self._committed is None:
                self._committed = Cluster(consumer_config(self._settings))
            return ends, self._committed.ends(wanted)
        except KafkaException:
            return None

    def _something_is_missing(self, ends: dict[Partition, int]) -> bool:
        results = self._recorder.results
        grown = any(end > self._starts.get(partition, 0) for partition, end in ends.items())
        return grown and (not results.replies_read or bool(results.total.outcomes[Outcome.TIMED_OUT]))

    def _see(self, view: ClusterView) -> None:
        leaders = view.leaders()
        now = {partition: leaders.get(partition, NO_LEADER) for partition in view.of(self._topics)}
        for words in leader_changes(self._leaders, now):
            self._engine.note_event(words)
        self._leaders.update(now)
        self._engine.delivery_failures.partition_states = view.partitions
        self._recorder.measure.clocks.lead(leaders)

    def _check_deleted(self, view: ClusterView) -> None:
        """Twice, for a broker that has just come up may not know of a topic yet."""
        missing = {topic for topic, error in view.refused.items() if error is None}
        for topic in sorted(missing & self._missing):
            self._engine.fail(f"the topic {topic!r} was deleted during the run")
        self._missing = missing

    def _check_ends(self, ends: dict[Partition, int], readable: dict[Partition, int]) -> None:
        for partition, end in ends.items():
            topic, number = partition
            if end < self._ends.get(partition, 0):
                self._engine.fail(
                    f"the log of {topic!r}, partition {number}, has begun again during the run: the topic was deleted "
                    "and created again; replies may be missing"
                )
            limit = readable.get(partition, end)
            if end > limit and self._readable.get(partition) == limit:
                if partition not in self._blocked:
                    logger.warning(
                        "records of %r, partition %d, cannot be read from offset %d on: a transaction is open there",
                        topic, number, limit,
                    )  # fmt: skip
                self._blocked.add(partition)
            else:
                self._blocked.discard(partition)
            self._readable[partition] = limit
        self._ends.update(ends)

    def _grown(self) -> int:
        """How many records the reply topics have gained."""
        return sum(end - self._starts.get(partition, 0) for partition, end in self._ends.items())

    def _check_silence(self) -> None:
        """Nothing has come back for a while: say what is known, once."""
        results = self._recorder.results
        if self._silence_said or results.replies_read:
            return
        if results.total.registered == results.total.outcomes[Outcome.UNDELIVERED]:
            return  # whoever got no request owes no reply; why none was delivered has been said
        if perf_counter_ns() - self._opened_ns < SILENT_NS:
            return
        self._silence_said = True
        replies, requests = _listed(self._settings.reply_topics), _listed(self._settings.request_topics)
        grown = self._grown()
        if grown:
            what = f"{grown} records were written to {replies}, but none could be read"
        else:
            # Here, not in a native thread: under gevent a child can be waited for in the hub's thread alone.
            groups = describe_groups(self._settings, requests)
            what = f"nothing was written to {replies}: no service has answered yet; {groups}"
        logger.warning(
            "no reply to %d requests in %.0f s: %s", results.total.registered,
            (perf_counter_ns() - self._opened_ns) / 1e9, what,
        )  # fmt: skip


def leader_changes(before: Mapping[Partition, int], now: Mapping[Partition, int]) -> list[str]:
    """What has become of the partitions' leaders, in sentences: one for each change and topic.

    Args:
        before: the leaders as last known, NO_LEADER for none; partitions that were not known are left out.
        now: those of today.
    """
    changes: dict[tuple[str, str], list[int]] = {}
    for (topic, number), leader in sorted(now.items()):
        old = before.get((topic, number), leader)
        if old == leader:
            continue
        if leader == NO_LEADER:
            what = "have no leader"
        else:
            what = f"are led by broker {leader} {'again' if old == NO_LEADER else f'instead of {old}'}"
        changes.setdefault((topic, what), []).append(number)
    return [f"partitions of {topic} {what}: {', '.join(map(str, found))}" for (topic, what), found in changes.items()]


def _named(partitions: list[Partition]) -> str:
    return ", ".join(f"{topic}[{number}]" for topic, number in partitions)


def _listed(topics: frozenset[str]) -> str:
    return ", ".join(sorted(topics))
