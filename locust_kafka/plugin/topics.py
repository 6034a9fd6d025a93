"""A request topic that a call names, looked for before anything is sent to it: a misspelt one is never created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from confluent_kafka import KafkaException

from locust_kafka.errors import SettingsError
from locust_kafka.kafka.causes import topic_failure
from locust_kafka.kafka.cluster import Cluster, ClusterView
from locust_kafka.values import topic as checked_topic

if TYPE_CHECKING:
    from locust_kafka.run.run import Run


def unknown_topic(run: Run, topic: str) -> str:
    """Why requests cannot go to this topic, in words; "" when they can.  Waits for a broker's answer, once a topic.

    Raises:
        TypeError: it is no text.
        SettingsError: it is no topic name, or one that replies are read from.
    """
    if not isinstance(topic, str):
        raise TypeError(f"topic must be str, not {type(topic).__name__}")
    checked_topic(topic, "topic")
    if topic in run.settings.reply_topics:
        raise SettingsError(
            f"topic {topic!r} is one that replies are read from: a request there would be taken for its own reply"
        )
    connection = run.connection
    if connection is None:
        return ""
    pool = gevent.get_hub().threadpool
    view = pool.apply(_looked, (connection.cluster, topic))
    if view is None:
        return ""  # no broker answers: the delivery report will say why
    if topic in view.partitions:
        run.topics.add(topic)
        return ""
    error = view.refused.get(topic)
    existing = pool.apply(connection.cluster.names) if error is None else []
    return topic_failure(topic, error, existing, run.settings.bootstrap)


def _looked(cluster: Cluster, topic: str) -> ClusterView | None:
    """What the cluster says of it; gevent's thread pool prints the traceback of what is raised, so nothing is."""
    try:
        return cluster.look({topic})
    except KafkaException:
        return None
