"""From settings to the configurations of librdkafka's clients.  Pure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from waiter_service.kafka.properties import Properties
from waiter_service.kafka.tokens import TokenSource

_LIBRDKAFKA: Final = logging.getLogger("waiter_service.librdkafka")
_LIBRDKAFKA.addHandler(logging.NullHandler())
DEFAULT_BOOTSTRAP: Final = "localhost:9092"
_LOOPBACK: Final = ("127.0.0.1", "::1")
# Set by the waiter whatever a file says.  Otherwise it would commit what is not answered, take the end of a partition
# for an error, create misspelt topics, or never know that a reply was delivered.
_CONSUMER_OWN: Final = {"enable.auto.commit": True, "enable.auto.offset.store": False, "enable.partition.eof": False}
_PRODUCER_OWN: Final = {"allow.auto.create.topics": False, "delivery.report.only.error": False}
# librdkafka refuses these for a group with the protocol `consumer`: there the broker decides.
_CLASSIC_ONLY: Final = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")


class ConfigRefused(ValueError):
    """Settings that cannot be used together; the sentence is for the user."""


@dataclass(frozen=True)
class ClientConfig:
    """What the clients of one service have in common.

    Attributes:
        bootstrap: the brokers, host:port,...
        group: the consumer group.
        group_protocol: its rebalance protocol, `classic` or `consumer`.
        file: what the settings file says; a prefix `consumer.` or `producer.` directs a setting to a kind of client.
        path: the file's name, for sentences; "" without one.
        tokens: gives tokens for SASL OAUTHBEARER; None when librdkafka has its own way to them, or needs none.
    """

    bootstrap: str
    group: str
    group_protocol: str
    file: Properties = field(default=Properties({}, {}, ()), repr=False)
    path: str = ""
    tokens: TokenSource | None = field(default=None, repr=False)

    def admin(self) -> dict[str, Any]:
        """Return the configuration of a client that neither produces nor consumes."""
        return self._shared("admin")

    def consumer(self, number: int = 1) -> dict[str, Any]:
        """Return a Consumer's: the waiter stores offsets when requests are answered, librdkafka commits them.

        Args:
            number: the consumer's number from 1; members of one group must not share a group.instance.id.
        """
        config: dict[str, Any] = {
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 1000,
            "fetch.wait.max.ms": 100,
            # A full queue keeps librdkafka from fetching for a whole second by default.
            "fetch.queue.backoff.ms": 10,
            **self._shared("consumer"),
            "group.id": self.group,
            "group.protocol": self.group_protocol,
            **_CONSUMER_OWN,
        }
        if number > 1 and "group.instance.id" in config:
            config["group.instance.id"] += f"-{number}"
        unfit = _CLASSIC_ONLY if self.group_protocol == "consumer" else ()
        return {name: value for name, value in config.items() if name not in unfit}

    def producer(self) -> dict[str, Any]:
        """Return a Producer's.

        One request in flight for each broker: records gather while the last request is under way, so they need no
        linger.  Idempotence is off where the file's other settings exclude it, as in the Java client.
        """
        file = self._shared("producer")
        return {
            "enable.idempotence": not _against_idempotence(file),
            "linger.ms": 0,
            "max.in.flight": 1,
            "queue.buffering.max.messages": 10_000,
            **file,
            **_PRODUCER_OWN,
        }

    def _shared(self, kind: str) -> dict[str, Any]:
        prefixes = ("consumer.", "producer.")
        file = {name: value for name, value in self.file.values.items() if not name.endswith("bootstrap.servers")}
        plain = {name: value for name, value in file.items() if not name.startswith(prefixes)}
        # A prefixed setting is the more exact one: it wins, wherever it stands in the file.
        own = {name[len(kind) + 1 :]: value for name, value in file.items() if name.startswith(f"{kind}.")}
        # librdkafka would write to standard error by itself, a fatal error at any level; its errors reach us otherwise.
        quiet = {"log_level": 7 if "debug" in own or "debug" in plain else 0, "logger": _LIBRDKAFKA}
        login = {} if self.tokens is None else {"oauth_cb": self.tokens}
        return {**quiet, **plain, **own, **login, "bootstrap.servers": self.bootstrap}


def log_librdkafka(config: ClientConfig) -> None:
    """Let librdkafka's lines into the log only if the file asks for them, by `debug` or `log_level`."""
    asked = {name.rpartition(".")[2] for name in config.file.values} & {"debug", "log_level"}
    _LIBRDKAFKA.propagate = bool(asked)
    _LIBRDKAFKA.setLevel(logging.DEBUG)


