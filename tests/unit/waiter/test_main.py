"""What the waiter writes to its log."""

from __future__ import annotations

import logging
import sys

from waiter_service.__main__ import _MaskingFormatter


def test_no_line_and_no_traceback_shows_a_secret() -> None:
    """Message, arguments and traceback go through the mask; other settings stay readable."""
    formatter = _MaskingFormatter({"sasl.password": "hunter2\\x", "client.id": "me"})
    try:
        int("hunter2\\x")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("n", logging.ERROR, "f", 1, "value %r of %s", ("hunter2\\x", "me"), error)
    text = formatter.format(record)
    assert "hunter2" not in text
    assert "value '***' of me" in text
    assert "Traceback" in text
