"""How our clients log in: by the settings of the file, and by the tokens of a function in Python."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import gevent

from locust_kafka.errors import NotReady, SettingsError
from locust_kafka.hub.thread import native_sleep, start_new_thread
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.tokens import TokenError, TokenSource, load_function, mechanism_refusal
from locust_kafka.options import OAUTH_CALLBACK
from locust_kafka.settings import Settings

FIRST_TOKEN_NS = 1_100_000_000
"""confluent-kafka waits in whole seconds for the first token of a client that it makes."""
# What an admin client has in common with the others: the rest would only be passed over, with a warning.
_CONNECTING = (
    "bootstrap.servers", "client.", "security.", "sasl.", "ssl.", "enable.ssl", "enable.sasl", "socket.", "broker.",
    "https.", "api.version.", "resolve.", "plugin.", "log_level", "oauth_cb",
)  # fmt: skip


def login_config(settings: Settings, kind: str) -> dict[str, Any]:
    """Librdkafka's settings for a `producer` or a `consumer`, with the function that gives tokens.

    Raises:
        SettingsError: the function cannot be imported.
    """
    config = settings.client_config(kind)
    source = _source(settings)
    return config if source is None else {**config, "oauth_cb": source}


def is_slow_to_make(config: dict[str, Any]) -> bool:
    """Whether making a client with these settings holds its thread for a second (see FIRST_TOKEN_NS)."""
    return "oauth_cb" in config or config.get("sasl.oauthbearer.metadata.authentication.type") == "aws_iam"


def load_callback(settings: Settings) -> None:
    """Import the function, in the thread that calls: importing may be more than a thread pool's can do.

    Raises:
        SettingsError: it cannot be imported.
    """
    _source(settings)


def await_token(settings: Settings) -> None:
    """Have a token before the first client is made; blocks the thread for as long as the function takes.

    Raises:
        SettingsError: the settings name no way to a token, or two; the function cannot be imported.
        NotReady: it gave none.
    """
    for kind in ("producer", "consumer"):
        refusal = mechanism_refusal(settings.client_config(kind), settings.oauth_callback, OAUTH_CALLBACK)
        if refusal:
            raise SettingsError(refusal)
    source = _source(settings)
    if source is not None:
        try:
            source.await_token()
        except TokenError as error:
            raise NotReady(mask(str(error), settings.config)) from None


def renewal_failure(settings: Settings) -> str:
    """Why the latest attempt to renew the token failed, in a sentence; "" when it did not."""
    source = _source(settings)
    return "" if source is None else mask(source.failure, settings.config)


def unconnected(config: dict[str, Any]) -> dict[str, Any]:
    """For a client that is only made to see whether librdkafka takes its settings: it waits for no token."""
    return {name: value for name, value in config.items() if name != "oauth_cb"}


def admin_config(config: dict[str, Any]) -> dict[str, Any]:
    """Of a consumer's settings those that an admin client takes."""
    return {name: value for name, value in config.items() if name.startswith(_CONNECTING)}


def for_child(settings: Settings, config: dict[str, Any]) -> dict[str, Any]:
    """Settings as plain values, for the standard input of a process that makes clients of its own.

    Args:
        settings: the run's.
        config: librdkafka's settings.
    """
    return {"config": unconnected(config), "callback": settings.oauth_callback, "path": sys.path}


def in_child(asked: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `for_child`, with a token at hand.

    Raises:
        TokenError: the function gave none.
    """
    config: dict[str, Any] = asked["config"]
    if not asked["callback"]:
        return config
    sys.path[:] = asked["path"]
    source = _token_source(asked["callback"], config.get("sasl.oauthbearer.config", ""))
    source.await_token()
    return {**config, "oauth_cb": source}


def _source(settings: Settings) -> TokenSource | None:
    if not settings.oauth_callback:
        return None
    try:
        return _token_source(settings.oauth_callback, settings.config.get("sasl.oauthbearer.config", ""))
    except TokenError as error:
        raise SettingsError(mask(str(error), settings.config)) from None


@functools.cache
def _token_source(reference: str, config: str) -> TokenSource:
    """One for all clients of the process: they share its token."""
    named = f"{OAUTH_CALLBACK} {reference}"
    return TokenSource(load_function(reference, OAUTH_CALLBACK), named, config, _start, native_sleep)


def _start(body: Callable[[], None]) -> None:
    """Run the user's function in a native thread.

    Whatever it waits for, such as a socket of gevent's, is waited for by a hub of that thread, never by ours.
    """

    def run() -> None:
        try:
            body()
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    start_new_thread(run, ())
