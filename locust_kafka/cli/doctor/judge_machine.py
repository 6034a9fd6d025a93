"""Judges this machine, the load it is to make, and where traces and metrics are sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from locust_kafka.cli.doctor.facts import ClusterFacts, CpuTimes, EndpointFacts, MachineFacts, Plan
from locust_kafka.cli.doctor.findings import Finding, Level
from locust_kafka.kafka.pool import FILES_FOR_THE_REST, FILES_PER_PRODUCER, THREADS_PER_PRODUCER

MACHINE, TELEMETRY = "machine", "telemetry"
NOTED_STEAL, MAX_STEAL = 0.01, 0.05
"""Shares of the time that the host gives to others: seen in the latencies, and spoiling them."""
MAX_BUSY = 0.5
"""Share of the cores that others may have."""
MAX_PROCESS_RATE = 5000.0
"""Requests a second for one process; docs/performance.md has what was measured."""
HTTP = "http/protobuf"


def judge_machine(plan: Plan, cluster: ClusterFacts, machine: MachineFacts) -> Iterator[Finding]:
    """Cores, what else runs here, and the limits of a process against the users.

    Args:
        plan: the run that is wanted.
        cluster: each producer connects to all of its brokers.
        machine: what was seen.
    """
    yield _cores(plan, machine)
    yield _stolen(machine)
    yield _busy(machine)
    brokers = max(1, cluster.brokers)
    yield _limit(
        plan, machine.open_files, FILES_PER_PRODUCER + brokers, FILES_FOR_THE_REST, brokers,
        "open files", "raise it: ulimit -n",
    )  # fmt: skip
    yield _limit(
        plan, machine.threads, THREADS_PER_PRODUCER + brokers, 0, brokers,
        "threads", "raise it: ulimit -u, or the container's pids limit",
    )  # fmt: skip
    if plan.peak_rate is not None:
        yield from _rate(plan, plan.peak_rate)


def shares(before: CpuTimes | None, after: CpuTimes | None) -> tuple[float, float] | None:
    """The share of the time between two looks in which the cores were at work, and which the host took."""
    if before is None or after is None or after.total <= before.total:
        return None
    total = after.total - before.total
    return (after.busy - before.busy) / total, (after.stolen - before.stolen) / total


def _cores(plan: Plan, machine: MachineFacts) -> Finding:
    cores = f"{machine.cores:g} core{'' if machine.cores == 1 else 's'}"
    if plan.workers > machine.cores:
        return Finding(
            MACHINE, Level.WARNING, "cores", f"{cores} for {plan.workers} workers, should they all run here: a process "
            "uses one core", f"start {max(1, math.floor(machine.cores))} here (--processes), and others elsewhere",
        )  # fmt: skip
    if machine.cores < 1:
        return Finding(
            MACHINE, Level.WARNING, "cores", f"{cores}, less than one: the process is halted in between, and what it "
            "waits then looks like latency", "give the container at least one whole CPU",
        )  # fmt: skip
    return Finding(MACHINE, Level.OK, "cores", f"{cores} for {plan.workers} process{'' if plan.workers == 1 else 'es'}")


def _stolen(machine: MachineFacts) -> Finding:
    if machine.stolen is None:
        return Finding(MACHINE, Level.NOTE, "CPU steal", "not known on this system")
    words = f"{machine.stolen:.1%} of {machine.watched_s:.1f} s"
    remedy = "take another machine, or one whose cores are its own"
    if machine.stolen > MAX_STEAL:
        words += f", more than {MAX_STEAL:.0%}: the host gives the cores to others, and latencies show it"
        return Finding(MACHINE, Level.WARNING, "CPU steal", words, remedy)
    if machine.stolen > NOTED_STEAL:
        words += f", more than {NOTED_STEAL:.0%}: high percentiles may show it"
        return Finding(MACHINE, Level.NOTE, "CPU steal", words, remedy)
    return Finding(MACHINE, Level.OK, "CPU steal", words)


def _busy(machine: MachineFacts) -> Finding:
    if machine.busy is None:
        return Finding(MACHINE, Level.NOTE, "CPU in use", "not known on this system")
    words = f"{machine.busy:.0%} of {machine.watched_s:.1f} s"
    if machine.busy > MAX_BUSY:
        words += f", more than {MAX_BUSY:.0%}: something else runs here, and latencies will show it"
        return Finding(MACHINE, Level.WARNING, "CPU in use", words, "end what else runs here, or take another machine")
    return Finding(MACHINE, Level.OK, "CPU in use", words)


def _limit(plan: Plan, limit: float, each: int, rest: int, brokers: int, subject: str, remedy: str) -> Finding:
    """A limit of the process against what a producer for each user takes."""
    shown = "no limit" if math.isinf(limit) else f"{limit:.0f}"
    room = math.inf if math.isinf(limit) else max(0, math.floor((limit - rest) / each))
    takes = f"a producer takes {each} with {brokers} broker{'' if brokers == 1 else 's'}"
    if plan.users is None:
        enough = "" if math.isinf(room) else f": room for {room:.0f} users a process, each with a producer of its own"
        return Finding(MACHINE, Level.OK, subject, f"{shown}{enough} ({takes})")
    users = math.ceil(plan.users / plan.workers)
    needed = f"{users} users a process need {users * each + rest} ({takes})"
    if users > room:
        return Finding(
            MACHINE, Level.WARNING, subject, f"{needed}, more than the limit of {shown}: the run would end as invalid",
            f'{remedy}; or set producers = "shared" on the user class; or take more workers',
        )  # fmt: skip
    return Finding(MACHINE, Level.OK, subject, f"{shown}; {needed}")


def _rate(plan: Plan, rate: float) -> Iterator[Finding]:
    each = rate / plan.workers
    words = f"{rate:g} a second at the peak, {each:g} for each of {plan.workers} processes"
    if plan.workers == 1:
        words = f"{rate:g} a second at the peak, by one process"
    if each > MAX_PROCESS_RATE:
        yield Finding(
            MACHINE, Level.WARNING, "rate", f"{words}: more than {MAX_PROCESS_RATE:g} may be late",
            f"take {math.ceil(rate / MAX_PROCESS_RATE)} workers or more",
        )  # fmt: skip
    else:
        yield Finding(MACHINE, Level.OK, "rate", words)
    if plan.users is None or not rate:
        return
    each_s = plan.users / rate
    words = f"{plan.users} users at {rate:g} a second: a request may take a user {each_s:.3g} s"
    if each_s < plan.reply_timeout_s:
        yield Finding(
            MACHINE, Level.NOTE, "users", f"{words}, less than the reply timeout of {plan.reply_timeout_s:g} s; when "
            "the service is slower, arrivals wait for a user, and count from when they were due",
            f"to have a user for each up to the timeout take {math.ceil(rate * plan.reply_timeout_s)} users",
        )  # fmt: skip
    else:
        yield Finding(MACHINE, Level.OK, "users", f"{words}, the reply timeout is {plan.reply_timeout_s:g} s")


def judge_telemetry(endpoints: Iterable[EndpointFacts]) -> Iterator[Finding]:
    """Whether what is to be sent by OTLP has somebody who takes it; a run goes on without."""
    asked = list(endpoints)
    if not asked:
        words = "OTEL_EXPORTER_OTLP_ENDPOINT is not set: no traces and metrics are sent"
        yield Finding(TELEMETRY, Level.OK, "OTLP", words)
    for endpoint in asked:
        level, words, remedy = _endpoint(endpoint)
        yield Finding(TELEMETRY, level, endpoint.signal, words, remedy)


def _endpoint(endpoint: EndpointFacts) -> tuple[Level, str, str]:
    if endpoint.protocol != HTTP:
        variable = f"OTEL_EXPORTER_OTLP_{endpoint.signal.upper()}_PROTOCOL"
        return (
            Level.WARNING, f"are not sent: OTLP by {endpoint.protocol!r} is not used inside Locust",
            f"set {variable}={HTTP} and an endpoint that speaks it, usually port 4318",
        )  # fmt: skip
    if endpoint.failure:
        return (
            Level.WARNING, f"{endpoint.url} cannot be used ({endpoint.failure}): {endpoint.signal} will be lost",
            "start the collector there, or correct OTEL_EXPORTER_OTLP_ENDPOINT",
        )  # fmt: skip
    if endpoint.status is None or not 200 <= endpoint.status < 300:
        remedy = "see whether an OTLP receiver for HTTP listens there, and its log"
        if endpoint.status in (401, 403):
            remedy = "correct the credentials in OTEL_EXPORTER_OTLP_HEADERS"
        elif endpoint.status == 404:
            remedy = "correct the path: OTEL_EXPORTER_OTLP_ENDPOINT is without /v1/traces and the like"
        words = f"{endpoint.url} answered with HTTP status {endpoint.status}: {endpoint.signal} will be lost"
        return Level.WARNING, words, remedy
    return Level.OK, f"{endpoint.url} answers", ""