def choose_bootstrap(asked: str | None, asked_by: str, file: Properties, path: str) -> str:
    """Return the brokers to use: those asked for, else the file's, else localhost:9092.

    Args:
        asked: the value of the flag or of its variable; None if neither is given.
        asked_by: the name of that flag or variable, for sentences.
        file: what the file says.
        path: the file's name, for sentences.

    Raises:
        ConfigRefused: two of them name different clusters, or one is no list of brokers.
    """
    chosen, chosen_by = asked, asked_by
    if asked is not None and (refusal := _refuse_servers(asked)):
        raise ConfigRefused(f"{asked_by.removesuffix(' names')} {refusal}")
    for name in ("bootstrap.servers", "consumer.bootstrap.servers", "producer.bootstrap.servers"):
        if (found := file.values.get(name)) is None:
            continue
        if refusal := _refuse_servers(found):
            raise ConfigRefused(f"{path}, line {file.lines[name]}: {name} {refusal}")
        here = f"{path}, line {file.lines[name]}, sets {name} to"
        if chosen is None:
            chosen, chosen_by = found, here
        elif not _addresses(chosen) & _addresses(found):
            raise ConfigRefused(
                f"{chosen_by} {chosen}, but {here} {found}; these are different clusters: remove one of the two"
            )
    return DEFAULT_BOOTSTRAP if chosen is None else chosen


def refuse_transactions(file: Properties, path: str) -> None:
    """Refuse a file that asks for transactions.

    Raises:
        ConfigRefused: it does.
    """
    for name, line in file.lines.items():
        if name.removeprefix("producer.") == "transactional.id":
            raise ConfigRefused(f"{path}, line {line}: the waiter sends without transactions; remove {name}")


def config_notes(config: ClientConfig) -> list[str]:
    """Return a sentence for each setting of the file that is passed over, or turns another one off."""
    notes = []
    lines = config.file.lines
    for name, line in lines.items():
        where, bare = f"{config.path}, line {line}", name.removeprefix("consumer.").removeprefix("producer.")
        if bare in (*_CONSUMER_OWN, *_PRODUCER_OWN):
            notes.append(f"{where}: {name} is decided by the waiter and passed over")
        elif config.group_protocol == "consumer" and bare in _CLASSIC_ONLY:
            notes.append(f"{where}: {name} is decided by the broker with --group-protocol consumer and passed over")
    for name in _against_idempotence(config._shared("producer")):  # noqa: SLF001 # the same module
        line = lines.get(f"producer.{name}", lines.get(name, 0))
        notes.append(
            f"{config.path}, line {line}: {name} turns enable.idempotence off, as in the Java client: "
            "a reply may be sent twice after an error"
        )
    return notes


def _against_idempotence(file: Mapping[str, Any]) -> list[str]:
    """Return the names of settings with which librdkafka refuses idempotence; empty when the file decides itself."""
    if "enable.idempotence" in file:
        return []
    excluded = {
        "acks": file.get("acks", "all").lower() not in ("all", "-1"),
        "retries": file.get("retries", "1").strip() == "0",
        "max.in.flight": _is_above(file.get("max.in.flight", "1"), 5),
    }
    return [name for name, excludes in excluded.items() if excludes]


def _is_above(text: str, limit: int) -> bool:
    return re.fullmatch(r"\s*[0-9]{1,9}\s*", text) is not None and int(text) > limit


def _refuse_servers(servers: str) -> str:
    """Why a list of brokers cannot be used, in words that hold no secret; "" when it can.

    librdkafka takes a port modulo 65536, so another broker than the one that was meant may answer.
    """
    if "@" in servers:
        return "holds an @: write host:port,... without user and password, which are sasl.username and sasl.password"
    for server in servers.split(","):
        port = re.search(r":([0-9]+)\s*$", server)
        is_port = server.count(":", server.rfind("]") + 1) == 1 or "://" in server  # else it ends an IPv6 address
        if port is not None and is_port and not 0 < int(port[1][:6]) < 65536:
            return f"names the port {port[1][:6]}: a port is a number from 1 to 65535"
    return ""


def _addresses(servers: str) -> set[tuple[str, str]]:
    """Return host and port of each broker; the names of this machine's loopback address count as one."""
    found = set()
    for server in servers.lower().split(","):
        host, colon, port = server.strip().rpartition("://")[2].rpartition(":")
        if not colon or port.endswith("]"):
            host, port = server.strip().rpartition("://")[2], "9092"
        host = host.strip("[]")
        found.add(("localhost" if host in _LOOPBACK else host, port))
    return found
