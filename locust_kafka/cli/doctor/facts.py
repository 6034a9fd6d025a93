"""What was seen, as plain data: the judges need neither a cluster nor this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from locust_kafka.core.group import GroupSample
from locust_kafka.kafka.causes import BrokerError, PartitionState


@dataclass(frozen=True)
class Plan:
    """What the run is going to be.

    Attributes:
        bootstrap: `bootstrap.servers`.
        bootstrap_source: who named the brokers, in words.
        request_topic: where requests go.
        reply_topic: where replies are read.
        reply_timeout_s: how long a reply may take, in seconds.
        peak_rate: the highest rate of the open model, in arrivals a second; None for the closed model.
        users: how many there will be; None when nobody said.
        workers: how many processes make the load.
        security_protocol: of the clients; "" for librdkafka's default.
        message_max_bytes: the largest record that the producer takes, in bytes.
        acks: "all", or what the user has set.
        not_idempotent: the setting because of which the producer is not idempotent; "" when it is.
        notes: what was passed over or translated while the settings were read, in sentences.
    """

    bootstrap: str
    bootstrap_source: str
    request_topic: str
    reply_topic: str
    reply_timeout_s: float = 10.0
    peak_rate: float | None = None
    users: int | None = None
    workers: int = 1
    security_protocol: str = ""
    message_max_bytes: int = 1_000_000
    acks: str = "all"
    not_idempotent: str = ""
    notes: tuple[str, ...] = ()


class Version(NamedTuple):
    """A program: the version that was found ("" for none), and the lowest that is supported ("" for any)."""

    name: str
    found: str
    lowest: str = ""


@dataclass(frozen=True)
class Unreached:
    """No broker could be used.

    Attributes:
        errors: what librdkafka said, in order.
        waited_s: how long a broker was waited for, in seconds.
    """

    errors: tuple[BrokerError, ...]
    waited_s: float


@dataclass(frozen=True)
class TopicFacts:
    """A topic.

    Attributes:
        name: its name.
        missing: whether the cluster has no such topic, or shows none.
        error: why it cannot be looked at, if the broker said so.
        existing: the names of the other topics, when it is missing.
        partitions: as the metadata shows them.
        settings: its settings, defaults included; None when they were not told.
        settings_error: why they were not told.
        operations: what the principal may do with it, in Kafka's words; None when the broker does not say.
    """

    name: str
    missing: bool = False
    error: BrokerError | None = None
    existing: tuple[str, ...] = ()
    partitions: tuple[PartitionState, ...] = ()
    settings: Mapping[str, str] | None = None
    settings_error: BrokerError | None = None
    operations: frozenset[str] | None = None

    @property
    def usable(self) -> bool:
        """Whether it is there and may be looked at."""
        return not self.missing and self.error is None


class Stamp(NamedTuple):
    """The time of a record of the reply topic.

    Attributes:
        stamped_ms: the record's own, ms since 1970.
        read_ms: when it was read, by this machine's clock, ms since 1970.
        by_broker: whether the broker stamped it (LogAppendTime).
        live: whether it was appended while we waited for it.
    """

    stamped_ms: int
    read_ms: float
    by_broker: bool
    live: bool


@dataclass(frozen=True)
class ReadFacts:
    """What came of reading the reply topic up to its end.

    Attributes:
        error: the broker's refusal.
        unreached: why the broker that has it could not be reached, though another, or another address, answered.
        silent: a partition that did not answer.
        last: the latest record that was seen.
    """

    error: BrokerError | None = None
    unreached: Unreached | None = None
    silent: int | None = None
    last: Stamp | None = None


@dataclass(frozen=True)
class ClusterFacts:
    """What the cluster said.

    Attributes:
        unreached: why no broker could be used; the rest is then empty.
        cluster_id: the cluster's own.
        brokers: how many it has.
        fetch_version: the highest version of the Fetch request that the broker takes; None when it is not known.
        topics: by name.
        read: of the reply topic; None when it was not tried.
        producer_id: True when an idempotent producer got its id, the broker's refusal, or None when neither came.
    """

    unreached: Unreached | None = None
    cluster_id: str = ""
    brokers: int = 0
    fetch_version: int | None = None
    topics: Mapping[str, TopicFacts] = field(default_factory=dict)
    read: ReadFacts | None = None
    producer_id: bool | BrokerError | None = None


@dataclass(frozen=True)
class GroupFacts:
    """The consumer group of the service.

    Attributes:
        names: of the groups that read the request topic.
        sample: how it is, when there is one.
        trouble: why it could not be looked at.
    """

    names: tuple[str, ...] = ()
    sample: GroupSample | None = None
    trouble: BrokerError | None = None


class CpuTimes(NamedTuple):
    """Time of all cores since the start of the machine, in ticks: all, at work, and taken by the host for others."""

    total: int
    busy: int
    stolen: int


@dataclass(frozen=True)
class MachineFacts:
    """This machine.

    Attributes:
        cores: how many this process may use; a container may have half a one.
        busy: share of the time that the cores were at work while the doctor looked; None when it is not known.
        stolen: share of the time that the host gave to others.
        watched_s: how long that was, in seconds.
        open_files: how many files a Locust process may have open; infinite for no limit.
        threads: how many threads a process may have.
    """

    cores: float
    busy: float | None
    stolen: float | None
    watched_s: float
    open_files: float
    threads: float


@dataclass(frozen=True)
class EndpointFacts:
    """Where traces or metrics are sent by OTLP.

    Attributes:
        signal: `traces` or `metrics`.
        protocol: by OpenTelemetry's name.
        url: without credentials.
        status: of its answer to an empty batch; None when there was none.
        failure: why there was none.
    """

    signal: str
    protocol: str
    url: str
    status: int | None = None
    failure: str = ""
