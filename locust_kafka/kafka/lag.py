"""Looks at the service's consumer group once a second, in a process of its own: a JSON object a line on its output.

confluent-kafka's admin calls give futures, and under gevent those are patched: a process without gevent is simpler, and
what it costs is not the generator's.  The settings go through its standard input, for a command line can be seen by
others; it ends when its standard input does, so it never outlives whoever asked.

Lines: `{"group": NAME}` once, then samples as `core.group.GroupSample.from_wire` reads them; `{"trouble": SENTENCE}`
when a look failed, with `"over": true` when no more will come.

Usage: python -m locust_kafka.kafka.lag < {"config": {}, "callback": "", "path": [], "topics": [], "group": NAME or ""}
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # public, not re-exported

from locust_kafka.kafka.config import cluster_config
from locust_kafka.kafka.login import admin_config, for_child, in_child
from locust_kafka.kafka.tokens import TokenError
from locust_kafka.options import AUTO
from locust_kafka.settings import Settings

ANSWER_S = 5.0
EVERY_S = 1.0
SEARCH_INTERVAL_S = 5.0
MAX_SEARCHES = 24
"""Two minutes: on a large cluster each search costs its brokers something."""
MAX_GROUPS = 500
"""Active groups that are looked through for the one that reads a topic."""
COMMAND = (sys.executable, "-m", "locust_kafka.kafka.lag")
_ACTIVE = {
    ConsumerGroupState.STABLE,
    ConsumerGroupState.PREPARING_REBALANCING,
    ConsumerGroupState.COMPLETING_REBALANCING,
}
_DENIED = {
    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}  # fmt: skip


def asked_by(settings: Settings) -> str:
    """The line that this process wants on its standard input.

    Args:
        settings: whose group and request topics.
    """
    config = for_child(settings, admin_config(cluster_config(settings)))
    group = "" if settings.group == AUTO else settings.group
    return json.dumps({**config, "topics": sorted(settings.request_topics), "group": group}) + "\n"


class GroupReader:
    """Asks about the groups that read some topics.

    Args:
        config: librdkafka's settings of a consumer.
        topics: the request topics.
    """

    def __init__(self, config: dict[str, Any], topics: Sequence[str]) -> None:
        self._admin = AdminClient(admin_config(config))
        self._topics = sorted(topics)

    def find(self) -> list[str]:
        """The groups with a member that is assigned a partition of the topics.

        Raises:
            KafkaException: no broker answered, or one refused.
            LookupError: there are too many groups to look through; its text is a sentence.
        """
        listed = self._admin.list_consumer_groups(request_timeout=ANSWER_S, states=_ACTIVE).result(ANSWER_S)
        names = [group.group_id for group in listed.valid]
        if len(names) > MAX_GROUPS:
            raise LookupError(
                f"the cluster has {len(names)} active consumer groups: name the service's by --kafka-group"
            )
        described = self._admin.describe_consumer_groups(names, request_timeout=ANSWER_S) if names else {}
        found = []
        for name, future in described.items():
            try:
                members = future.result(ANSWER_S).members
            except KafkaException:  # of a group that we may not see, or that has just gone
                continue
            if any(one.topic in self._topics for member in members for one in _assigned(member)):
                found.append(name)
        return sorted(found)

    def look(self, group: str) -> dict[str, Any]:
        """How the group is now, as plain values.

        Raises:
            KafkaException: no broker answered, or one refused.
            LookupError: a topic is gone; its text is a sentence.
        """
        at_s = time.time()
        metadata = [self._admin.list_topics(topic, timeout=ANSWER_S).topics[topic] for topic in self._topics]
        gone = [one.topic for one in metadata if one.error is not None or not one.partitions]
        if gone:
            raise LookupError(f"the topic {gone[0]!r} does not exist")
        states = [(str(one.topic), number, state) for one in metadata for number, state in one.partitions.items()]
        partitions = [TopicPartition(topic, number) for topic, number, state in states if state.leader >= 0]
        described = self._admin.describe_consumer_groups([group], request_timeout=ANSWER_S)[group]
        asked = {one: OffsetSpec.latest() for one in partitions}  # type: ignore[no-untyped-call]
        ends = self._admin.list_offsets(asked, request_timeout=ANSWER_S) if partitions else {}
        wanted = ConsumerGroupTopicPartitions(group, partitions)
        committed = self._admin.list_consumer_group_offsets([wanted], request_timeout=ANSWER_S)[group]
        offsets = {(one.topic, one.partition): one.offset for one in committed.result(ANSWER_S).topic_partitions}
        description = described.result(ANSWER_S)
        return {
            "at_s": at_s,
            "state": description.state.name,
            "members": {
                member.member_id: [f"{one.topic}[{one.partition}]" for one in _assigned(member)]
                for member in description.members
            },
            "lag": _lag(
                {(one.topic, one.partition): end.result(ANSWER_S).offset for one, end in ends.items()}, offsets
            ),
            "leaderless": sum(state.leader < 0 for _topic, _number, state in states),
            "under_replicated": sum(len(state.isrs) < len(state.replicas) for _topic, _number, state in states),
        }


def _assigned(member: Any) -> list[TopicPartition]:
    return list(member.assignment.topic_partitions) if member.assignment else []


def _lag(ends: dict[tuple[str, int], int], offsets: dict[tuple[str, int], int]) -> int | None:
    """Records that are appended and not committed; None when there are records, and nothing was ever committed."""
    known = {place: offset for place, offset in offsets.items() if offset >= 0 and place in ends}
    if not known:
        return None if any(ends.values()) else 0
    return sum(max(0, ends[place] - offset) for place, offset in known.items())


def follow(reader: GroupReader, group: str) -> None:
    """Print a look each second, for ever, or until there is nothing to be seen.

    Args:
        reader: asks.
        group: whose; "" for the only one that reads the topics.
    """
    said, searches = "", 0
    while True:
        began_s = time.monotonic()
        try:
            if group:
                _print(reader.look(group))
                said = ""
            elif searches < MAX_SEARCHES:
                searches += 1
                group, said = _choose_group(reader.find(), said)
            else:
                _print({"trouble": "no consumer group has read the request topic: the search ends", "over": True})
                return
        except LookupError as error:
            _print({"trouble": str(error.args[0]), "over": True})
            return
        except (KafkaException, TimeoutError) as error:
            what = error.args[0] if error.args else None
            over = isinstance(what, KafkaError) and what.code() in _DENIED
            words = what.str() if isinstance(what, KafkaError) else "no broker answered in time"
            if over:
                words += ": grant DESCRIBE on the group and on the request topic"
            if words != said:
                said = words
                _print({"trouble": f"the consumer group cannot be looked at: {words}", "over": over})
            if over:
                return
        time.sleep(max(0.05, (EVERY_S if group else SEARCH_INTERVAL_S) - (time.monotonic() - began_s)))


def _choose_group(found: list[str], said: str) -> tuple[str, str]:
    if len(found) == 1:
        _print({"group": found[0]})
        return found[0], ""
    if len(found) > 1:
        names = ", ".join(found[:5])
        raise LookupError(f"{len(found)} groups read the request topic ({names}): name one by --kafka-group")
    words = "no consumer group reads the request topic yet"
    if said != words:
        _print({"trouble": words, "over": False})
    return "", words


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    """Do what the line on standard input asks for."""
    asked = json.loads(sys.stdin.readline())
    # Whoever asked has gone when there is no more input: a look must not go on for nobody.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    if asked["group"]:
        _print({"group": asked["group"]})
    try:
        config = in_child(asked)
    except TokenError as error:
        _print({"trouble": f"the consumer group cannot be looked at: {error}", "over": True})
        return
    follow(GroupReader(config, asked["topics"]), asked["group"])


if __name__ == "__main__":
    main()
