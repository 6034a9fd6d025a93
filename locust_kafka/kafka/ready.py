"""A cluster that is ready: a broker that answers, topics that exist, and replies that can be read; else a sentence."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException

from locust_kafka.core.routing import Partition
from locust_kafka.errors import NotReady, SettingsError
from locust_kafka.kafka.causes import (
    BrokerError,
    connection_failure,
    is_decided,
    read_failure,
    setting_refused,
    topic_failure,
)
from locust_kafka.kafka.certificates import certificate_errors
from locust_kafka.kafka.cluster import Cluster, ClusterView, probe
from locust_kafka.kafka.config import cluster_config, probe_config
from locust_kafka.kafka.login import await_token
from locust_kafka.kafka.properties import mask
from locust_kafka.settings import Settings

USUAL_S = 8.0
"""A broker may still be starting.  Who gives it longer than this waits for topics that are made meanwhile as well."""
DECIDED_S = 2.0
"""Else a topic that is missing, or a broker that refuses us, is believed after so long."""
PROBE_S = 8.0
ASK_S = 1.0
"""For one question: what librdkafka says of its connections is looked at in between."""

_AUTHORIZATION = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}  # fmt: skip


class _Silent(NotReady):
    """Topics are there, and nobody says where they end."""


def await_ready(settings: Settings, cluster: Cluster) -> tuple[ClusterView, dict[Partition, int]]:
    """Look until all is well; what the cluster looks like, and where each reply partition ends.

    Args:
        settings: their request topics must exist; their reply topics must be readable besides.
        cluster: to ask; it blocks the thread.

    Raises:
        NotReady: in a sentence, with the remedy.
    """
    began, ready_s = time.monotonic(), settings.ready_timeout_s
    decided_s = ready_s if ready_s > USUAL_S else min(DECIDED_S, ready_s)
    while True:
        waited_s = time.monotonic() - began
        try:
            view = cluster.look(settings.request_topics | settings.reply_topics, ASK_S)
        except KafkaException as error:
            refused = is_decided(list(cluster.errors))
            if waited_s > (DECIDED_S if refused else ready_s):
                raise NotReady(_unconnected(settings, cluster, error, waited_s, answered=False)) from error
            cluster.serve()
            continue
        problem = _problem(settings, cluster, view, asking=waited_s > decided_s)
        if problem is None:
            try:
                return view, _readable(settings, cluster, view, began)
            except _Silent:  # a topic that was made a moment ago may have no leader yet
                if waited_s > decided_s:
                    raise
                continue
        if waited_s > (ready_s if view.leaderless() and not view.refused else decided_s):
            raise NotReady(problem)
        cluster.serve()


def see_ready(settings: Settings) -> tuple[ClusterView, dict[Partition, int]]:
    """The same with a client of its own, and without secrets in the sentence.

    Args:
        settings: as for `await_ready`.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: in a sentence, with the remedy.
    """
    await_token(settings)
    try:
        cluster = Cluster(cluster_config(settings))
    except KafkaException as error:
        raise refused(settings, error) from error
    try:
        return await_ready(settings, cluster)
    except NotReady as error:
        raise NotReady(mask(str(error), settings.config)) from None
    finally:
        cluster.close()


def refused(settings: Settings, error: KafkaException) -> SettingsError:
    """A setting that librdkafka did not take, in a sentence without secrets."""
    sentence = setting_refused(error.args[0].str(), settings.config_lines, "the --kafka-config file")
    return SettingsError(mask(sentence, settings.config))


def _problem(settings: Settings, cluster: Cluster, view: ClusterView, *, asking: bool) -> str | None:
    """What is missing, in a sentence; `asking` for the topics that exist takes time."""
    for topic, error in view.refused.items():
        existing = cluster.names() if error is None and asking else []
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
        raise _Silent(_unconnected(settings, cluster, error, waited_s, answered=True)) from error
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
    config = settings.client_config("consumer")
    protocol = str(config.get("security.protocol", "plaintext"))
    said = certificate_errors([*cluster.errors, last], config)
    sentence = connection_failure(
        settings.bootstrap, said, answered=answered, security_protocol=protocol, waited_s=waited_s,
        flag="--kafka-bootstrap",
    )  # fmt: skip
    return sentence + _default(settings)


def _default(settings: Settings) -> str:
    if settings.bootstrap_source != "the default":
        return f" (brokers: {settings.bootstrap}, given by {settings.bootstrap_source})"
    return f" ({settings.bootstrap} is the default: name your brokers with --kafka-bootstrap)"
