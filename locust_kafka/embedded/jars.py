"""Fetch Apache Kafka's jars by Maven coordinates and check each against its committed SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from locust_kafka.embedded.errors import EmbeddedKafkaError
from locust_kafka.embedded.lock import exclusive

if TYPE_CHECKING:
    from jgo.env import Environment

KAFKA_VERSION = "4.3.1"
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.apache.kafka:kafka-tools:{KAFKA_VERSION}"
    "+org.slf4j:slf4j-simple:1.7.36"
)
_NEEDS_JGO = "The embedded broker needs the package jgo: pip install 'locust-kafka[embedded]'"

Report = Callable[[str], None]


def kafka_jars(report: Report) -> list[Path]:
    """Return the class path of Apache Kafka, fetched on first use into the Maven and jgo caches.

    A jar with the wrong checksum (a download that broke off leaves one) is thrown away and fetched once more.
    One process at a time does this: two that wrote the same empty cache would spoil each other's files.

    Args:
        report: receives short lines about the download, or that another process holds the cache; not called when
            all is cached and nobody else looks.

    Raises:
        EmbeddedKafkaError: jgo is missing, the download failed, a checksum does not match, or another process held the
            cache for too long.
    """
    waiting = f"Another process checks or fetches Apache Kafka {KAFKA_VERSION}; waiting until it has done so ..."
    with exclusive(_lock_file(), lambda: report(waiting)):
        return _verified_jars(report)


def _lock_file() -> Path:
    try:
        from jgo.constants import default_jgo_cache  # imported late: an optional extra
    except ImportError as missing:
        raise EmbeddedKafkaError(_NEEDS_JGO) from missing
    return Path(default_jgo_cache()) / "locust-kafka.lock"


def _verified_jars(report: Report) -> list[Path]:
    expected = _committed_checksums()
    environment = _resolve(report, expected)
    broken = _broken(environment.all_jars, expected)
    if broken:
        _discard(environment, broken)
        environment = _resolve(report, expected)
        broken = _broken(environment.all_jars, expected)
    if broken:
        raise EmbeddedKafkaError(
            f"The checksum of {', '.join(sorted(broken))} is not the one committed for Apache Kafka {KAFKA_VERSION}: "
            "the package source serves something else. Nothing was started."
        )
    return list(environment.all_jars)


def _committed_checksums() -> dict[str, str]:
    """File name → SHA-256, from the list that ships beside this module (sha256sum's format)."""
    text = resources.files(__package__).joinpath(f"kafka-{KAFKA_VERSION}.sha256").read_text("ascii")
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


def _broken(jars: list[Path], expected: dict[str, str]) -> set[str]:
    """Names that are missing, unknown, or of other content than the committed one."""
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars}
    return {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}


def _resolve(report: Report, expected: dict[str, str]) -> Environment:
    import jgo
    from jgo.maven import PythonResolver

    progress = _Progress(report, total=len(expected))
    try:
        return jgo.build(COORDINATES, resolver=PythonResolver(progress_callback=progress.one_file))
    except Exception as failure:  # jgo raises RuntimeError, requests' errors, OSError: one sentence for all
        raise EmbeddedKafkaError(
            f"Apache Kafka {KAFKA_VERSION} could not be fetched: {failure}. "
            "It is needed once (55 MB), then taken from the cache; check the network or the Maven settings."
        ) from failure


def _discard(environment: Environment, names: set[str]) -> None:
    """Remove the named jars from both caches, so that the next use fetches them again."""
    from jgo.constants import default_maven_repo

    shutil.rmtree(environment.path, ignore_errors=True)
    for jar in default_maven_repo().rglob("*.jar"):
        if jar.name in names:
            jar.unlink(missing_ok=True)


class _Progress:
    """Count files as they arrive; a line for every tenth jar is enough to see that it goes on."""

    def __init__(self, report: Report, total: int) -> None:
        self._report = report
        self._total = total
        self._jars = 0
        self._bytes = 0

    @contextlib.contextmanager
    def one_file(self, name: str, _size: int) -> Iterator[Callable[[int], None]]:
        """Jgo's hook around one download: yields a function that takes the bytes as they come."""
        if self._jars == 0 and self._bytes == 0:
            self._report(f"Fetching Apache Kafka {KAFKA_VERSION} (55 MB, once) ...")
        yield self._add
        if name.endswith(".jar"):
            self._jars += 1
            if self._jars % 10 == 0:
                self._report(f"  {self._jars} of {self._total} jars, {self._bytes / 1e6:.0f} MB")

    def _add(self, count: int) -> None:
        self._bytes += count
