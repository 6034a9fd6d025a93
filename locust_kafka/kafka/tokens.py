"""Tokens for SASL OAUTHBEARER that a function in Python gives: the load tester's copy.

The function is the user's, of the form of confluent-kafka's `oauth_cb`: it is given sasl.oauthbearer.config, and
returns (token, expiry in seconds since 1970[, principal[, extensions]]).  It runs in a thread of its own, never in one
of librdkafka's: however long it takes, no client stands still.  All clients of a process share its latest token.
The load tester and the waiter share no code, so each has this module; a contract test holds the two copies equal.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

ANSWER_S: Final = 8.0
"""How long the first token may take."""
STALE_SHARE: Final = 0.25
"""Of its life: with less left a token is asked for anew.  librdkafka asks when a fifth is left."""
MAX_WORDS: Final = 200
MAX_EXPIRY_S: Final = 1e11
"""The year 5138: above it the number is one of milliseconds."""
_POLL_S: Final = 0.01
_EXTENSION: Final = re.compile(r"(?!auth$)[A-Za-z]+")
_EXTENSION_VALUE: Final = re.compile(r"[\t\n\r -~]+")
"""RFC 7628, section 3.1."""
_LOOKS_SECRET: Final = re.compile(r"[\w+/=.~%-]{20,}")

Start = Callable[[Callable[[], None]], object]


class TokenError(ValueError):
    """There is no token: a sentence with the option and the remedy, and without any token."""


class Token(NamedTuple):
    """What the function gave; the order is that of `oauth_cb`."""

    value: str
    expires_s: float
    principal: str
    extensions: dict[str, str]


def mechanism_refusal(config: Mapping[str, str], source: str, option: str) -> str:
    """Why these settings and this option cannot be used together, in a sentence; "" when they can.

    Args:
        config: librdkafka's settings of one kind of client.
        source: who named a function; "" when nobody did.
        option: the option that names one.
    """
    by_token = str(config.get("sasl.mechanism", "")).upper() == "OAUTHBEARER"
    method = str(config.get("sasl.oauthbearer.method", "default")).lower()
    unsecured = str(config.get("enable.sasl.oauthbearer.unsecure.jwt", "false")).lower() in ("true", "t", "1")
    if source and not by_token:
        return f"{source} has no use without sasl.mechanism=OAUTHBEARER: write it into the file of client settings"
    if source and method != "default":
        return f"{source} and sasl.oauthbearer.method={method} are two ways to a token: leave one of them out"
    if by_token and not source and method == "default" and not unsecured:
        return (
            "sasl.mechanism=OAUTHBEARER says no way to a token: write sasl.oauthbearer.method=oidc with "
            "sasl.oauthbearer.token.endpoint.url, sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret, or "
            f"name a function by {option}"
        )
    return ""


def load_function(reference: str, source: str) -> Callable[[str], object]:
    """Import a function.

    Args:
        reference: MODULE:FUNCTION.
        source: who named it, in words: the option or the variable.

    Raises:
        TokenError: it cannot be imported, or is no function.
    """
    module_name, _, name = reference.partition(":")
    if not {"", str(Path.cwd())} & set(sys.path):  # a command that is installed does not look into the current folder
        sys.path.append(str(Path.cwd()))
    try:
        found: object = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing a module runs it: anything may be raised
        raise TokenError(
            f"{source} {reference!r} cannot be imported ({_words(error)}): give MODULE:FUNCTION, the module in this "
            "folder or on PYTHONPATH"
        ) from None
    if not callable(found):
        raise TokenError(f"{source} {reference!r} is no function: give one that returns a token and its expiry")
    return found


class TokenSource:
    """Librdkafka's `oauth_cb` for all clients of a process: it gives the latest token, and never waits for one.

    Args:
        function: the user's.
        source: the option and its value, for sentences.
        config: the value of sasl.oauthbearer.config, "" without one.
        start: runs something in a thread of its own.
        sleep: lets the calling thread sleep, in seconds.
    """

    def __init__(
        self, function: Callable[[str], object], source: str, config: str, start: Start, sleep: Callable[[float], None]
    ) -> None:
        self.failure = ""
        """Why the latest attempt gave no token, in a sentence; "" when it gave one."""
        self._function, self._source, self._config = function, source, config
        self._start, self._sleep = start, sleep
        self._token: Token | None = None
        self._stale_from_s = 0.0
        self._asking = False

    def await_token(self) -> None:
        """Wait for a token that is good, before a client is made: a client without one would keep its maker waiting.

        Raises:
            TokenError: the function raised, returned something else, or took too long.
        """
        if self._current() is not None:
            return
        self._ask()
        until_s = time.monotonic() + ANSWER_S
        while self._asking and time.monotonic() < until_s:
            self._sleep(_POLL_S)
        if self._asking:
            raise TokenError(f"{self._source} gave no token within {ANSWER_S:.0f} s: see what it waits for")
        if self._current() is None:
            raise TokenError(self.failure)

    def __call__(self, _config: str) -> Token:
        """The latest token, from a thread of librdkafka's; one that is about to expire is renewed meanwhile.

        Raises:
            TokenError: there is none that is good.
        """
        token = self._current()
        if token is None or time.time() >= self._stale_from_s:
            self._ask()
        if token is None:
            raise TokenError(self.failure or f"{self._source} has not given a token yet")
        return token

    def _current(self) -> Token | None:
        token = self._token
        return token if token is not None and token.expires_s > time.time() else None

    def _ask(self) -> None:
        if not self._asking:
            self._asking = True
            self._start(self._run)

    def _run(self) -> None:
        try:
            asked_s = time.time()
            token = _checked(self._function(self._config), self._source, asked_s)
            self._stale_from_s = token.expires_s - STALE_SHARE * (token.expires_s - asked_s)
            self._token, self.failure = token, ""
        except TokenError as refused:
            self.failure = str(refused)
        except BaseException as error:
            self.failure = f"{self._source} gave no token ({_words(error)}): correct it, or what it asks"
        finally:
            self._asking = False


def _checked(result: object, source: str, now_s: float) -> Token:
    """What the function returned, if it is what librdkafka takes; no sentence repeats it."""
    if not isinstance(result, (tuple, list)) or not 2 <= len(result) <= 4:
        what = f"a {type(result).__name__}" + (f" of {len(result)}" if isinstance(result, (tuple, list)) else "")
        raise TokenError(f"{source} returned {what}: return (token, expiry[, principal[, extensions]])")
    given: list[Any] = [*result, *("", {})[len(result) - 2 :]]
    value, expires_s, principal, extensions = given
    if not isinstance(value, str) or re.fullmatch(r"[!-~]+", value) is None:
        raise TokenError(f"{source} returned no token: the first value must be text in ASCII without blanks")
    return Token(value, _expiry(expires_s, source, now_s), *_named(principal, extensions, source))


def _expiry(given: Any, source: str, now_s: float) -> float:
    expires_s = float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else math.nan
    if expires_s > MAX_EXPIRY_S:
        raise TokenError(f"{source} returned an expiry in milliseconds: the second value must be seconds since 1970")
    if not expires_s > now_s:  # neither is what is not a number
        raise TokenError(f"{source} returned a token that has expired: the second value must be seconds since 1970")
    return expires_s


def _named(principal: Any, extensions: Any, source: str) -> tuple[str, dict[str, str]]:
    if not isinstance(principal, str) or not principal.isprintable():
        raise TokenError(f"{source} returned a principal that is no text: the third value must be a name")
    pairs: list[tuple[Any, Any]] = [*extensions.items()] if isinstance(extensions, dict) else [("", None)]
    if not all(isinstance(one, str) and one for pair in pairs for one in pair):
        raise TokenError(f"{source} returned extensions that are not names and values: the fourth value must be a dict")
    if not all(_EXTENSION.fullmatch(name) and _EXTENSION_VALUE.fullmatch(value) for name, value in pairs):
        raise TokenError(
            f"{source} returned an extension that SASL does not know: a name is letters but not auth, a value ASCII"
        )
    return principal, extensions


def _words(error: BaseException) -> str:
    """An exception in words, without what may be a token or a secret: whatever is long and has no blank."""
    try:
        text = _LOOKS_SECRET.sub("***", " ".join(str(error).split()))
    except Exception:  # the exception is the user's, and so are its words
        text = ""
    return f"{type(error).__name__}: {text[:MAX_WORDS]}" if text else type(error).__name__
