"""Which consumer groups read a topic, and how far behind they are: asked in a process of its own.

confluent-kafka's admin calls give futures, and under gevent those are patched: a process without gevent is simpler and
safer than to work around that.  The settings go through its standard input, for a command line can be seen by others.

Usage: python -m locust_kafka.kafka.groups < {"config": {...}, "callback": "", "path": [...], "topics": [...]}
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # public, not re-exported

from locust_kafka.kafka.config import cluster_config
from locust_kafka.kafka.login import admin_config, for_child, in_child
from locust_kafka.kafka.tokens import TokenError
from locust_kafka.settings import Settings

TIMEOUT_S = 10.0
ANSWER_S = 3.0
MAX_GROUPS = 50


def describe_groups(settings: Settings, topics: str) -> str:
    """A phrase about the groups that read the request topics.  Waits for a child process for seconds.

    Args:
        settings: the run's.
        topics: the request topics, as they are to be named in the phrase.
    """
    config = for_child(settings, admin_config(cluster_config(settings)))
    asked = json.dumps({**config, "topics": sorted(settings.request_topics)})
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        groups: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return f"which groups read {topics} could not be asked"
    if not groups:
        return f"no consumer group has read {topics}: see whether the service runs, and which topic it reads"
    return "; ".join(
        f"group {name!r} has {group['members']} members and is {group['lag']} records behind on {topics}"
        for name, group in sorted(groups.items())
    )


def groups_of(config: dict[str, Any], topics: list[str]) -> dict[str, dict[str, int]]:
    """Members and lag of each group that has offsets or members on one of the topics.

    Raises:
        KafkaException: no broker answered, or one refused.
    """
    admin = AdminClient(admin_config(config))
    names = [group.group_id for group in admin.list_consumer_groups(request_timeout=ANSWER_S).result(ANSWER_S).valid]
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
    ]
    asked = {partition: OffsetSpec.latest() for partition in partitions}  # type: ignore[no-untyped-call]
    ends = {one: future.result(ANSWER_S).offset for one, future in admin.list_offsets(asked).items()}
    found: dict[str, dict[str, int]] = {}
    for name in names[:MAX_GROUPS]:
        wanted = ConsumerGroupTopicPartitions(name, partitions)
        offsets = admin.list_consumer_group_offsets([wanted])[name].result(ANSWER_S).topic_partitions
        members = len(admin.describe_consumer_groups([name])[name].result(ANSWER_S).members)
        committed = {(one.topic, one.partition): one.offset for one in offsets if one.offset >= 0}
        if committed:
            behind = sum(end - committed.get((one.topic, one.partition), 0) for one, end in ends.items())
            found[name] = {"members": members, "lag": behind}
    return found


def main() -> None:
    """Answer what is asked on standard input; exits 1 when it cannot."""
    asked = json.load(sys.stdin)
    try:
        print(json.dumps(groups_of(in_child(asked), asked["topics"])))
    except (KafkaException, TokenError, TimeoutError, KeyError):
        sys.exit(1)


if __name__ == "__main__":
    main()
