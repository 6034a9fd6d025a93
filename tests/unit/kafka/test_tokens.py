"""Tokens of the user's function: what is taken, what is refused in words, and when it is asked again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.kafka import tokens
from locust_kafka.kafka.tokens import TokenError, TokenSource, load_function, mechanism_refusal

FLAG = "--kafka-oauth-callback vault:token"
SECRET = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9"


def at_once(body: Callable[[], None]) -> None:
    body()


def source(function: Callable[[str], Any], start: Callable[[Callable[[], None]], None] = at_once) -> TokenSource:
    return TokenSource(function, FLAG, "config", start, time.sleep)


def refusal(returned: Any) -> str:
    with pytest.raises(TokenError) as refused:
        source(lambda _config: returned).await_token()
    return str(refused.value)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_what_a_function_gives_is_what_librdkafka_gets(count: int) -> None:
    """Token and expiry, with a principal and extensions or without; the function is given the configuration's text."""
    asked: list[str] = []
    result = (SECRET, time.time() + 60, "alice", {"logicalCluster": "lkc-1"})[:count]

    def function(config: str) -> Any:
        asked.append(config)
        return result

    made = source(function)
    made.await_token()
    assert tuple(made("")) == (*result, *("", {})[count - 2 :])
    assert asked == ["config"]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned a NoneType: return (token, expiry"),
        (SECRET, "returned a str: return (token, expiry"),
        ((SECRET,), "returned a tuple of 1"),
        ((SECRET, 1.0), "a token that has expired"),
        ((SECRET, float("nan")), "seconds since 1970"),
        ((SECRET, "soon"), "seconds since 1970"),
        ((SECRET, True), "seconds since 1970"),
        ((SECRET, (time.time() + 86_400) * 1000), "an expiry in milliseconds"),
        ((SECRET.encode(), time.time() + 86_400), "must be text in ASCII"),
        ((SECRET + "\n", time.time() + 86_400), "without blanks"),
        (("", time.time() + 86_400), "returned no token"),
        ((SECRET, time.time() + 86_400, 5), "the third value must be a name"),
        ((SECRET, time.time() + 86_400, "", {"a": 1}), "the fourth value must be a dict"),
        ((SECRET, time.time() + 86_400, "", ["a"]), "the fourth value must be a dict"),
    ],
)
def test_nonsense_is_refused_in_words(returned: Any, words: str) -> None:
    """The sentence names the option and what is wanted, and never shows what was returned."""
    sentence = refusal(returned)
    assert words in sentence
    assert sentence.startswith(FLAG)
    assert SECRET not in sentence


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.tuples(inner, inner) | st.tuples(inner, inner, inner, inner) | st.lists(inner, max_size=5),
    )
)
def test_whatever_is_returned_there_is_a_sentence_or_a_token(returned: Any) -> None:
    """No other exception, and no thread is left waiting."""
    made = source(lambda _config: returned)
    with contextlib.suppress(TokenError):
        made.await_token()
    assert made.failure.startswith(FLAG) or made("").value == returned[0]


def test_an_exception_is_told_without_what_may_be_a_token() -> None:
    """Its type and its words remain; whatever is long and without a blank does not."""

    def function(_config: str) -> Any:
        raise PermissionError(f"role reader\nmay not use {SECRET}, see the vault")

    with pytest.raises(TokenError) as refused:
        source(function).await_token()
    assert "PermissionError: role reader may not use ***, see the vault" in str(refused.value)


def test_a_function_that_never_returns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with a sentence, and the thread does not keep the process."""
    monkeypatch.setattr(tokens, "ANSWER_S", 0.05)
    never = threading.Event()

    def in_thread(body: Callable[[], None]) -> None:
        threading.Thread(target=body, daemon=True).start()

    with pytest.raises(TokenError, match="gave no token within"):
        source(lambda _config: never.wait(60), in_thread).await_token()
    never.set()


def test_clients_share_a_token_until_it_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call serves all clients; in its last quarter it is renewed meanwhile; one that has expired is given to none."""
    now = [1000.0]
    monkeypatch.setattr(tokens.time, "time", lambda: now[0])
    given_tokens = iter(["first", "second"])
    waiting: list[Callable[[], None]] = []

    def function(_config: str) -> Any:
        return next(given_tokens), now[0] + 100

    made = source(function, lambda body: waiting.append(body) if waiting else body())
    made.await_token()
    assert {made("").value for _ in range(50)} == {"first"}
    now[0] += 74
    assert made("").value == "first"
    waiting.append(lambda: None)  # from here on a call takes its time
    now[0] += 2
    assert made("").value == made("").value == "first"
    assert len(waiting) == 2  # asked once, however many clients want it
    waiting[1]()
    assert made("").value == "second"
    now[0] += 101
    with pytest.raises(TokenError, match="has not given a token"):
        made("")


def test_a_token_outlives_a_failed_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the old one is good, a function that fails hurts nobody; after that its failure is what is said."""
    now = [1000.0]
    monkeypatch.setattr(tokens.time, "time", lambda: now[0])
    answers: list[Any] = [("first", 1100.0)]
    made = source(lambda _config: answers.pop())
    made.await_token()
    now[0] = 1090.0
    assert made("").value == "first"
    now[0] = 1101.0
    with pytest.raises(TokenError, match=r"gave no token \(IndexError"):
        made("")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("no_such_module:token", "cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"),
        ("json:no_such", "cannot be imported (AttributeError"),
        ("json:__name__", "is no function"),
    ],
)
def test_a_function_that_is_not_there_is_named(reference: str, words: str) -> None:
    """The option, the reference, and what to give."""
    with pytest.raises(TokenError) as refused:
        load_function(reference, "LOCUST_KAFKA_OAUTH_CALLBACK")
    assert words in str(refused.value)
    assert str(refused.value).startswith(f"LOCUST_KAFKA_OAUTH_CALLBACK {reference!r}")


def test_a_method_of_a_module_is_found() -> None:
    """A dotted name leads into classes, as in entry points."""
    assert load_function("json:JSONEncoder.encode", "x") is __import__("json").JSONEncoder.encode


@pytest.mark.parametrize(
    ("config", "function", "words"),
    [
        ({}, "", ""),
        ({"sasl.mechanism": "PLAIN"}, "", ""),
        ({"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc"}, "", ""),
        ({"sasl.mechanism": "OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt": "true"}, "", ""),
        ({"sasl.mechanism": "OAUTHBEARER"}, "--f", ""),
        ({"sasl.mechanism": "PLAIN"}, "--f", "no use without sasl.mechanism=OAUTHBEARER"),
        ({}, "--f", "no use without"),
        ({"sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc"}, "--f", "two ways to a token"),
        ({"sasl.mechanism": "OAUTHBEARER"}, "", "no way to a token"),
    ],
)
def test_there_is_one_way_to_a_token(config: dict[str, str], function: str, words: str) -> None:
    """No way, and two ways, are refused before anybody connects."""
    sentence = mechanism_refusal(config, function, "--f")
    assert words in sentence
    assert bool(words) == bool(sentence)
