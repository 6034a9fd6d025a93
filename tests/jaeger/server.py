"""A real Jaeger for the tests: built once from the Go module proxy, kept outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.support import Process, await_answer, free_port

VERSION = "1.76.0"
HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "locust-kafka"
BINARY = CACHE / f"jaeger-{VERSION}" / "jaeger"


def build() -> None:
    """Compile it if it is not there; the committed go.sum has every module's checksum."""
    if BINARY.exists():
        return
    print(f"building Jaeger {VERSION}, once: some five minutes", flush=True)
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    unfinished = BINARY.with_suffix(f".{os.getpid()}")
    command = ["go", "build", "-trimpath", "-o", str(unfinished), "github.com/jaegertracing/jaeger/cmd/jaeger"]
    try:
        subprocess.run(command, cwd=HERE, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    except FileNotFoundError:
        sys.exit("building Jaeger needs Go (go.dev): install it, or put a jaeger binary at " + str(BINARY))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Jaeger could not be built: go ended with {error.returncode}")
    unfinished.replace(BINARY)


class Jaeger:
    """Jaeger in memory: OTLP/HTTP in, the query API out."""

    def __init__(self) -> None:
        assert BINARY.exists(), f"no Jaeger at {BINARY}: run `make jaeger`"
        self.otlp_port, self._query_port = free_port(), free_port()
        self._process = Process(
            [str(BINARY), "--config", str(HERE / "config.yaml")], JAEGER_OTLP_PORT=str(self.otlp_port),
            JAEGER_QUERY_PORT=str(self._query_port), JAEGER_QUERY_GRPC_PORT=str(free_port()),
            OTEL_TRACES_SAMPLER="always_off",
        )  # fmt: skip
        await_answer(f"http://127.0.0.1:{self._query_port}/api/v3/services")

    @property
    def environment(self) -> dict[str, str]:
        """What makes an OpenTelemetry citizen send its spans here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.otlp_port}", "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def trace(self, trace_id: str, spans: int, timeout_s: float = 20) -> Trace:
        """A trace, as soon as it has so many spans; more are a failure of whoever asks."""
        deadline = time.monotonic() + timeout_s
        while True:
            trace = Trace(self._fetch(trace_id))
            if len(trace.spans) >= spans:
                return trace
            assert time.monotonic() < deadline, f"{trace_id} has not {spans} spans:\n{trace}\n{self._process.output}"
            time.sleep(0.2)

    def operations(self, service: str) -> set[str]:
        """Names of all spans of a service."""
        answer = json.loads(await_answer(f"http://127.0.0.1:{self._query_port}/api/v3/operations?service={service}"))
        return {operation["name"] for operation in answer.get("operations", [])}

    def _fetch(self, trace_id: str) -> dict[str, Any]:
        try:
            url = f"http://127.0.0.1:{self._query_port}/api/traces/{trace_id}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)["data"][0]
                return found
        except urllib.error.HTTPError:
            return {"spans": [], "processes": {}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(*error)


class JaegerSpan:
    """A span as Jaeger's API shows it; instants in µs."""

    def __init__(self, data: dict[str, Any], service: str) -> None:
        self.name: str = data["operationName"]
        self.service = service
        self.id: str = data["spanID"]
        references = {kind: [r["spanID"] for r in data["references"] if r["refType"] == kind] for kind in REFERENCES}
        self.links: list[str] = references["FOLLOWS_FROM"]
        # A parent that is linked too is shown as one reference, the link.
        self.parent: str | None = next(iter(references["CHILD_OF"] or self.links), None)
        self.start: int = data["startTime"]
        self.end: int = data["startTime"] + data["duration"]
        self.tags: dict[str, Any] = {tag["key"]: tag["value"] for tag in data["tags"]}
        self.warnings: list[str] = data["warnings"] or []
        self.events: dict[str, tuple[int, dict[str, Any]]] = {}
        for log in data["logs"] or []:
            fields = {field["key"]: field["value"] for field in log["fields"]}
            self.events[fields.pop("event")] = (log["timestamp"], fields)


REFERENCES = ("CHILD_OF", "FOLLOWS_FROM")


class Trace:
    """All spans of a trace, in the order of their start."""

    def __init__(self, data: dict[str, Any]) -> None:
        processes = data["processes"]
        spans = [JaegerSpan(span, processes[span["processID"]]["serviceName"]) for span in data["spans"]]
        self.spans = sorted(spans, key=lambda span: (span.start, -span.end))

    def __getitem__(self, name: str) -> JaegerSpan:
        """The one span whose name begins so."""
        (found,) = [span for span in self.spans if span.name.startswith(name)]
        return found

    def all(self, name: str) -> list[JaegerSpan]:
        return [span for span in self.spans if span.name.startswith(name)]

    @property
    def warnings(self) -> list[str]:
        return [warning for span in self.spans for warning in span.warnings]

    def __str__(self) -> str:
        first = min((span.start for span in self.spans), default=0)
        return "\n".join(
            f"{span.start - first:>9} {span.end - first:>9} µs {span.service:<13} {span.name:<34} {span.id} "
            f"under {span.parent} {span.tags} {span.events} {span.warnings}"
            for span in self.spans
        )


if __name__ == "__main__":
    build()
