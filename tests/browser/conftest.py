"""A real Chromium: the system's (Debian's package), or the one that playwright has installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"]  # CI runs as root, in a small container


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all; each test opens a context of its own."""
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        except Error as error:
            pytest.fail(f"there is no Chromium for the tests: run `make chromium` ({error})")
        yield chromium
        chromium.close()
