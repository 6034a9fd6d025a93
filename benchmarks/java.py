"""Java programs of one file beside the benchmarks: compiled as they start, with Apache Kafka's own client."""

from __future__ import annotations

import shutil
from pathlib import Path

from locust_kafka.embedded.jars import kafka_jars
from tests.support import Process


def java(source: str, *arguments: str, options: tuple[str, ...] = ()) -> Process:
    """Start one; `options` are the JVM's."""
    command = shutil.which("java")
    if command is None or shutil.which("javac") is None:
        raise SystemExit("the benchmarks' echo is Java source: a JDK of version 17 or newer must be on the PATH")
    jars = ":".join(str(jar) for jar in kafka_jars(print))
    quiet = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", jars]
    return Process([command, *options, *quiet, str(Path(__file__).with_name(source)), *arguments])
