"""Judges versions, the brokers, and what the principal may do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from locust_kafka.cli.doctor.facts import ClusterFacts, Plan, ReadFacts, Stamp, TopicFacts, Unreached, Version
from locust_kafka.cli.doctor.findings import Finding, Level, split_sentence
from locust_kafka.kafka.causes import BrokerError, connection_failure, read_failure

SETTINGS, VERSIONS, CLUSTER, PERMISSIONS = "settings", "versions", "cluster", "permissions"
DEFAULT = "the default"

MAX_CLOCK_OFFSET_S = 1.0
"""Beyond, the log of the broker and ours do not line up."""
RECENT_S = 60.0
"""An older record says nothing of the clocks."""

# The highest version of the Fetch request → the first Apache Kafka that had it.
_RELEASES = {
    4: "0.11", 5: "1.0", 7: "1.1", 8: "2.0", 10: "2.1", 11: "2.3", 12: "2.7", 13: "3.1", 15: "3.5", 16: "3.7",
    17: "3.9", 18: "4.1",
}  # fmt: skip


def judge_versions(versions: Iterable[Version]) -> Iterator[Finding]:
    """Each program and its version, against the lowest that is supported."""
    for name, found, lowest in versions:
        if not found:
            yield Finding(VERSIONS, Level.PROBLEM, name, "is not installed", f"pip install {name}")
        elif lowest and _numbers(found) < _numbers(lowest):
            words, remedy = f"{found} is older than {lowest}", f"pip install --upgrade '{name}>={lowest}'"
            yield Finding(VERSIONS, Level.WARNING, name, words, remedy)
        else:
            yield Finding(VERSIONS, Level.OK, name, found)


def judge_settings(plan: Plan) -> Iterator[Finding]:
    """What the settings mean to a run."""
    for note in plan.notes:
        yield Finding(SETTINGS, Level.NOTE, "settings", note)
    if plan.bootstrap_source == DEFAULT:
        yield Finding(
            SETTINGS, Level.NOTE, "brokers", f"{plan.bootstrap} is the default: nobody named any",
            "name your brokers with --kafka-bootstrap",
        )  # fmt: skip
    if plan.request_topic == plan.reply_topic:
        yield Finding(
            SETTINGS, Level.PROBLEM, plan.request_topic,
            "is used for requests and for replies: each request would be read as its own reply", "use two topics",
        )  # fmt: skip
    if plan.acks == "0":
        yield Finding(
            SETTINGS, Level.WARNING, "acks", "acks=0: no broker says that it has a request, so none is ever "
            "UNDELIVERED, and where the time went cannot be told", "leave acks out of the --kafka-config file",
        )  # fmt: skip
    elif plan.not_idempotent:
        yield Finding(
            SETTINGS, Level.NOTE, "enable.idempotence", f"is off because of {plan.not_idempotent}: the tester may make "
            "duplicates itself", f"leave {plan.not_idempotent} out of the --kafka-config file",
        )  # fmt: skip


def judge_cluster(plan: Plan, cluster: ClusterFacts) -> Iterator[Finding]:
    """Whether a broker can be used, which cluster it is, its version, and its clock."""
    if cluster.unreached is not None:
        yield _unreached(plan, cluster.unreached, answered=False)
        return
    if cluster.read is not None and cluster.read.unreached is not None:
        yield _unreached(plan, cluster.read.unreached, answered=True)
    brokers = f"{cluster.brokers} broker{'' if cluster.brokers == 1 else 's'}"
    given = f"{plan.bootstrap}, given by {plan.bootstrap_source}" if plan.bootstrap_source != DEFAULT else "the default"
    yield Finding(CLUSTER, Level.OK, "brokers", f"{brokers}, cluster {cluster.cluster_id or 'without id'} ({given})")
    yield _version(cluster.fetch_version)
    yield _clock(plan, cluster)


def _unreached(plan: Plan, unreached: Unreached, *, answered: bool) -> Finding:
    sentence = connection_failure(
        plan.bootstrap, unreached.errors, answered=answered, security_protocol=plan.security_protocol,
        waited_s=unreached.waited_s, flag="--kafka-bootstrap",
    )  # fmt: skip
    return Finding(CLUSTER, Level.PROBLEM, "brokers", *split_sentence(sentence))


def _version(fetch: int | None) -> Finding:
    known = [release for version, release in _RELEASES.items() if fetch is not None and version <= fetch]
    if not known:
        return Finding(
            CLUSTER, Level.NOTE, "broker version", "not known: the broker did not tell which requests it takes"
        )
    words = f"as Apache Kafka {known[-1]} or newer: it takes Fetch requests up to version {fetch}"
    return Finding(CLUSTER, Level.OK, "broker version", words)


def _clock(plan: Plan, cluster: ClusterFacts) -> Finding:
    stamp = cluster.read.last if cluster.read is not None else None
    reason = _unknown_clock(plan, stamp)
    if reason or stamp is None:
        return Finding(CLUSTER, Level.NOTE, "broker clock", f"not known: {reason}")
    ahead_s = (stamp.stamped_ms - stamp.read_ms) / 1000
    remedy = "let NTP set the clocks of both: the legs are corrected for it, logs and traces are not"
    if stamp.live:
        words = f"{abs(ahead_s):.3f} s {'ahead of' if ahead_s > 0 else 'behind'} ours, by a record that came just now"
    elif ahead_s > 0:
        words = f"at least {ahead_s:.3f} s ahead of ours, by the latest record of {plan.reply_topic}"
    else:
        words = f"at most {-ahead_s:.3f} s behind ours, by the latest record of {plan.reply_topic}; perhaps ahead"
    off = abs(ahead_s) > MAX_CLOCK_OFFSET_S if stamp.live else ahead_s > MAX_CLOCK_OFFSET_S
    if off:
        return Finding(
            CLUSTER, Level.WARNING, "broker clock", f"{words}: more than {MAX_CLOCK_OFFSET_S:g} s", remedy
        )  # fmt: skip
    return Finding(CLUSTER, Level.OK, "broker clock", words)


def _unknown_clock(plan: Plan, stamp: Stamp | None) -> str:
    if stamp is None:
        return f"it shows in the time stamps of records alone, and {plan.reply_topic} gave none"
    if not stamp.by_broker:
        return f"the records of {plan.reply_topic} are stamped by their producer (CreateTime)"
    age_s = (stamp.read_ms - stamp.stamped_ms) / 1000
    if not stamp.live and age_s > RECENT_S:
        return f"the latest record of {plan.reply_topic} is {age_s:.0f} s old, too old to tell it ({RECENT_S:.0f} s)"
    return ""


def judge_permissions(plan: Plan, cluster: ClusterFacts) -> Iterator[Finding]:
    """What the principal may do; nothing is written to find out, and what could not be tried is said to be unknown."""
    if cluster.unreached is not None:
        return
    for name in dict.fromkeys((plan.request_topic, plan.reply_topic)):
        topic = cluster.topics.get(name)
        if topic is not None and topic.usable:
            yield Finding(PERMISSIONS, Level.OK, f"DESCRIBE {name}", "allowed")
    yield _write(plan, cluster.topics.get(plan.request_topic))
    yield _read(plan, cluster.read)
    yield _producer_id(plan, cluster.producer_id)


def _write(plan: Plan, topic: TopicFacts | None) -> Finding:
    subject = f"WRITE {plan.request_topic}"
    if topic is None or not topic.usable:
        return Finding(PERMISSIONS, Level.NOTE, subject, "not known: the topic could not be looked at")
    if topic.operations is None:
        return Finding(
            PERMISSIONS, Level.NOTE, subject, "not known: the broker does not say what is allowed, and a trial would "
            "put a record where others read",
        )  # fmt: skip
    if topic.operations & {"WRITE", "ALL"}:
        return Finding(PERMISSIONS, Level.OK, subject, "allowed, as the broker says")
    allowed = ", ".join(sorted(topic.operations))
    return Finding(
        PERMISSIONS, Level.PROBLEM, subject, f"not allowed: the broker allows {allowed} on {plan.request_topic}",
        f"give the principal WRITE on {plan.request_topic}",
    )  # fmt: skip


def _read(plan: Plan, read: ReadFacts | None) -> Finding:
    subject = f"READ {plan.reply_topic}"
    if read is None:
        return Finding(PERMISSIONS, Level.NOTE, subject, "not known: the topic could not be looked at")
    if read.unreached is not None:
        return Finding(PERMISSIONS, Level.NOTE, subject, "not known: a broker of the cluster could not be reached")
    if read.error is not None:
        return Finding(PERMISSIONS, Level.PROBLEM, subject, *split_sentence(read_failure(plan.reply_topic, read.error)))
    if read.silent is not None:
        return Finding(
            PERMISSIONS, Level.PROBLEM, subject,
            f"partition {read.silent} could not be read: its broker does not answer",
            "see whether the advertised address of each broker can be reached from here",
        )  # fmt: skip
    return Finding(PERMISSIONS, Level.OK, subject, "allowed: each partition was read up to its end")


def _producer_id(plan: Plan, got: bool | BrokerError | None) -> Finding:
    subject = "idempotent producer"
    if plan.not_idempotent:
        return Finding(PERMISSIONS, Level.OK, subject, f"not needed, because of {plan.not_idempotent}")
    if isinstance(got, BrokerError):
        return Finding(
            PERMISSIONS, Level.PROBLEM, subject, f'the broker gave it no id ("{got.text}")',
            f"give the principal WRITE on {plan.request_topic} (before Kafka 3.0 IDEMPOTENT_WRITE on the cluster)",
        )  # fmt: skip
    if got:
        return Finding(PERMISSIONS, Level.OK, subject, "allowed: the broker gave it an id, which writes nothing")
    return Finding(
        PERMISSIONS, Level.NOTE, subject, "not known: no id came in time", "see whether the broker is well",
    )  # fmt: skip


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
