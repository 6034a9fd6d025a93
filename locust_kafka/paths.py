"""Where output goes: refused before a run, in a sentence, rather than after it."""

from __future__ import annotations

import os
from pathlib import Path

from locust_kafka.errors import SettingsError


def writable_file(path: str, what: str) -> str:
    """Check that a file can be written there; "" is none.

    Raises:
        SettingsError: its folder does not exist, it is a folder, or the name is impossible.
    """
    try:
        if path and not Path(path).resolve().parent.is_dir():
            raise SettingsError(f"{what} {path!r}: its folder does not exist; create it first")
        if path and Path(path).is_dir():
            raise SettingsError(f"{what} {path!r} is a folder: give a file's name")
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be looked into
        raise SettingsError(f"{what} {path!r} cannot be written: {_words(error)}; give another file") from error
    return path


def writable_folder(path: str, what: str) -> str:
    """Check that a folder is there, or can be made, and can be written to; "" is none.

    Raises:
        SettingsError: it is a file, its parent does not exist, or nothing can be written there.
    """
    try:
        folder = Path(path).resolve()
        if path and folder.exists() and not folder.is_dir():
            raise SettingsError(f"{what} {path!r} is a file: give a folder's name")
        if path and not folder.exists() and not folder.parent.is_dir():
            raise SettingsError(f"{what} {path!r}: the folder above it does not exist; create it first")
        if path and not os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK):
            raise SettingsError(f"{what} {path!r} cannot be written to: give another folder")
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what} {path!r} cannot be written: {_words(error)}; give another folder") from error
    return path


def _words(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
