"""Judges the service's consumer group: whether it is there, who is in it, and how far behind it is."""

from __future__ import annotations

from locust_kafka.cli.doctor.facts import GroupFacts, Plan
from locust_kafka.cli.doctor.findings import Finding, Level
from locust_kafka.core.group import ABSENT, EMPTY, REBALANCING, GroupSample

AREA = "service"
MAX_LAG = 1000
"""Records: a group that is so far behind before the load begins answers older requests first."""


def judge_group(plan: Plan, group: GroupFacts | None) -> list[Finding]:
    """One finding about the group; none when it is not to be looked at.

    Args:
        plan: the run that is wanted.
        group: what was seen.
    """
    if group is None:
        return []
    if group.trouble is not None:
        denied = group.trouble.name.endswith("_AUTHORIZATION_FAILED")
        remedy = "grant DESCRIBE on the group and on the request topic" if denied else "name it by --kafka-group"
        words = f'its consumer group cannot be looked at ("{group.trouble.text}"): a run goes on without its lag'
        return [Finding(AREA, Level.NOTE, plan.request_topic, words, remedy)]
    if not group.names:
        words = "no consumer group reads it at the moment"
        remedy = "start the service; one that is running reads another topic, or without a group"
        return [Finding(AREA, Level.NOTE, plan.request_topic, words, remedy)]
    if group.sample is None:
        words = f"{len(group.names)} consumer groups read it: {', '.join(group.names[:5])}"
        return [Finding(AREA, Level.NOTE, plan.request_topic, words, "name the service's by --kafka-group")]
    return [_judge_sample(group.names[0], group.sample)]


def _judge_sample(name: str, sample: GroupSample) -> Finding:
    if sample.state in ABSENT:
        remedy = "see --kafka-group, and whether the service runs"
        return Finding(AREA, Level.WARNING, name, "there is no such consumer group", remedy)
    members = len(sample.members)
    lag = "its lag is not known: nothing was ever committed" if sample.lag is None else f"lag {sample.lag:,} records"
    words = f"{sample.state.lower().replace('_', ' ')}, {members} member{'s' if members != 1 else ''}, {lag}"
    if sample.state == EMPTY:
        return Finding(AREA, Level.WARNING, name, f"{words}: nobody reads the requests", "start the service")
    if sample.state in REBALANCING:
        return Finding(AREA, Level.NOTE, name, f"{words}: a rebalance is under way", "wait until it is stable")
    if sample.lag is not None and sample.lag > MAX_LAG:
        remedy = "wait until it has caught up: until then the service answers what lies before your requests"
        return Finding(AREA, Level.WARNING, name, f"{words}, more than {MAX_LAG:,}", remedy)
    return Finding(AREA, Level.OK, name, words)
