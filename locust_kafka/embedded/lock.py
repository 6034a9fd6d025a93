"""A lock between processes, so that two do not write the same cache at once."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from locust_kafka.embedded.errors import EmbeddedKafkaError

POLL_S = 0.1
UNNOTICED_S = 1.0
"""Checking a full cache takes less: such a wait needs no message."""
TIMEOUT_S = 900.0
"""A slow network needs minutes for 55 MB; a process that hangs must not stop all others for ever."""


@contextlib.contextmanager
def exclusive(path: Path, on_wait: Callable[[], None], timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Hold the lock file while the block runs; the lock ends with its process, however that ends.

    Without the lock the block runs too where the file cannot be written: nobody can change such a cache.

    Args:
        path: the lock file; it is created, and stays.
        on_wait: is called once if another process holds the lock for longer than a second.
        timeout_s: the longest wait, in seconds.

    Raises:
        EmbeddedKafkaError: another process held the lock for longer than `timeout_s`.
    """
    with contextlib.ExitStack() as open_files:  # closing the file gives the lock back
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open_files.enter_context(path.open("ab")).fileno()
        except OSError:
            file = None
        if file is not None:
            _await(path, file, on_wait, timeout_s)
        yield


def _await(path: Path, file: int, on_wait: Callable[[], None], timeout_s: float) -> None:
    """Poll for the lock: a system call that waits would stop gevent's hub, and could not time out."""
    begun = time.monotonic()
    told = False
    while not _taken(file):
        waited = time.monotonic() - begun
        if waited > timeout_s:
            raise EmbeddedKafkaError(f"Another process has held {path} for {timeout_s:.0f} s: end it, then start again")
        if waited > UNNOTICED_S and not told:
            told = True
            on_wait()
        time.sleep(POLL_S)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
