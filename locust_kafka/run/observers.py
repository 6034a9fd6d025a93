"""The observers of a run's exchanges: the exchange log, spans, metrics."""

from __future__ import annotations

from collections.abc import Callable

from locust_kafka.core.results import RunResults
from locust_kafka.errors import NotReady
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.report.exchange_log import ExchangeLog
from locust_kafka.settings import Settings
from locust_kafka.telemetry import otlp_metrics, tracer


def open_log(path: str, recorder: Recorder) -> None:
    """Keep an exchange log, unless the path is "".

    Raises:
        NotReady: the file cannot be written.
    """
    if not path:
        return
    try:
        recorder.observe(ExchangeLog(path, recorder.measure))
    except OSError as error:
        raise NotReady(f"--kafka-exchange-log {path!r} cannot be written: {error}") from error


def open_telemetry(
    settings: Settings, share: float, recorder: Recorder, results: Callable[[], RunResults], *, ours: bool
) -> tracer.Tracer | None:
    """Send spans and metrics where OpenTelemetry's environment says.

    Args:
        settings: the run's.
        share: this process's part of the caps.
        recorder: calls the observers.
        results: gives the results up to now.
        ours: whether correlation ids are trace ids.

    Returns:
        Decides at each request whether it is sampled; None when spans have nowhere to go.
    """
    traces = tracer.start(settings, share, recorder.results, recorder.measure, ours=ours)
    if traces is not None:
        recorder.observe(traces)
        recorder.only_kept_examples = True
        recorder.results.trace_url = settings.trace_url
    push = otlp_metrics.start(results)
    if push is not None:
        recorder.observe(push)
    return traces
