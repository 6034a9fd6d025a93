"""Laws of the waiter's pure parts: behaviour, headers, handler, offsets, options."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service.core import headers as wire
from waiter_service.core.behaviour import Behaviour, Wait
from waiter_service.core.offsets import OffsetTracker
from waiter_service.core.request import answer, by_key, shortened, understand
from waiter_service.settings import parse

PLAIN = Behaviour(Wait("fixed", 500.0))
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"


def test_the_plan_is_a_pure_function_of_trace_id_and_seed() -> None:
    """The same id and seed always give the same plan; another seed gives other victims."""
    one = Behaviour(Wait("uniform", 1, 9), 0.1, 0.1, 0.1, 3.0, 0.1, seed=1)
    other = Behaviour(Wait("uniform", 1, 9), 0.1, 0.1, 0.1, 3.0, 0.1, seed=2)
    ids = [b"%032x" % number for number in range(300)]
    assert [one.plan(i) for i in ids] == [one.plan(i) for i in ids]
    assert [one.plan(i) for i in ids] != [other.plan(i) for i in ids]


def test_shares_are_met() -> None:
    """Over many ids each fault strikes its share, independently of the others."""
    behaviour = Behaviour(Wait("fixed", 1), drop=0.2, duplicate=0.3, late=0.1, late_s=3.0, error=0.4)
    plans = [behaviour.plan(b"%032x" % number) for number in range(20_000)]
    kept = [plan for plan in plans if plan.replies]
    assert len(kept) / len(plans) == pytest.approx(0.8, abs=0.02)
    assert sum(plan.replies == 2 for plan in kept) / len(kept) == pytest.approx(0.3, abs=0.02)
    assert sum(plan.late_s == 3.0 for plan in plans) / len(plans) == pytest.approx(0.1, abs=0.02)
    assert sum(plan.error and plan.late_s > 0 for plan in plans) / len(plans) == pytest.approx(0.04, abs=0.01)


def test_waits_follow_their_distribution() -> None:
    """Uniform stays in its range with the mean in the middle; lognormal has the given median."""
    ids = [b"%032x" % number for number in range(10_000)]
    uniform = [Behaviour(Wait("uniform", 100, 900)).plan(i).wait_ms for i in ids]
    assert 100 <= min(uniform) <= max(uniform) <= 900
    assert statistics.mean(uniform) == pytest.approx(500, abs=15)
    lognormal = [Behaviour(Wait("lognormal", 50, 0.5)).plan(i).wait_ms for i in ids]
    assert statistics.median(lognormal) == pytest.approx(50, rel=0.05)


def test_a_good_request_gets_the_contracts_reply() -> None:
    """Key kept, the sentence, the same trace id under a new span, reply-to and partition honoured, server-timing."""
    headers = [("traceparent", TRACEPARENT), ("reply-to", b"elsewhere"), ("reply-partition", b"3")]
    request = understand(b"key", b"Ada", headers, PLAIN, "default")
    reply = answer(request, b"key", b"1234567890abcdef", wire.server_timing(0.31, 500.2, 0.02))
    assert request.oddities == ()
    assert (reply.topic, reply.partition, reply.key) == ("elsewhere", 3, b"key")
    assert reply.value == b"I have been waiting 500 ms for Ada"
    assert dict(reply.headers) == {
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-1234567890abcdef-02",
        "server-timing": b"queue;dur=0.310, wait;dur=500.200, forward;dur=0.020",
    }


@pytest.mark.parametrize(
    ("key", "value", "headers", "oddity", "text"),
    [
        (b"k", b"Ada", [], "no traceparent", b"Ada"),
        (b"k", b"Ada", [("traceparent", b"nonsense")], "bad traceparent", b"Ada"),
        (b"k", b"Ada", [("traceparent", None)], "no traceparent", b"Ada"),
        (b"k", None, [("traceparent", TRACEPARENT)], "null body", b"nobody"),
        (b"k", b"\xff\xfe", [("traceparent", TRACEPARENT)], "body is not UTF-8", "\ufffd\ufffd".encode()),
        (None, b"Ada", [("traceparent", TRACEPARENT)], "empty key", b"Ada"),
        (b"k", b"Ada", [("traceparent", TRACEPARENT), ("reply-to", b"a b\xff")], "bad reply-to", b"Ada"),
        (b"k", b"Ada", [("traceparent", TRACEPARENT), ("reply-partition", b"-1")], "bad reply-partition", b"Ada"),
        (
            b"k",
            b"Ada",
            [("traceparent", TRACEPARENT), ("reply-partition", "٣".encode())],
            "bad reply-partition",
            b"Ada",
        ),
    ],
)
def test_poisoned_requests_are_named_and_answered(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], oddity: str, text: bytes
) -> None:
    """Each oddity has its name, and an answer on the default topic all the same."""
    request = understand(key, value, headers, PLAIN, "default")
    reply = answer(request, key, b"1234567890abcdef", b"")
    assert request.oddities == (oddity,)
    assert (reply.topic, reply.partition, reply.key) == ("default", None, key)
    assert reply.value.endswith(b" for " + text)


@given(st.binary(max_size=40), st.binary(max_size=300), st.lists(st.tuples(st.sampled_from(
    ["traceparent", "reply-to", "reply-partition", "x"]), st.none() | st.binary(max_size=60)), max_size=5))  # fmt: skip
def test_no_bytes_at_all_break_the_handler(key: bytes, value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    """Whatever arrives is understood somehow and answered with valid UTF-8."""
    request = understand(key, value, headers, PLAIN, "default")
    reply = answer(request, key, b"1234567890abcdef", b"t")
    reply.value.decode("utf-8")
    assert reply.topic
    assert len(shortened(reply).value) <= 200
    assert by_key(reply).partition is None


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_only_answered_offsets_are_committed(gaps: list[int], rng: random.Random) -> None:
    """After every step the committable offset is one past the unbroken run of finished ones, as a plain scan finds."""
    offsets = [sum(gaps[: index + 1]) + index for index in range(len(gaps))]
    tracker = OffsetTracker(0)
    finished: set[int] = set()
    added: list[int] = []
    committed = None
    todo = list(offsets)
    while todo or len(finished) < len(offsets):
        open_ones = [offset for offset in added if offset not in finished]
        if todo and (not open_ones or rng.random() < 0.5):
            added.append(todo.pop(0))
            tracker.add(added[-1])
        else:
            done = rng.choice(open_ones)
            finished.add(done)
            tracker.finish(done)
        run = 0
        while run < len(added) and added[run] in finished:
            run += 1
        committed = tracker.take_committable() or committed
        assert committed == (added[run - 1] + 1 if run else None)
        assert tracker.pending == len(added) - len(finished)


def test_options_are_flags_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats its WAITER_* variable, which beats the default."""
    monkeypatch.setenv("WAITER_WAITERS", "7")
    monkeypatch.setenv("WAITER_LATE", "5%:3s")
    settings = parse(["--producers", "2"])
    assert (settings.waiters, settings.producers, settings.consumers) == (7, 2, 1)
    assert (settings.behaviour.late, settings.behaviour.late_s) == (0.05, 3.0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--wait", "500"], "'500' is not a duration: write a number and a unit, such as 500ms or 3s"),
        (["--wait", "uniform:5ms"], "names no range"),
        (["--wait", "uniform:9ms-5ms"], "the lower end is above the upper one"),
        (["--wait", "lognormal:5ms:x"], "sigma is a number from 0 to 5"),
        (["--drop", "150%"], "'150%' is not a share: write 0% to 100%, or 0 to 1"),
        (["--late", "5%"], "says no delay"),
        (["--waiters", "0"], "'0' is not a whole number from 1 to 10000"),
        (["--config", "no/such"], "'no/such' cannot be read"),
        (["--wiaters", "5"], "unrecognized arguments: --wiaters"),
    ],
)
def test_refused_options_get_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused value is named with what is accepted, and the exit code is 2."""
    with pytest.raises(SystemExit) as exit_info:
        parse(arguments)
    assert exit_info.value.code == 2
    assert sentence in capsys.readouterr().err
