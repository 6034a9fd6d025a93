"""Before the first user: settings that librdkafka takes, a broker that answers, topics that exist and can be read."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

import gevent
from confluent_kafka import KafkaError, KafkaException, Producer

from locust_kafka.errors import KafkaPluginError, NotReady, SettingsError
from locust_kafka.hub.queue import HubQueue
from locust_kafka.kafka.causes import (
    BrokerError,
    connection_failure,
    is_decided,
    read_failure,
    setting_refused,
    topic_failure,
)
from locust_kafka.kafka.cluster import Cluster, ClusterView, probe
from locust_kafka.kafka.config import cluster_config, consumer_config, probe_config, producer_config
from locust_kafka.kafka.consumer import Partition, ReplyBatch, ReplyConsumer
from locust_kafka.kafka.properties import mask
from locust_kafka.settings import Settings

logger = logging.getLogger("locust_kafka")

READY_TIMEOUT_S = 8.0
SAID_AFTER_S = 1.5
"""A wait that is longer is said."""
"""A broker may still be starting: it is asked for so long."""
DECIDED_S = 2.0
"""A topic that is missing, or a broker that refuses us, is believed after so long: topics take a moment to appear."""
PROBE_S = 8.0
ASK_S = 1.0
"""For one question: what librdkafka says of its connections is looked at in between."""

_AUTHORIZATION = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}  # fmt: skip


class Connection(NamedTuple):
    """What a run needs of a cluster that is ready.

    Attributes:
        consumer: assigned to the reply partitions, not listening yet.
        cluster: to ask more.
        view: what the cluster looked like.
        ends: where each reply partition ended.
    """

    consumer: ReplyConsumer
    cluster: Cluster
    view: ClusterView
    ends: dict[Partition, int]


def connect(settings: Settings, reply_batches: HubQueue[ReplyBatch]) -> Connection:
    """Connect to a cluster that is ready for the run.

    Args:
        settings: the run's.
        reply_batches: where the consumer will hand over what it receives.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: no broker answers, a topic is missing, or replies cannot be read.
    """
    try:
        consumer = ReplyConsumer(consumer_config(settings), reply_batches)
        cluster = Cluster(cluster_config(settings))
        # A refused setting is refused before any user starts.
        Producer(producer_config(settings, shared=True, longest_timeout_s=settings.longest_timeout_s))
    except KafkaException as error:
        sentence = setting_refused(error.args[0].str(), settings.config_lines, "the --kafka-config file")
        raise SettingsError(mask(sentence, settings.config)) from error
    # In a real thread: a broker that does not answer must stop neither the web UI nor a worker's heartbeat.
    patience = gevent.spawn_later(
        SAID_AFTER_S, logger.info, "waiting for the brokers at %s and the topics, up to %.0f s", settings.bootstrap,
        READY_TIMEOUT_S,
    )  # fmt: skip
    found = gevent.get_hub().threadpool.apply(_ready, (settings, cluster))
    patience.kill()
    if isinstance(found, KafkaPluginError):
        cluster.close()
        raise found
    view, ends = found
    consumer.assign(ends)
    return Connection(consumer, cluster, view, ends)


def _ready(settings: Settings, cluster: Cluster) -> tuple[ClusterView, dict[Partition, int]] | KafkaPluginError:
    """Look until all is well; an error is returned, for gevent's thread pool prints the traceback of a raised one."""
    try:
        return _look(settings, cluster)
    except KafkaPluginError as refusal:
        return type(refusal)(mask(str(refusal), settings.config))
    except Exception as unexpected:
        return NotReady(mask(f"unexpected: {unexpected!r}", settings.config))


def _look(settings: Settings, cluster: Cluster) -> tuple[ClusterView, dict[Partition, int]]:
    began = time.monotonic()
    while True:
        waited_s = time.monotonic() - began
        try:
            view = cluster.look(settings.request_topics | settings.reply_topics, ASK_S)
        except KafkaException as error:
            refused = is_decided(list(cluster.errors))
            if waited_s > (DECIDED_S if refused else READY_TIMEOUT_S):
                raise NotReady(_unconnected(settings, cluster, error, waited_s, answered=False)) from error
            cluster.serve()
            continue
        problem = _problem(settings, cluster, view, waited_s)
        if problem is None:
            return view, _readable(settings, cluster, view, began)
        if waited_s > (READY_TIMEOUT_S if view.leaderless() and not view.refused else DECIDED_S):
            raise NotReady(problem)
        cluster.serve()


def _problem(settings: Settings, cluster: Cluster, view: ClusterView, waited_s: float) -> str | None:
    """What is missing, in a sentence."""
    for topic, error in view.refused.items():
        existing = cluster.names() if error is None and waited_s > DECIDED_S else []
        return topic_failure(topic, error, existing, settings.bootstrap) + _default(settings)
    for topic, number in view.leaderless():
        return (
            f"partition {number} of topic {topic!r} has no leader: nothing can be written to or read from it; "
            "see which of its brokers is away"
        )
    return None


def _readable(settings: Settings, cluster: Cluster, view: ClusterView, began: float) -> dict[Partition, int]:
    """The ends of the reply partitions, each of which was read once: READ may be denied where DESCRIBE is not."""
    try:
        ends = cluster.ends(view.of(settings.reply_topics))
    except KafkaException as error:
        if error.args[0].code() in _AUTHORIZATION:
            topic = ", ".join(sorted(settings.reply_topics))
            raise NotReady(read_failure(topic, BrokerError(error.args[0].name(), error.args[0].str()))) from error
        cluster.serve()
        waited_s = time.monotonic() - began
        raise NotReady(_unconnected(settings, cluster, error, waited_s, answered=True)) from error
    try:
        refusal = probe(probe_config(settings), ends, PROBE_S)
    except KafkaException as error:
        refusal = BrokerError(error.args[0].name(), error.args[0].str())
    if isinstance(refusal, BrokerError):
        raise NotReady(read_failure(", ".join(sorted(settings.reply_topics)), refusal))
    if refusal is not None:
        topic, number = refusal
        raise NotReady(
            f"partition {number} of topic {topic!r} could not be read within {PROBE_S:.0f} s: its broker does not "
            "answer; see whether the advertised address of each broker can be reached from here"
        )
    return ends


def _unconnected(
    settings: Settings, cluster: Cluster, error: KafkaException, waited_s: float, *, answered: bool
) -> str:
    last = BrokerError(error.args[0].name(), error.args[0].str())
    protocol = str(settings.client_config("consumer").get("security.protocol", "plaintext"))
    sentence = connection_failure(
        settings.bootstrap, [*cluster.errors, last], answered=answered, security_protocol=protocol, waited_s=waited_s,
        flag="--kafka-bootstrap",
    )  # fmt: skip
    return sentence + _default(settings)


def _default(settings: Settings) -> str:
    if settings.bootstrap_source != "the default":
        return f" (brokers: {settings.bootstrap}, given by {settings.bootstrap_source})"
    return f" ({settings.bootstrap} is the default: name your brokers with --kafka-bootstrap)"
