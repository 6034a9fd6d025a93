"""Judges the two topics: partitions, replicas, time stamps, sizes, and how long records are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from locust_kafka.cli.doctor.facts import ClusterFacts, Plan, TopicFacts
from locust_kafka.cli.doctor.findings import Finding, Level, split_sentence
from locust_kafka.kafka.causes import topic_failure

AREA = "topics"
MAX_PARTITION_READERS = 2000
"""Partitions times workers: beyond, the cluster is busy with fetches of ours."""
REMEMBERED_S = 60.0
"""How long the tester knows a request after its end: a later reply can be read until then."""


def judge_topics(plan: Plan, cluster: ClusterFacts) -> Iterator[Finding]:
    """Findings about both topics.

    Args:
        plan: the run that is wanted.
        cluster: what was seen.
    """
    for name, is_request in ((plan.request_topic, True), (plan.reply_topic, False)):
        topic = cluster.topics.get(name)
        if topic is None:
            continue
        if not topic.usable:
            sentence = topic_failure(
                name, None if topic.missing else topic.error, topic.existing, plan.bootstrap
            )  # fmt: skip
            yield Finding(AREA, Level.PROBLEM, name, *split_sentence(sentence))
            continue
        judge = _Judge(plan, cluster, topic, is_request=is_request)
        yield judge.partitions()
        yield from judge.replicas()
        if topic.settings is None:
            yield judge.unknown_settings()
            last = cluster.read.last if cluster.read is not None else None
            if last is not None and not is_request:
                yield judge.stamps("LogAppendTime" if last.by_broker else "CreateTime")
        else:
            yield judge.stamps(topic.settings.get("message.timestamp.type", "not told"))
            yield from judge.policy(topic.settings)
            yield from judge.size(topic.settings)
            yield judge.retention(topic.settings)


class _Judge:
    """Judges one topic that is there."""

    def __init__(self, plan: Plan, cluster: ClusterFacts, topic: TopicFacts, *, is_request: bool) -> None:
        self._plan, self._cluster, self._topic, self._is_request = plan, cluster, topic, is_request
        self._at = f"--bootstrap-server {plan.bootstrap} --alter --topic {topic.name}"

    def partitions(self) -> Finding:
        """As many as the service and the tester need."""
        return self._request_partitions() if self._is_request else self._reply_partitions()

    def _request_partitions(self) -> Finding:
        count, users = len(self._topic.partitions), self._plan.users
        if count == 1:
            return self._found(
                Level.NOTE, "1 partition: one member of the service's group takes all requests, however many run",
                f"to try the service with several members: kafka-topics.sh {self._at} --partitions N",
            )  # fmt: skip
        if self._plan.peak_rate is None and users is not None and users < count:
            return self._found(
                Level.NOTE,
                f"{count} partitions and {users} users: at most {users} requests are under way at a time (closed "
                "model), so some partitions are always idle", f"give {count} users or more (-u)",
            )  # fmt: skip
        return self._found(Level.OK, f"{count} partitions: as many members of the service's group can share the work")

    def _reply_partitions(self) -> Finding:
        count, workers = len(self._topic.partitions), self._plan.workers
        if workers == 1:
            words = f"{_counted(count, 'partition')}, read by hand-assigned consumers without a group"
        else:
            words = f"{_counted(count, 'partition')} for {workers} workers: "
            if count >= workers:
                words += "each reads its own when the service honours reply-partition; else "
            words += f"all are read by each, and each reply leaves the cluster {workers} times"
            if self._plan.peak_rate:
                words += f", at the peak {self._plan.peak_rate * workers:g} a second"
        if count * workers > MAX_PARTITION_READERS:
            return self._found(
                Level.WARNING,
                f"{words}; {count * workers} fetch positions, more than {MAX_PARTITION_READERS}",
                "take fewer workers, or a reply topic with fewer partitions",
            )
        if count < workers:
            return self._found(
                Level.NOTE, words, f"so that each can read its own: kafka-topics.sh {self._at} --partitions {workers}"
            )
        return self._found(Level.OK, words)

    def replicas(self) -> Iterator[Finding]:
        """Leaders, replicas in sync, and what min.insync.replicas makes of them."""
        partitions = self._topic.partitions
        leaderless = [one.partition for one in partitions if one.leader < 0]
        if leaderless:
            yield self._found(
                Level.PROBLEM, f"{_named(leaderless)} without leader: nothing can be written or read there",
                "see which broker is away",
            )  # fmt: skip
        replication = min((one.replicas for one in partitions), default=0)
        text = (self._topic.settings or {}).get("min.insync.replicas", "")
        least = int(text) if text.isdigit() else 1
        refused = self._refused_writes(least)
        if least > replication:
            yield self._found(
                refused[0], f"min.insync.replicas {least} is more than its {_counted(replication, 'replica')}"
                f": {refused[1]}", f"set min.insync.replicas of {self._topic.name} to {replication} or less",
            )  # fmt: skip
            return
        short = [one.partition for one in partitions if one.leader >= 0 and one.in_sync < least]
        behind = [one.partition for one in partitions if least <= one.in_sync < one.replicas]
        if short:
            yield self._found(
                refused[0], f"{_named(short)} with fewer replicas in sync than min.insync.replicas {least}: "
                f"{refused[1]}", "see which broker is away or behind",
            )  # fmt: skip
        if behind:
            yield self._found(
                Level.WARNING, f"{_named(behind)} with replicas out of sync: an ack does not wait for them, so it "
                "comes sooner than usual", "see which broker is away or behind, and wait until it has caught up",
            )  # fmt: skip
        if not short and not behind and not leaderless:
            yield self._replication(replication, least)

    def _refused_writes(self, least: int) -> tuple[Level, str]:
        """What follows when fewer than these replicas are in sync."""
        if not self._is_request:
            return Level.WARNING, "a service that writes with acks=all cannot reply"
        if self._plan.acks == "all":
            return Level.PROBLEM, "each request is refused (acks=all)"
        return Level.NOTE, f"requests are taken only because of acks={self._plan.acks}, not by {least} replicas"

    def _replication(self, replication: int, least: int) -> Finding:
        words = f"{_counted(replication, 'replica')}, all in sync, min.insync.replicas {least}"
        if replication == 1 and self._cluster.brokers > 1:
            return self._found(
                Level.NOTE, f"{words}, on a cluster of {self._cluster.brokers} brokers: an ack waits for no other "
                "broker, and a broker that goes takes partitions with it", "create it with as many as in production",
            )  # fmt: skip
        if replication == least > 1:
            return self._found(
                Level.NOTE, f"{words}: when one broker is away, writes with acks=all are refused",
                f"set min.insync.replicas of {self._topic.name} to {least - 1}, unless this is what you test",
            )  # fmt: skip
        return self._found(Level.OK, words)

    def stamps(self, kind: str) -> Finding:
        """Whether the broker stamps records: the legs need it."""
        if kind == "LogAppendTime":
            return self._found(Level.OK, "message.timestamp.type LogAppendTime: the broker stamps each record")
        lost = "request and service" if self._is_request else "service and reply"
        return self._found(
            Level.WARNING,
            f"message.timestamp.type {kind}, not LogAppendTime: where the time went cannot be told (the legs {lost}); "
            "end-to-end latency is not affected",
            f"kafka-configs.sh {self._at} --add-config message.timestamp.type=LogAppendTime",
        )

    def policy(self, settings: Mapping[str, str]) -> Iterator[Finding]:
        """Compaction removes records."""
        policy = settings.get("cleanup.policy", "")
        if "compact" not in policy:
            return
        remedy = f"set cleanup.policy=delete on {self._topic.name}"
        if self._is_request:
            yield self._found(
                Level.WARNING, f"cleanup.policy {policy}: of requests with the same key all but the last may be "
                "removed before the service reads them, and one without a key is refused", remedy,
            )  # fmt: skip
        else:
            yield self._found(
                Level.NOTE, f"cleanup.policy {policy}: of replies with the same key all but the last may be removed "
                "before they are counted, and the service must give each a key", remedy,
            )  # fmt: skip

    def size(self, settings: Mapping[str, str]) -> Iterator[Finding]:
        """The topic's limit of a record against the producer's."""
        text, ours = settings.get("max.message.bytes", ""), self._plan.message_max_bytes
        if not self._is_request or not text.isdigit():
            return
        if int(text) < ours:
            yield self._found(
                Level.WARNING, f"max.message.bytes {text} is less than the producer's message.max.bytes {ours}: a "
                "larger request is refused by the broker and counts as UNDELIVERED",
                f"raise max.message.bytes of {self._topic.name}, or send less",
            )  # fmt: skip
        else:
            yield self._found(
                Level.OK, f"max.message.bytes {text}: the producer's message.max.bytes {ours} is the limit of a request"
            )

    def retention(self, settings: Mapping[str, str]) -> Finding:
        """How long records are kept, against how long they are wanted."""
        kept_ms, kept_bytes = _whole(settings.get("retention.ms")), _whole(settings.get("retention.bytes"))
        wanted_s = self._plan.reply_timeout_s + REMEMBERED_S
        if "delete" not in settings.get("cleanup.policy", "delete"):
            return self._found(Level.OK, "records are not deleted by age or size")
        if 0 <= kept_ms < wanted_s * 1000:
            return self._found(
                Level.WARNING,
                f"retention.ms {kept_ms} is less than {wanted_s * 1000:.0f} (the reply timeout and a minute): records "
                "may be deleted before they are read", f"set retention.ms={3_600_000} on {self._topic.name}",
            )  # fmt: skip
        if kept_bytes >= 0:
            return self._found(
                Level.NOTE, f"retention.bytes {kept_bytes} a partition: when the load is faster than its readers, "
                "records are deleted unread", f"make sure that {self._topic.name} can hold a minute of your load",
            )  # fmt: skip
        if kept_ms < 0:
            return self._found(
                Level.NOTE, "records are kept for ever (retention.ms -1): each run fills the brokers' disks further",
                f"set retention.ms=3600000 on {self._topic.name}, if this topic is for tests alone",
            )  # fmt: skip
        return self._found(Level.OK, f"records are kept for {_duration(kept_ms)}")

    def unknown_settings(self) -> Finding:
        """The settings were not told."""
        error = self._topic.settings_error
        said = f' ("{error.text}")' if error is not None else ""
        return self._found(
            Level.NOTE, f"its settings are not known{said}: time stamps, retention and sizes were not looked at",
            f"give the principal DESCRIBE_CONFIGS on {self._topic.name}, and look again",
        )  # fmt: skip

    def _found(self, level: Level, words: str, remedy: str = "") -> Finding:
        return Finding(AREA, level, self._topic.name, words, remedy)


def _named(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
    return f"{_counted(len(numbers), 'partition')} ({shown})"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _whole(text: str | None) -> int:
    """A whole number; -1, which is Kafka's word for no limit, when it is none."""
    try:
        return int(text or "")
    except ValueError:
        return -1


def _duration(ms: int) -> str:
    for unit, name in ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes")):
        if ms >= 2 * unit:
            return f"{ms / unit:.4g} {name}"
    return f"{ms / 1000:g} s"
