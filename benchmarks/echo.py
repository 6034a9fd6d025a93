"""The light echo of the benchmarks: a Java program of one file, compiled as it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from locust_kafka.embedded.jars import kafka_jars
from tests.support import Process

SOURCE = Path(__file__).with_name("Echo.java")


def echo(bootstrap: str, topics: tuple[str, str], delay_ms: float = 0) -> Process:
    """Start it and wait until it listens; it answers that long after it has polled a request."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        raise SystemExit("the benchmarks' echo is Java source: a JDK of version 17 or newer must be on the PATH")
    jars = ":".join(str(jar) for jar in kafka_jars(print))
    options = ["-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", jars]
    process = Process([java, *options, str(SOURCE), bootstrap, *topics, str(delay_ms)])
    process.await_line("ready")
    return process
