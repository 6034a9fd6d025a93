"""Functions for `--kafka-oauth-callback` and `--oauth-callback`, as a user writes them."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.request
from pathlib import Path

from tests.tokens import CLIENT_ID, CLIENT_SECRET

SHORT_S = 7.0
SAID = "tok3n-that-nobody-may-see-0123456789"
_calls = 0


def from_endpoint(config: str) -> tuple[str, float]:
    """A token of a real endpoint, whose URL is the value of sasl.oauthbearer.config."""
    login = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    asked = urllib.request.Request(config, b"grant_type=client_credentials", {"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found = json.load(answer)
    return found["access_token"], time.time() + found["expires_in"]


def renewed_while_users_go_on(config: str) -> tuple[str, float]:
    """Good for a short time; the second call returns only after users have gone on while it waited."""
    global _calls
    _calls += 1
    token, _expires_s = from_endpoint(config)
    progress = Path(os.environ["PROGRESS"])
    if _calls == 2:
        before, until_s = _count(progress), time.monotonic() + 30
        while _count(progress) < before + 3 and time.monotonic() < until_s:
            time.sleep(0.05)
        progress.with_suffix(f".renewed-by-{os.getpid()}").write_text(str(_count(progress) - before))
    return token, time.time() + (SHORT_S if _calls == 1 else 300)


def refused(_config: str) -> tuple[str, float]:
    """A token that nobody has signed."""
    head = base64.urlsafe_b64encode(b'{"alg":"RS256"}').rstrip(b"=").decode()
    return f"{head}.{head}.{head}", time.time() + 300


def fails(_config: str) -> tuple[str, float]:
    """Raises, with a token in its words."""
    raise RuntimeError(f"the vault is sealed for {SAID}")


def _count(progress: Path) -> int:
    return len(progress.read_bytes()) if progress.exists() else 0
