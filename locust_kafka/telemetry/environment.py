"""OpenTelemetry's own environment variables, as its specification names them.

Tracing is on when there is somewhere to send spans: an endpoint or `OTEL_TRACES_EXPORTER=otlp` in the environment, or
the provider that `locust --otel` has set.  `OTEL_SDK_DISABLED=true` turns it off.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider

from locust_kafka.telemetry import conventions as c

logger = logging.getLogger("locust_kafka")

HTTP = "http/protobuf"
SERVICE = "locust-kafka"


@dataclass(frozen=True, slots=True)
class TraceEnvironment:
    """What the environment says about traces.

    Attributes:
        export: whether spans are to be sent by us.
        ratio: share of exchanges to sample at their start.
        warnings: sentences for the log.
    """

    export: bool
    ratio: float
    warnings: tuple[str, ...]


def read(environ: Mapping[str, str]) -> TraceEnvironment:
    """Read the variables; a value that cannot be used is warned about and passed over, as the specification asks."""
    warnings: list[str] = []
    ratio = _ratio(environ, warnings)
    wanted, protocol = by_otlp(environ, "TRACES")
    if wanted and protocol != HTTP:
        wanted = False
        warnings.append(
            f"OTLP by {protocol!r} is not used inside Locust (a gRPC call to a collector that hangs stops every user): "
            "no spans are sent. Set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf and an endpoint that speaks it, "
            "usually port 4318"
        )
    return TraceEnvironment(wanted, ratio, tuple(warnings))


def by_otlp(environ: Mapping[str, str], signal: str) -> tuple[bool, str]:
    """Whether a signal, TRACES or METRICS, is to be sent by OTLP, and by which protocol."""
    listed = environ.get(f"OTEL_{signal}_EXPORTER", "").split(",")
    exporters = {part.strip().lower() for part in listed if part.strip()}
    endpoint = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    wanted = "otlp" in exporters or (not exporters and bool(endpoint))
    return wanted and not disabled(environ), (protocol or HTTP).strip().lower()


def disabled(environ: Mapping[str, str]) -> bool:
    """Whether OTEL_SDK_DISABLED turns everything off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def locusts_provider() -> TracerProvider | None:
    """The provider that `locust --otel` (or a locustfile) has set; None when there is none that sends anything.

    Without the exporter's package, or with OTEL_TRACES_EXPORTER=none, Locust sets one that has no processor.
    """
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return None
    processors = provider._active_span_processor._span_processors  # noqa: SLF001 - there is no public way to ask
    for processor in processors:
        if ".grpc." in type(getattr(processor, "span_exporter", None)).__module__:
            logger.warning(
                "Locust sends spans by OTLP over gRPC: a collector that hangs stops every user. "
                "Set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf and an endpoint that speaks it, usually port 4318"
            )
    return provider if processors else None


def resource() -> Resource:
    """Who sends the spans: our name unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise.

    `host.name` tells trace stores which spans share a clock; Jaeger's UI looks at `ip` for the same.  Without them it
    takes every process for a host of its own, and a service's ack that comes after its reply for skew.
    """
    ours = Resource({
        c.SERVICE_NAME: SERVICE, c.SERVICE_INSTANCE: _instance_id(os.getpid()), c.HOST_NAME: socket.gethostname(),
        **({c.IP: address} if (address := _address()) else {}),
    })  # fmt: skip
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


@cache
def _instance_id(_process: int) -> str:
    """One for each process, forks included, whatever it sends."""
    return str(uuid.uuid4())


class _Once(logging.Filter):
    """Lets each thing pass once a run."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        new = record.msg not in self.said
        self.said.add(record.msg)
        return new


def say_once(logger_name: str) -> None:
    """Let a logger of the exporters say each thing once from now on: that a collector is away it says at each batch."""
    exporters = logging.getLogger(logger_name)
    for old in [each for each in exporters.filters if isinstance(each, _Once)]:
        exporters.removeFilter(old)
    exporters.addFilter(_Once())


def _address() -> str:
    """This host's own address towards others; "" when it has none.  Connecting UDP sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation, RFC 5737
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _ratio(environ: Mapping[str, str], warnings: list[str]) -> float:
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower().removeprefix("parentbased_")
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if sampler in ("", "always_on"):
        return 1.0
    if sampler == "always_off":
        return 0.0
    if sampler != "traceidratio":
        warnings.append(f"OTEL_TRACES_SAMPLER {sampler!r} is unknown here: all exchanges may be sampled")
        return 1.0
    try:
        ratio = float(argument or 1)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        warnings.append(f"OTEL_TRACES_SAMPLER_ARG {argument!r} is no number from 0 to 1: 1 is used")
        return 1.0
    return ratio
