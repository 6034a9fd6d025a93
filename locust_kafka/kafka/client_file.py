"""The file of client settings that `--kafka-config` names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from locust_kafka.errors import SettingsError
from locust_kafka.kafka.properties import Properties, PropertiesError, read_properties

MAX_FILE_BYTES = 2_000_000
"""Certificates may stand in it; a device that never ends is no such file."""


def read_client_file(path: str, source: str, environ: Mapping[str, str]) -> Properties:
    """Read a file of client settings.

    Args:
        path: where it is.
        source: who named it, for sentences.
        environ: the variables that it may name.

    Raises:
        SettingsError: it cannot be read, is too large, or asks for something that librdkafka does not have.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{source} {path!r} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a zero in it
        raise SettingsError(f"{source} {path!r} is no path: {error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{source} {path!r} is no file of client settings: it has more than {MAX_FILE_BYTES} bytes")
    try:
        return read_properties(data, environ, path)
    except PropertiesError as refused:
        raise SettingsError(str(refused)) from None
