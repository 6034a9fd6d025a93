"""`locust-kafka broker`: a real Apache Kafka, in the foreground or left running."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading

from locust_kafka.embedded import EmbeddedKafka, EmbeddedKafkaError


def run(brokers: int, port: int) -> int:
    """Run one until Ctrl-C; 0.

    Args:
        brokers: how many.
        port: of the first; 0 takes a free one.

    Raises:
        EmbeddedKafkaError: it cannot start, or has died.
    """
    if not 0 <= port <= 65535:
        raise EmbeddedKafkaError(f"--port {port} is refused: give a number from 0 to 65535")
    with EmbeddedKafka(brokers, port=port) as kafka:
        print(kafka.bootstrap, flush=True)
        print("Apache Kafka is up; Ctrl-C ends it and removes its data.", file=sys.stderr)
        try:
            while not threading.Event().wait(0.5):
                kafka.check()
        except KeyboardInterrupt:
            pass
    return 0


def detach(brokers: int, port: int) -> int:
    """Start the same in a process of its own, and return when it is up; 0.

    Args:
        brokers: how many.
        port: of the first; 0 takes a free one.

    Raises:
        EmbeddedKafkaError: it cannot start.
    """
    command = [sys.executable, "-m", "locust_kafka", "broker", "--brokers", str(brokers), "--port", str(port)]
    with tempfile.NamedTemporaryFile("w+", prefix="locust-kafka-broker-", suffix=".log", delete=False) as log:
        # Its own session: neither Ctrl-C nor the end of a CI step reaches it.
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        assert child.stdout is not None
        bootstrap = child.stdout.readline().strip()
        if not bootstrap:
            child.wait()
            log.seek(0)
            raise EmbeddedKafkaError(log.read().strip().removeprefix("locust-kafka: ") or "Kafka did not start")
    print(bootstrap, flush=True)
    print(f"Apache Kafka is up; end it with: kill {child.pid} (it writes to {log.name})", file=sys.stderr)
    return 0
