"""All targets."""

from __future__ import annotations

from tests.fuzz import files, messages, options, records

TARGETS = (*options.TARGETS, *records.TARGETS, *messages.TARGETS, *files.TARGETS)
