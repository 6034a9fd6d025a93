"""Asks this machine: its cores, how busy they are, its limits, and whether a collector listens."""

from __future__ import annotations

import base64
import math
import os
import re
import resource
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from locust_kafka.cli.doctor.facts import CpuTimes, EndpointFacts, MachineFacts
from locust_kafka.cli.doctor.judge_machine import HTTP, shares
from locust_kafka.telemetry.environment import by_otlp

LOCUSTS_OPEN_FILES = 10_000
"""Locust raises its own limit to this where the hard limit lets it."""
COLLECTOR_S = 2.0
SHORTEST_SECRET = 6
SIGNALS = ("traces", "metrics")


def cpu_times() -> CpuTimes | None:
    """The cores' times until now; None where /proc does not tell."""
    try:
        return parse_cpu_times(Path("/proc/stat").read_text("ascii", "replace"))
    except OSError:
        return None


def parse_cpu_times(text: str) -> CpuTimes | None:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (guests are in user)."""
    words = text.partition("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu" or not all(re.fullmatch("[0-9]{1,18}", word) for word in words[1:9]):
        return None
    ticks = [int(word) for word in words[1:9]]
    return CpuTimes(sum(ticks), sum(ticks) - ticks[3] - ticks[4] - ticks[7], ticks[7])


def ask_machine(before: CpuTimes | None, watched_s: float) -> MachineFacts:
    """What this machine is.

    Args:
        before: the cores' times when the watch began.
        watched_s: how long ago that was, in seconds.
    """
    found = shares(before, cpu_times())
    busy, stolen = found if found is not None else (None, None)
    return MachineFacts(_cores(), busy, stolen, watched_s, _open_files(), thread_limit())


def thread_limit() -> float:
    """How many threads a process may have, as the producers' pool looks at it; infinite when nobody says."""
    limits = [math.inf]
    if os.geteuid():  # root is exempt
        most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        limits.append(math.inf if most == resource.RLIM_INFINITY else most)
    text = _read("/sys/fs/cgroup/pids.max")
    limits.append(float(text) if text.isdigit() else math.inf)
    return min(limits)


def ask_endpoints(environ: Mapping[str, str]) -> list[EndpointFacts]:
    """Whether traces and metrics, where they are to be sent, are taken: an empty batch is sent, which adds nothing."""
    found = []
    for signal in SIGNALS:
        wanted, protocol = by_otlp(environ, signal.upper())
        if not wanted:
            continue
        url = _url(environ, signal)
        try:
            parts = urlsplit(url)
            shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        except ValueError:
            found.append(EndpointFacts(signal, protocol, "the endpoint", None, "it is no URL"))
            continue
        if protocol != HTTP:
            found.append(EndpointFacts(signal, protocol, shown))
            continue
        status, failure = _post(environ, signal, parts)
        found.append(EndpointFacts(signal, protocol, shown, status, failure))
    return found


def endpoint_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """What must not be shown of the OTLP variables, under names that `mask` takes for secret.

    A short header, such as `x-tenant=1`, is none, and would be masked wherever a 1 stands.
    """
    secrets = {}
    for signal in SIGNALS:
        for at, value in enumerate(_headers(environ, signal).values()):
            secrets[f"secret.{signal}.header.{at}"] = value if len(value) >= SHORTEST_SECRET else ""
        try:
            secrets[f"secret.{signal}.password"] = urlsplit(_url(environ, signal)).password or ""
        except ValueError:
            continue
    return secrets


def _url(environ: Mapping[str, str], signal: str) -> str:
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or "http://localhost:4318"
    return own or f"{base.rstrip('/')}/v1/{signal}"


def _variable(environ: Mapping[str, str], signal: str, name: str) -> str:
    return environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}") or ""


def _headers(environ: Mapping[str, str], signal: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in _variable(environ, signal, "HEADERS").split(","))
    return {unquote(name).strip(): unquote(value).strip() for name, sign, value in pairs if sign and name.strip()}


def _post(environ: Mapping[str, str], signal: str, parts: SplitResult) -> tuple[int | None, str]:
    """The status of the answer to an empty batch, or why there is none; no text of an exception that holds a header."""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None, "it is no http or https URL"
    headers = {**_headers(environ, signal), "Content-Type": "application/x-protobuf"}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode("utf-8", "surrogateescape")
        headers.setdefault("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        context = ssl.create_default_context(cafile=_variable(environ, signal, "CERTIFICATE") or None)
        if certificate := _variable(environ, signal, "CLIENT_CERTIFICATE"):
            context.load_cert_chain(certificate, _variable(environ, signal, "CLIENT_KEY") or None)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        with opener.open(urllib.request.Request(url, b"", headers), timeout=COLLECTOR_S) as answer:
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except urllib.error.URLError as error:
        return None, _reason(error.reason)
    except OSError as error:
        return None, _reason(error)
    except HTTPException:
        return None, "what answers there does not speak HTTP"
    except ValueError:
        return None, "its address or a header cannot be sent"


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {COLLECTOR_S:g} s"
    if isinstance(error, ConnectionResetError):  # RemoteDisconnected is one
        return "it closed the connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _cores() -> float:
    """The cores that the scheduler and the container's quota leave to this process."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity is not None else os.cpu_count() or 1)
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:  # the first version of control groups
        quota, period = _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), _read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period):
        cores = min(cores, int(quota) / int(period))
    return cores


def _open_files() -> float:
    """As Locust will have it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return math.inf
    return max(soft, LOCUSTS_OPEN_FILES) if hard == resource.RLIM_INFINITY or hard >= LOCUSTS_OPEN_FILES else soft


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii", "replace").strip()
    except OSError:
        return ""
