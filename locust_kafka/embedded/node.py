"""One embedded broker: its ports, its folder, and the `server.properties` that follow from them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
PLAINTEXT = "PLAINTEXT"
"""The listener that every embedded broker has; brokers and `EmbeddedKafka` itself use it."""
CONTROLLER = "CONTROLLER"


class Listener(NamedTuple):
    """One more listener of an embedded broker.

    Its credentials and certificates are broker settings: `listener.name.<name in lower case>.…` in `config`.

    Attributes:
        protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        advertised: `host:port` that the broker gives its clients; None for the address where it listens.
    """

    protocol: str = PLAINTEXT
    advertised: str | None = None


@dataclass
class Node:
    """One broker.

    Attributes:
        number: `node.id`, from 1.
        ports: listener name → port on 127.0.0.1.
        folder: holds its settings, its data and its log.
        supervisor: the process that keeps the broker; None while it does not run.
    """

    number: int
    ports: dict[str, int]
    folder: Path
    supervisor: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def port(self) -> int:
        """The port of the listener that needs no credentials."""
        return self.ports[PLAINTEXT]

    @property
    def log(self) -> Path:
        """What the broker wrote to its standard output and error."""
        return self.folder / "broker.log"

    @property
    def properties(self) -> Path:
        """Its settings."""
        return self.folder / "server.properties"


def server_properties(node: Node, voters: str, brokers: int, more: Mapping[str, Listener]) -> dict[str, str]:
    """The settings of one broker.

    Args:
        node: the broker.
        voters: `controller.quorum.voters`.
        brokers: how many brokers the cluster has, 1 or 3.
        more: the listeners beside PLAINTEXT and CONTROLLER, by name.

    Returns:
        Setting name → value.
    """
    replicas, in_sync = (3, 2) if brokers == 3 else (1, 1)
    clients = {PLAINTEXT: Listener(), **more}
    bound = {name: f"{HOST}:{port}" for name, port in node.ports.items()}
    protocols = {name: listener.protocol for name, listener in clients.items()} | {CONTROLLER: PLAINTEXT}
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLER,
        "inter.broker.listener.name": PLAINTEXT,
        "listeners": ",".join(f"{name}://{address}" for name, address in bound.items()),
        "advertised.listeners": ",".join(
            f"{name}://{listener.advertised or bound[name]}" for name, listener in clients.items()
        ),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "log.dirs": str(node.folder / "data"),
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(replicas),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        # A load test asks for its topics; a misspelt name must not create one.
        "auto.create.topics.enable": "false",
        # Groups of one process form at once: nothing to wait for.
        "group.initial.rebalance.delay.ms": "0",
    }
