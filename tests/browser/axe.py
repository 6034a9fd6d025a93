"""axe-core from npm, checked and kept in the user's cache; `python -m tests.browser.axe` fetches it."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.10.3"
INTEGRITY = "sha512-Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
"""As the registry gives it (`npm view axe-core dist.integrity`)."""
CACHE = Path.home() / ".cache" / "locust-kafka" / f"axe-core-{VERSION}.js"


def source() -> str:
    """The script.

    Raises:
        SystemExit: npm does not give it, or what it gives is not what it was.
    """
    if not CACHE.exists():
        packed = _fetched()
        digest = "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()
        if digest != INTEGRITY:
            raise SystemExit(f"axe-core {VERSION} has the digest {digest}, not {INTEGRITY}")
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            CACHE.parent.mkdir(parents=True, exist_ok=True)
            CACHE.write_bytes(member.read())
    return CACHE.read_text("utf-8")


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}", "--pack-destination", folder]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise SystemExit(f"npm does not give axe-core {VERSION}: {error}") from error
        return next(Path(folder).glob("*.tgz")).read_bytes()


if __name__ == "__main__":
    source()
