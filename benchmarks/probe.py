"""What processes use in a window, read from outside: psutil and /proc, so Linux only."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil


class Reading(NamedTuple):
    """What some processes had used when it was taken."""

    at_s: float
    cpu_s: float
    switches: dict[int, int]
    """Context switches by thread; those of a thread that has ended are gone."""
    main_ns: dict[int, tuple[int, int]]
    """For each process, how long its main thread ran and how long it waited for a core."""
    rss_mb: float
    threads: dict[int, tuple[str, float, float]] = {}  # noqa: RUF012 - never changed
    """By thread: its kind, and the CPU seconds in its own code and in the kernel."""


class Usage(NamedTuple):
    """Between two readings."""

    seconds: float
    cpu_s: float
    switches: int
    hub_run: float
    """The share of the time that the busiest process's main thread ran; gevent's hub is there."""
    hub_wait: float
    """The share that the same thread could have run, but had no core."""
    rss_mb: float
    by_kind: dict[str, tuple[float, float]] = {}  # noqa: RUF012 - never changed
    """CPU seconds of each kind of thread, in its own code and in the kernel."""


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def read(processes: Sequence[psutil.Process]) -> Reading:
    at_s = time.perf_counter()
    cpu_s = sum(sum(process.cpu_times()[:2]) for process in processes)
    main_ns = {process.pid: _schedule_ns(process.pid) for process in processes}
    switches = {thread: count for process in processes for thread, count in _switches(process.pid)}
    threads = {thread: spent for process in processes for thread, spent in _threads_cpu_s(process)}
    rss_mb = sum(process.memory_info().rss for process in processes) / 1e6
    return Reading(at_s, cpu_s, switches, main_ns, rss_mb, threads)


def between(begin: Reading, end: Reading) -> Usage:
    seconds = end.at_s - begin.at_s
    run_ns, wait_ns = max((ran - begin.main_ns[pid][0], waited - begin.main_ns[pid][1])
                          for pid, (ran, waited) in end.main_ns.items())  # fmt: skip
    switches = sum(count - begin.switches.get(thread, 0) for thread, count in end.switches.items())
    shares = run_ns / 1e9 / seconds, wait_ns / 1e9 / seconds
    by_kind: dict[str, tuple[float, float]] = {}
    for thread, (kind, user_s, system_s) in end.threads.items():
        _, user_before_s, system_before_s = begin.threads.get(thread, (kind, 0.0, 0.0))
        so_far = by_kind.get(kind, (0.0, 0.0))
        by_kind[kind] = so_far[0] + user_s - user_before_s, so_far[1] + system_s - system_before_s
    return Usage(seconds, end.cpu_s - begin.cpu_s, switches, *shares, end.rss_mb, by_kind)


@contextlib.contextmanager
def cores_apart(services: Sequence[psutil.Process]) -> Iterator[None]:
    """The services on one core; what this thread starts meanwhile on another."""
    everything = os.sched_getaffinity(0)
    tools, theirs = min(everything), max(everything)
    try:
        for thread in _threads(services):
            os.sched_setaffinity(thread, {theirs})
        os.sched_setaffinity(0, {tools})
        yield
    finally:
        os.sched_setaffinity(0, everything)
        for thread in _threads(services):
            os.sched_setaffinity(thread, everything)


def _threads(processes: Sequence[psutil.Process]) -> list[int]:
    return [int(task.name) for process in processes for task in Path(f"/proc/{process.pid}/task").iterdir()]


def _threads_cpu_s(process: psutil.Process) -> Iterator[tuple[int, tuple[str, float, float]]]:
    for thread in process.threads():
        with contextlib.suppress(OSError):  # it may end while it is looked at
            name = Path(f"/proc/{process.pid}/task/{thread.id}/comm").read_text().strip()
            kind = "hub" if thread.id == process.pid else "librdkafka" if name.startswith("rdk:") else "other"
            yield thread.id, (kind, thread.user_time, thread.system_time)


def _schedule_ns(pid: int) -> tuple[int, int]:
    ran, waited, _slices = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    return int(ran), int(waited)


def _switches(pid: int) -> Iterator[tuple[int, int]]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end while it is looked at
            lines = (task / "status").read_text().splitlines()
            yield int(task.name), sum(int(line.split()[1]) for line in lines if "voluntary_ctxt_switches" in line)
