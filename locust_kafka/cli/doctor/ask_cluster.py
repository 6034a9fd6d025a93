"""Asks the cluster, without writing a record and without creating a topic.

Topics are looked at by consumers and by admin clients: a producer's look at a misspelt one may create it.  The one
producer that is made names no topic; it only gets its id.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import Any

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined] # as in groups

from locust_kafka.cli.doctor.facts import ClusterFacts, Plan, ReadFacts, Stamp, TopicFacts, Unreached
from locust_kafka.core.routing import Partition
from locust_kafka.errors import SettingsError
from locust_kafka.kafka.causes import BrokerError, PartitionState, is_decided, setting_refused
from locust_kafka.kafka.certificates import certificate_errors
from locust_kafka.kafka.cluster import Cluster, ClusterView, probe
from locust_kafka.kafka.config import cluster_config, consumer_config, probe_config, producer_config
from locust_kafka.kafka.login import admin_config, await_token, login_config, unconnected
from locust_kafka.settings import Settings

PATIENCE_S = 5.0
"""A broker is asked for so long."""
DECIDED_S = 2.0
"""A broker that refuses us, or a topic that is missing, is believed after so long: topics take a moment to appear."""
DOWN_S = 3.0
"""So long when each connection was refused or has no address: time to try the other addresses of a name."""
ASK_S = 1.0
ANSWER_S = 3.0
READ_S = 6.0
LISTEN_S = 0.5
"""How long a record is waited for that tells the broker's clock."""
VERSION_S = 2.0
PRODUCER_ID_S = 4.0
"""librdkafka asks for an id at once, when no broker is connected yet, and each half second after that."""
POLL_S = 0.05

_FETCH = re.compile(r"ApiKey Fetch \(1\) Versions \d+\.\.(\d+)")


class _Log:
    """Takes librdkafka's log lines; served by `poll`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, _level: int, text: str, *arguments: object) -> None:
        """As a `logging.Logger` would take it."""
        self.lines.append(text % arguments if arguments else text)

    def search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first match in what came so far."""
        return next((found for line in self.lines if (found := pattern.search(line))), None)


def ask_cluster(settings: Settings, plan: Plan) -> ClusterFacts:
    """Look at the cluster; takes some seconds.

    Args:
        settings: the run's.
        plan: what of them the judges know.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: the function that gives tokens gave none.
    """
    await_token(settings)
    try:
        Consumer(unconnected(consumer_config(settings))).close()
        Producer(unconnected(_producer(settings)))
        cluster = Cluster(cluster_config(settings))
    except KafkaException as error:
        text = error.args[0].str()
        raise SettingsError(setting_refused(text, settings.config_lines, "the --kafka-config file")) from error
    try:
        topics = {plan.request_topic, plan.reply_topic}
        found = _reach(cluster, topics)
        if isinstance(found, Unreached):
            said = certificate_errors(found.errors, settings.client_config("consumer"))
            return ClusterFacts(replace(found, errors=tuple(said)))
        existing = cluster.names() if None in found.refused.values() else []
        read = _read(settings, cluster, found, plan.reply_topic) if plan.reply_topic in found.partitions else None
    finally:
        cluster.close()
    # With a broker that cannot be reached each further question would only wait.
    reached = read is None or read.unreached is None
    return ClusterFacts(
        None,
        found.cluster_id,
        found.brokers,
        _fetch_version(settings),
        _topics(settings, plan, found, existing, ask=reached),
        read,
        _producer_id(settings) if reached and not plan.not_idempotent else None,
    )


def _reach(cluster: Cluster, topics: set[str]) -> ClusterView | Unreached:
    """Ask until a broker answers and the topics are well, or until the time is up."""
    began, down = time.monotonic(), False
    while True:
        try:
            view = cluster.look(topics, ASK_S)
        except KafkaException as error:
            waited_s = time.monotonic() - began
            cluster.serve()
            # It is said once, and what is said after it pushes it out of the list.
            down = down or any(one.name == "_ALL_BROKERS_DOWN" for one in cluster.errors)
            patience_s = DECIDED_S if is_decided(list(cluster.errors)) else DOWN_S if down else PATIENCE_S
            if waited_s > patience_s:
                return Unreached((*cluster.errors, _said(error)), waited_s)
            continue
        if not (view.refused or view.leaderless()) or time.monotonic() - began > DECIDED_S:
            return view
        cluster.serve()


def _topics(
    settings: Settings, plan: Plan, view: ClusterView, existing: list[str], *, ask: bool
) -> dict[str, TopicFacts]:
    """Both topics: what is there is described, as the kind of client that will use it."""
    seen = {}
    for name, kind in ((plan.request_topic, "producer"), (plan.reply_topic, "consumer")):
        if name in view.refused:
            error = view.refused[name]
            seen[name] = TopicFacts(name, missing=error is None, error=error, existing=tuple(existing))
        else:
            partitions = tuple(state for _, state in sorted(view.partitions[name].items()))
            seen[name] = (
                _described(settings, kind, name, partitions) if ask else TopicFacts(name, partitions=partitions)
            )
    return seen


