"""Before the first user: settings that librdkafka takes, a broker that answers, topics that exist and can be read."""

from __future__ import annotations

import logging
from typing import NamedTuple

import gevent
from confluent_kafka import KafkaException, Producer

from locust_kafka.core.routing import Partition
from locust_kafka.errors import KafkaPluginError, NotReady
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.hub.queue import HubQueue
from locust_kafka.kafka.cluster import Cluster, ClusterView
from locust_kafka.kafka.config import cluster_config, consumer_config, producer_config
from locust_kafka.kafka.consumer import ReplyBatch, ReplyConsumer
from locust_kafka.kafka.login import await_token, load_callback, unconnected
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.ready import await_ready, refused
from locust_kafka.settings import Settings

logger = logging.getLogger("locust_kafka")

SAID_AFTER_S = 1.5
"""A wait that is longer is said."""


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


def connect(settings: Settings, reply_batches: HubQueue[ReplyBatch], routing: ReplyRouting) -> Connection:
    """Connect to a cluster that is ready for the run.

    Args:
        settings: the run's.
        reply_batches: where the consumer will hand over what it receives.
        routing: which of the replies it reads.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: no broker answers, a topic is missing, or replies cannot be read.
    """
    load_callback(settings)
    # In a real thread: neither a broker that does not answer nor a client that waits for its token may stop the web UI
    # or a worker's heartbeat.
    patience = gevent.spawn_later(
        SAID_AFTER_S, logger.info, "waiting for the brokers at %s and the topics, up to %.0f s", settings.bootstrap,
        settings.ready_timeout_s,
    )  # fmt: skip
    found: Connection | KafkaPluginError = gevent.get_hub().threadpool.apply(
        _connected, (settings, reply_batches, routing)
    )
    patience.kill()
    if isinstance(found, KafkaPluginError):
        raise found
    return found


def _connected(
    settings: Settings, reply_batches: HubQueue[ReplyBatch], routing: ReplyRouting
) -> Connection | KafkaPluginError:
    """Look until all is well; an error is returned, for gevent's thread pool prints the traceback of a raised one."""
    try:
        await_token(settings)
        try:
            consumer = ReplyConsumer(consumer_config(settings), reply_batches, routing.foreign)
            cluster = Cluster(cluster_config(settings))
            # A refused setting is refused before any user starts.
            producer = producer_config(settings, shared=True, longest_timeout_s=settings.longest_timeout_s)
            Producer(unconnected(producer))
        except KafkaException as error:
            raise refused(settings, error) from error
        try:
            view, ends = await_ready(settings, cluster)
            routing.divide(ends)
        except BaseException:
            cluster.close()
            raise
        consumer.assign({partition: end for partition, end in ends.items() if routing.reads(partition)})
    except KafkaPluginError as refusal:
        return type(refusal)(mask(str(refusal), settings.config))
    except Exception as unexpected:
        return NotReady(mask(f"unexpected: {unexpected!r}", settings.config))
    return Connection(consumer, cluster, view, ends)
