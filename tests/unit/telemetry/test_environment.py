"""OpenTelemetry's own variables decide, as its specification says; what cannot be used is said and passed over."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from locust_kafka.telemetry import conventions as c
from locust_kafka.telemetry import environment
from locust_kafka.telemetry.environment import by_otlp, disabled, locusts_provider, read, resource, say_once

VALUES = {
    "OTEL_SDK_DISABLED": ["", "true", " TRUE ", "false", "1"],
    "OTEL_TRACES_EXPORTER": ["", "otlp", "none", "console", " console , OTLP "],
    "OTEL_EXPORTER_OTLP_ENDPOINT": ["", "http://collector:4318"],
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ["", "http://traces:4318/v1/traces"],
    "OTEL_EXPORTER_OTLP_PROTOCOL": ["", "grpc", " HTTP/protobuf "],
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": ["", "http/protobuf", "http/json"],
    "OTEL_TRACES_SAMPLER": ["", "always_on", "always_off", "ParentBased_TraceIdRatio", "traceidratio", "jaeger_remote"],
    "OTEL_TRACES_SAMPLER_ARG": ["", "0", "0.25", "1", "2", "-0.1", "nan", "half"],
}
ENVIRONMENTS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


def ratio_of(argument: str) -> dict[str, str]:
    return {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}


def test_the_environment_decides_as_opentelemetry_says() -> None:
    """Endpoint, exporter, switch, sampler and protocol; what cannot be used is warned about and passed over."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    for variables, export, ratio, warned in (
        ({}, False, 1.0, ""),
        (endpoint, True, 1.0, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, 1.0, ""),
        ({**endpoint, "OTEL_TRACES_EXPORTER": "none"}, False, 1.0, ""),
        ({**endpoint, "OTEL_SDK_DISABLED": "True"}, False, 1.0, ""),
        ({**endpoint, "OTEL_TRACES_SAMPLER": "always_off"}, True, 0.0, ""),
        ({**endpoint, **ratio_of("0.25"), "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, True, 0.25, ""),
        ({**endpoint, **ratio_of("0.25")}, True, 0.25, ""),
        ({**endpoint, **ratio_of("2")}, True, 1.0, "no number from 0 to 1"),
        ({**endpoint, **ratio_of("nan")}, True, 1.0, "no number from 0 to 1"),
        ({**endpoint, **ratio_of("half")}, True, 1.0, "no number from 0 to 1"),
        ({**endpoint, **ratio_of("")}, True, 1.0, ""),
        ({**endpoint, "OTEL_TRACES_SAMPLER": "jaeger_remote"}, True, 1.0, "unknown here"),
        ({**endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False, 1.0, "http/protobuf"),
    ):  # fmt: skip
        read = environment.read(variables)
        assert (read.export, read.ratio) == (export, ratio), variables
        assert warned in "".join(read.warnings)
        assert bool(read.warnings) == bool(warned)


@given(ENVIRONMENTS)
def test_an_empty_variable_is_an_unset_one(variables: dict[str, str]) -> None:
    """The specification asks for it; and what the variables of one signal say goes before those of all."""
    assert read(variables) == read({name: value for name, value in variables.items() if value})
    found = read(variables)
    assert 0 <= found.ratio <= 1
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        assert disabled(variables)
        assert not found.export
    protocol = variables.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or variables.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if found.export:
        assert (protocol or "http/protobuf").strip().lower() == "http/protobuf"
        exporters = variables.get("OTEL_TRACES_EXPORTER", "").lower()
        assert "otlp" in exporters or (
            not exporters and any("ENDPOINT" in name for name, on in variables.items() if on)
        )


@given(ENVIRONMENTS)
def test_metrics_follow_their_own_variables(variables: dict[str, str]) -> None:
    """What is said of traces says nothing of metrics; the common endpoint and the switch are for both."""
    common = {name: value for name, value in variables.items() if "TRACES" not in name}
    assert by_otlp(variables, "METRICS") == by_otlp(common, "METRICS")
    renamed = {name.replace("TRACES", "METRICS"): value for name, value in variables.items()}
    assert by_otlp(renamed, "METRICS") == by_otlp(variables, "TRACES")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    return monkeypatch


def test_who_sends_is_said_once_and_can_be_renamed(clean: pytest.MonkeyPatch) -> None:
    """Our name, host and an id of the process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before ours."""
    first, second = resource().attributes, resource().attributes
    assert first == second
    assert first[c.SERVICE_NAME] == "locust-kafka"
    assert first[c.HOST_NAME]
    assert len(str(first[c.SERVICE_INSTANCE])) == 36
    clean.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=elsewhere,service.name=loser,team=load")
    clean.setenv("OTEL_SERVICE_NAME", "guests")
    renamed = resource().attributes
    assert (renamed[c.SERVICE_NAME], renamed[c.HOST_NAME], renamed["team"]) == ("guests", "elsewhere", "load")
    assert renamed[c.SERVICE_INSTANCE] == first[c.SERVICE_INSTANCE]


def test_each_process_has_an_id_of_its_own() -> None:
    """A fork has another number, and with it another id."""
    assert environment._instance_id(1) != environment._instance_id(2)
    assert environment._instance_id(1) == environment._instance_id(1)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    found = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: found)
    yield found
    found.shutdown()


def test_a_provider_that_sends_nothing_is_none(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Locust's provider is used when it has a processor; spans for one without would go nowhere, unseen."""
    assert locusts_provider() is None
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    assert locusts_provider() is provider
    assert caplog.records == []
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    assert locusts_provider() is None


def test_a_provider_that_speaks_grpc_is_warned_about(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A gRPC call to a collector that hangs stops every user: the variable that helps is named."""
    exporter = type("OTLPSpanExporter", (InMemorySpanExporter,), {"__module__": "otlp.proto.grpc.trace_exporter"})()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    assert locusts_provider() is provider
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf" in caplog.text


def test_a_collector_that_is_away_is_said_once_a_run(caplog: pytest.LogCaptureFixture) -> None:
    """Each thing that an exporter logs passes once; the next run hears it again; other loggers are left alone."""
    exporters, others = logging.getLogger("some.exporter"), logging.getLogger("some.other")
    for run in (1, 2):
        say_once("some.exporter")
        for _ in range(5):
            exporters.warning("no route to %s", "host")
            exporters.warning("refused")
            others.warning("other")
        said = [record.getMessage() for record in caplog.records if record.name == "some.exporter"]
        assert said == ["no route to host", "refused"] * run
    assert caplog.text.count("other\n") == 10
    assert len(exporters.filters) == 1
