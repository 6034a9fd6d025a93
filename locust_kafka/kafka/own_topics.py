"""Makes and deletes reply topics of a worker's own, in a process of its own: see `groups` for why.

A topic is made like the one whose place it takes: as many partitions, as many replicas, its settings, with the broker's
own stamps, and with a short retention, for whoever is killed leaves it behind.

Usage: python -m locust_kafka.kafka.own_topics < {"config": {}, "callback": "", "path": [], "make": {NEW: LIKE}}
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined] # public, not re-exported
    AdminClient,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)

from locust_kafka.kafka.config import cluster_config
from locust_kafka.kafka.login import admin_config, for_child, in_child
from locust_kafka.kafka.tokens import TokenError
from locust_kafka.settings import Settings

COMMAND = (sys.executable, "-m", "locust_kafka.kafka.own_topics")
TIMEOUT_S = 30.0
ANSWER_S = 10.0
OURS = {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete", "retention.ms": "3600000"}


def asked_by(settings: Settings, make: Mapping[str, str], delete: Collection[str] = ()) -> str:
    """What this process wants on its standard input.

    Args:
        settings: the run's.
        make: new topics, and the topic that each is to be like.
        delete: topics to delete.
    """
    config = for_child(settings, admin_config(cluster_config(settings)))
    return json.dumps({**config, "make": dict(make), "delete": sorted(delete)})


def make_topics(admin: AdminClient, make: Mapping[str, str]) -> None:
    """Make topics.

    Raises:
        KafkaException: no broker answered, or one refused.
    """
    likes = sorted(set(make.values()))
    described = admin.describe_topics(TopicCollection(likes), request_timeout=ANSWER_S)
    settings = {like: {**_settings(admin, like), **OURS} for like in likes}
    new = []
    for name, like in make.items():
        partitions = described[like].result(ANSWER_S).partitions
        new.append(
            NewTopic(name, len(partitions), replication_factor=len(partitions[0].replicas), config=settings[like])
        )
    for future in admin.create_topics(new, request_timeout=ANSWER_S).values():
        future.result(ANSWER_S)


def delete_topics(admin: AdminClient, names: Collection[str]) -> None:
    """Delete topics; one that is not there is deleted.

    Raises:
        KafkaException: no broker answered, or one refused.
    """
    for future in admin.delete_topics(list(names), request_timeout=ANSWER_S).values():
        try:
            future.result(ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


def _settings(admin: AdminClient, topic: str) -> dict[str, str]:
    """What the topic has of its own; nothing when that may not be asked."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], request_timeout=ANSWER_S)[resource].result(ANSWER_S)
    except KafkaException:
        return {}
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {name: one.value for name, one in found.items() if one.source == own and one.value is not None}


def main() -> None:
    """Do what is asked on standard input, and print what went wrong, as `{"error": NAME, "words": TEXT}`."""
    asked = json.load(sys.stdin)
    answer: dict[str, Any] = {}
    try:
        admin = AdminClient(admin_config(in_child(asked)))
        if asked["make"]:
            make_topics(admin, asked["make"])
        if asked["delete"]:
            delete_topics(admin, asked["delete"])
    except KafkaException as error:
        answer = {"error": error.args[0].name(), "words": error.args[0].str()}
    except (TokenError, TimeoutError) as error:
        answer = {"error": type(error).__name__, "words": str(error) or "no broker answered"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
