"""Ctrl-C under gevent."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import gevent


def interrupt_main_greenlet() -> Callable[..., None]:
    """Have Ctrl-C raised in the main greenlet, never in one of ours that is in the middle of the books.

    Returns:
        Puts back the handler that was there before.
    """
    hub = gevent.get_hub()
    before = signal.getsignal(signal.SIGINT)
    watcher: Any = gevent.signal_handler(
        signal.SIGINT, lambda: hub.handle_system_error(KeyboardInterrupt, KeyboardInterrupt())
    )

    def restore(**_kwargs: Any) -> None:
        watcher.cancel()
        if before is not None:
            signal.signal(signal.SIGINT, before)

    return restore
