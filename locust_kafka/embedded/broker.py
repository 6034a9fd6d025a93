"""Start and stop a throw-away Apache Kafka (KRaft, combined broker and controller)."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from locust_kafka.embedded.errors import EmbeddedKafkaError
from locust_kafka.embedded.jars import Report, kafka_jars
from locust_kafka.embedded.java import find_java
from locust_kafka.embedded.node import CONTROLLER, HOST, PLAINTEXT, Listener, Node, server_properties

START_TIMEOUT_S = 90.0
_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class EmbeddedKafka:
    """A real Apache Kafka on 127.0.0.1, its data in a temporary folder that goes with it.

    Use it as a context manager, or call `start()` and `stop()`.  It ends with this process, however that ends.

    Args:
        brokers: 1, or 3 for replication factor 3 and min.insync.replicas 2.
        config: broker settings on top of ours (`server.properties` names).
        listeners: more listeners of each broker, by name (upper case); each gets a free port of its own.
        port: the (first) broker's port; 0 takes a free one.
        for_load: let the JVM compile for speed; by default it starts quickly and stays slower.
        report: receives lines about what takes long (the first download); standard error by default.
    """

    def __init__(
        self,
        brokers: int = 1,
        config: Mapping[str, str] | None = None,
        *,
        listeners: Mapping[str, Listener] | None = None,
        port: int = 0,
        report: Report | None = None,
        for_load: bool = False,
    ) -> None:
        if brokers not in (1, 3):
            raise EmbeddedKafkaError(f"brokers={brokers}: an embedded cluster has 1 broker or 3")
        self._count = brokers
        self._config = dict(config or {})
        self._listeners = dict(listeners or {})
        self._port = port
        self._jit = [] if for_load else ["-XX:TieredStopAtLevel=1"]
        self._report = report or (lambda line: print(line, file=sys.stderr, flush=True))
        self._folder: Path | None = None
        self._java: list[str] = []
        self._nodes: list[Node] = []

    @property
    def bootstrap(self) -> str:
        """`host:port,…` for `bootstrap.servers`, without credentials."""
        return self.bootstrap_of(PLAINTEXT)

    def bootstrap_of(self, listener: str) -> str:
        """`host:port,…` of one listener by its name, whatever it advertises."""
        return ",".join(f"{HOST}:{node.ports[listener]}" for node in self._nodes)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Fetch what is missing, start the brokers and wait until they answer.

        After `stop()` it starts a new cluster: without the old data, and on new ports unless one was given.

        Raises:
            EmbeddedKafkaError: it runs already, no Java, no jars, a port taken, or no answer within 90 s.
        """
        if self._folder is not None:
            raise EmbeddedKafkaError(f"This embedded Kafka runs already on {self.bootstrap}: stop it first")
        java = find_java()
        class_path = ":".join(str(jar) for jar in kafka_jars(self._report))
        self._folder = Path(tempfile.mkdtemp(prefix="locust-kafka-"))
        try:
            self._lay_out(self._folder)
            self._java = [
                str(java), *self._jit, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path,
            ]  # fmt: skip
            self._format()
            for node in self._nodes:
                self._launch(node)
            self._await_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the brokers and remove their data; a second call does nothing."""
        for node in self._nodes:
            if node.supervisor is not None:
                assert node.supervisor.stdin is not None
                node.supervisor.stdin.close()
        for node in self._nodes:
            if node.supervisor is not None:
                node.supervisor.wait()
                node.supervisor = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill_brokers(self, *numbers: int) -> None:
        """End brokers as `kill -9` does; their data stays.  Those that do not run are left alone.

        Args:
            numbers: 1 for the first.
        """
        for node in (self._nodes[number - 1] for number in numbers):
            if node.supervisor is not None:
                node.supervisor.send_signal(signal.SIGUSR1)
                node.supervisor.wait()
                node.supervisor = None

    def restart_brokers(self, *numbers: int) -> None:
        """Start brokers that were killed, with their data and on their ports; returns when they listen.

        Several at once, for one alone may have no quorum of controllers to wait for.

        Args:
            numbers: 1 for the first.

        Raises:
            EmbeddedKafkaError: one runs already, has ended, or does not listen within 90 s.
        """
        nodes = [self._nodes[number - 1] for number in numbers]
        for node in nodes:
            if node.supervisor is not None:
                raise EmbeddedKafkaError(f"Kafka broker {node.number} (port {node.port}) runs already: kill it first")
            self._launch(node)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(_listens(node.port) for node in nodes):
            self._check_alive(deadline)
            time.sleep(0.05)

    def check(self) -> None:
        """Look whether all brokers are alive; those that were killed are left out.

        Raises:
            EmbeddedKafkaError: one has ended; the message has its last words.
        """
        for node in self._nodes:
            if node.supervisor is not None and node.supervisor.poll() is not None:
                words = _last_words(node.log.read_text(errors="replace") if node.log.exists() else "")
                raise EmbeddedKafkaError(f"Kafka broker {node.number} (port {node.port}) has ended: {words}")

    def _lay_out(self, folder: Path) -> None:
        if self._port and _listens(self._port):
            raise EmbeddedKafkaError(f"port {self._port} is taken: stop what listens there, or choose another")
        names = [PLAINTEXT, CONTROLLER, *self._listeners]
        ports = iter(_free_ports(len(names) * self._count))
        self._nodes = []  # those of an earlier start are gone
        for number in range(1, self._count + 1):
            place = folder / f"broker-{number}"
            place.mkdir()
            self._nodes.append(Node(number, {name: next(ports) for name in names}, place))
        if self._port:
            self._nodes[0].ports[PLAINTEXT] = self._port
        voters = ",".join(f"{node.number}@{HOST}:{node.ports[CONTROLLER]}" for node in self._nodes)
        for node in self._nodes:
            settings = server_properties(node, voters, self._count, self._listeners) | self._config
            node.properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self) -> None:
        # Kafka's ids are base64; one that began with a dash would be taken for an option.
        cluster_id = "K" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"]
        for node in self._nodes:
            done = subprocess.run([*command, str(node.properties)], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise EmbeddedKafkaError(f"Kafka refused its settings: {_last_words(done.stdout + done.stderr)}")

    def _launch(self, node: Node) -> None:
        heap = "-Xmx512m" if self._count == 1 else "-Xmx384m"
        java, *options = self._java
        broker = [java, heap, *options, "kafka.Kafka", str(node.properties)]
        node.supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(node.folder), str(node.log), *broker],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not all(_listens(node.port) for node in self._nodes):
            self._check_alive(deadline)
            time.sleep(0.05)
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while True:
            self._check_alive(deadline)
            try:
                if len(admin.list_topics(timeout=5).brokers) == self._count:
                    return
            except KafkaException:
                pass  # not elected yet; the deadline bounds the wait
            time.sleep(0.05)

    def _check_alive(self, deadline: float) -> None:
        self.check()
        if time.monotonic() > deadline:
            raise EmbeddedKafkaError(f"Kafka did not answer on {self.bootstrap} within {START_TIMEOUT_S:.0f} s")


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all are held open until the last is known, so none comes twice."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind((HOST, 0))
        return [int(holder.getsockname()[1]) for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Exception" in line]
    return " | ".join((errors or lines)[-3:]) or "it left no message"
