"""Ctrl-C under gevent."""

from __future__ import annotations

import signal

import gevent


def interrupt_main_greenlet() -> None:
    """Have Ctrl-C raised in the main greenlet, never in one of ours that is in the middle of the books."""
    hub = gevent.get_hub()
    gevent.signal_handler(signal.SIGINT, lambda: hub.handle_system_error(KeyboardInterrupt, KeyboardInterrupt()))
