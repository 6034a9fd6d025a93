"""Where output goes: refused before a run, in a sentence, rather than after it; and never through a symbolic link.

In a folder that others may write to, a link that waits under a report's name would let a run overwrite any file of its
user's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import IO

from locust_kafka.errors import SettingsError
from locust_kafka.values import Given

LINK = "it is a symbolic link, and nothing is written through one"
PIPE = "it is a named pipe, where writing waits for a reader"


def writable_file(path: str, what: str) -> str:
    """Check that a file can be written there; "" is none.

    Raises:
        SettingsError: its folder does not exist, it is a folder or a symbolic link, or the name is impossible.
    """
    try:
        missing = path and not Path(path).resolve().parent.is_dir()
        folder, pipe = path and Path(path).is_dir(), path and Path(path).is_fifo()
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be looked into
        raise SettingsError(f"{what} {path!r} cannot be written: {_words(error)}; give another file") from error
    if missing:
        raise SettingsError(f"{what} {path!r}: its folder does not exist; create it first")
    if folder:
        raise SettingsError(f"{what} {path!r} is a folder: give a file's name")
    if pipe:
        raise SettingsError(f"{what} {path!r} is refused: {PIPE}; give a file's name")
    _refuse_link(path, what)
    return path


def refuse_same_file(*files: Given | None) -> None:
    """Refuse that one file is written twice, or read and written; "" and None are no file.

    Raises:
        SettingsError: two of them are the same.
    """
    known: dict[Path, str] = {}
    for value, source in [file for file in files if file is not None and str(file.value).strip()]:
        path = Path(str(value).strip())
        with contextlib.suppress(OSError, ValueError):  # an impossible name, which is refused for that
            path = path.resolve()
        if (other := known.setdefault(path, source)) != source:
            raise SettingsError(f"{other} and {source} are the same file {str(value)!r}: give each a file of its own")


def writable_folder(path: str, what: str) -> str:
    """Check that a folder is there, or can be made, and can be written to; "" is none.

    Raises:
        SettingsError: it is a file or a symbolic link, its parent does not exist, or nothing can be written there.
    """
    try:
        folder = Path(path).resolve()
        exists, is_folder = folder.exists(), folder.is_dir()
        missing = not exists and not folder.parent.is_dir()
        closed = not os.access(folder if exists else folder.parent, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{what} {path!r} cannot be written: {_words(error)}; give another folder") from error
    if path and exists and not is_folder:
        raise SettingsError(f"{what} {path!r} is a file: give a folder's name")
    if path and missing:
        raise SettingsError(f"{what} {path!r}: the folder above it does not exist; create it first")
    if path and closed:
        raise SettingsError(f"{what} {path!r} cannot be written to: give another folder")
    _refuse_link(path, what)
    return path


def open_output(path: str | Path, flags: int = os.O_TRUNC) -> IO[bytes]:
    """Open a file for writing; its permissions are the user's umask's.

    Args:
        path: whose last component is not followed when it is a symbolic link.
        flags: O_TRUNC for a file of its own, O_APPEND for one that is added to.

    Raises:
        OSError: it cannot be written, or is a symbolic link or a named pipe.
    """
    flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)  # a pipe without a reader is an error, not a wait
    except OSError as error:
        words = {errno.ELOOP: LINK, errno.ENXIO: PIPE}.get(error.errno or 0)
        if words is not None:
            raise OSError(error.errno, words, str(path)) from None
        raise
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, PIPE, str(path))
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def write_output(path: str | Path, text: str, flags: int = os.O_TRUNC) -> None:
    """Write a text in UTF-8, as `open_output` does; a file of its own is whole, or not there.

    Raises:
        OSError: as there.
    """
    with open_output(path, flags) as out:
        try:
            out.write(text.encode())
            out.flush()
        except OSError:  # a full disk, say: half a document would be taken for one
            if flags == os.O_TRUNC and stat.S_ISREG(os.fstat(out.fileno()).st_mode):
                os.ftruncate(out.fileno(), 0)
                Path(path).unlink(missing_ok=True)
            raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        OSError: it cannot be made, or is a symbolic link.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, LINK, str(path))
    path.mkdir(parents=True, exist_ok=True)


def _refuse_link(path: str, what: str) -> None:
    if path and Path(path).is_symlink():
        raise SettingsError(f"{what} {path!r} is refused: {LINK}; give the path that it leads to")


def _words(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