def _described(settings: Settings, kind: str, name: str, partitions: tuple[PartitionState, ...]) -> TopicFacts:
    """A topic that is there: its settings, and what the principal of this kind of client may do with it."""
    admin = AdminClient(_admin(settings, kind))
    described = _asked(
        lambda: admin.describe_topics(
            TopicCollection([name]), include_authorized_operations=True, request_timeout=ANSWER_S
        )[name]
    )
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries = _asked(lambda: next(iter(admin.describe_configs([resource], request_timeout=ANSWER_S).values())))
    refused = isinstance(entries, BrokerError)
    return TopicFacts(
        name,
        partitions=partitions,
        settings=None if refused else {key: str(entry.value) for key, entry in entries.items()},
        settings_error=entries if refused else None,
        operations=_operations(described),
    )


def _asked(question: Callable[[], Future[Any]]) -> Any:
    """The answer to an admin client's question, or a `BrokerError`.  The client lives until then."""
    try:
        return question().result(ANSWER_S + ASK_S)
    except KafkaException as error:
        return _said(error)
    except FutureTimeout:
        return BrokerError("_TIMED_OUT", f"no answer within {ANSWER_S:.0f} s")


def _operations(described: Any) -> frozenset[str] | None:
    """Kafka's words for what is allowed.  Whoever may see a topic may do something with it: nothing means not told."""
    operations = None if isinstance(described, BrokerError) else described.authorized_operations
    return frozenset(one.name for one in operations) if operations else None


def _read(settings: Settings, cluster: Cluster, view: ClusterView, topic: str) -> ReadFacts:
    """Read the reply topic up to its end, as the run will, then look at its latest record."""
    partitions = [place for place in view.of([topic]) if place not in view.leaderless()]
    began = time.monotonic()
    try:
        ends = cluster.ends(partitions)
    except KafkaException as error:
        said = _said(error)
        if said.name.endswith("_AUTHORIZATION_FAILED"):
            return ReadFacts(said)
        cluster.serve()
        return ReadFacts(unreached=Unreached((*cluster.errors, said), time.monotonic() - began))
    try:
        refusal = probe(probe_config(settings), ends, READ_S)
    except KafkaException as error:
        return ReadFacts(_said(error))
    if isinstance(refusal, BrokerError):
        return ReadFacts(refusal)
    if refusal is not None:
        return ReadFacts(silent=refusal[1])
    return ReadFacts(last=_latest(settings, ends))


def _latest(settings: Settings, ends: dict[Partition, int]) -> Stamp | None:
    """The latest record; one that is appended while we listen tells the broker's clock best."""
    consumer = Consumer({**probe_config(settings), "auto.offset.reset": "latest"})
    latest: Stamp | None = None
    try:
        consumer.assign([TopicPartition(topic, number, max(0, end - 1)) for (topic, number), end in ends.items()])
        give_up = time.monotonic() + LISTEN_S
        while time.monotonic() < give_up and not (latest is not None and latest.live):
            message = consumer.poll(POLL_S)
            read_ms = time.time() * 1000
            if message is None or message.error() is not None:
                continue
            kind, stamped_ms = message.timestamp()
            live = (message.offset() or 0) >= ends.get((str(message.topic()), int(message.partition() or 0)), 0)
            if kind != TIMESTAMP_NOT_AVAILABLE and (latest is None or live or stamped_ms > latest.stamped_ms):
                latest = Stamp(stamped_ms, read_ms, kind == TIMESTAMP_LOG_APPEND_TIME, live)
    finally:
        consumer.close()
    return latest


def _fetch_version(settings: Settings) -> int | None:
    """The highest version of the Fetch request that a broker takes: librdkafka tells it in its log alone."""
    log = _Log()
    consumer = Consumer({**consumer_config(settings), "debug": "feature", "logger": log})
    try:
        consumer.list_topics(next(iter(settings.request_topics)), timeout=ASK_S)
        give_up = time.monotonic() + VERSION_S
        while (found := log.search(_FETCH)) is None and time.monotonic() < give_up:
            consumer.poll(POLL_S)
        return int(found[1]) if found is not None else None
    except KafkaException:
        return None
    finally:
        consumer.close()


def _producer_id(settings: Settings) -> bool | BrokerError | None:
    """Whether an idempotent producer gets its id: it asks for it before its first record, and there is none."""
    log = _Log()
    errors: list[Any] = []
    acquired = re.compile("Acquired PID")
    config = {**_producer(settings), "debug": "eos", "logger": log, "error_cb": errors.append}
    producer = Producer(config)
    give_up = time.monotonic() + PRODUCER_ID_S
    try:
        while log.search(acquired) is None and time.monotonic() < give_up:
            producer.poll(POLL_S)
            fatal = next((error for error in errors if error.fatal()), None)
            if fatal is not None:
                return BrokerError(fatal.name(), fatal.str())
    except KafkaException as error:  # a fatal error is raised as well
        return _said(error)
    return True if log.search(acquired) is not None else None


def _producer(settings: Settings) -> dict[str, Any]:
    return producer_config(settings, shared=True, longest_timeout_s=settings.longest_timeout_s)


def _admin(settings: Settings, kind: str) -> dict[str, Any]:
    return {**admin_config(login_config(settings, kind)), "log_level": 0}


def _said(error: KafkaException) -> BrokerError:
    return BrokerError(error.args[0].name(), error.args[0].str())
