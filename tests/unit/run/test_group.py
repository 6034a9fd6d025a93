"""What the process that looks at the consumer group says, and what becomes of it."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.cli import lag as lag_command
from locust_kafka.core.group import STABLE
from locust_kafka.core.history import History, Second
from locust_kafka.kafka import lag
from locust_kafka.run.group import GroupFollower
from locust_kafka.settings import parse
from locust_kafka.values import Given

LOOK = {"at_s": 100.2, "state": STABLE, "members": {"a": ["q[0]"]}, "lag": 7, "leaderless": 0, "under_replicated": 0}
PLACES = st.dictionaries(
    st.tuples(st.just("q"), st.integers(0, 5)), st.tuples(st.integers(0, 99), st.integers(-1001, 120))
)


def follower(group: str = "off", secret: str = "") -> tuple[GroupFollower, History]:
    """One without a child: its lines are given by hand."""
    config = {"sasl.password": secret} if secret else {}
    settings = parse({"kafka_group": Given(group, "--kafka-group")}, config)
    history = History()
    return GroupFollower(settings, lambda: history), history


def test_a_look_stands_in_its_second_and_in_the_results(caplog: pytest.LogCaptureFixture) -> None:
    """The group's name, its lag in the second of the look, a rebalance with its words, each said once."""
    caplog.set_level(logging.INFO)
    one, history = follower()
    assert one.results is None
    history.add(Second(100))
    one.take(json.dumps({"group": "waiters"}))
    one.take(json.dumps(LOOK))
    one.take(json.dumps({**LOOK, "at_s": 101.1, "members": {"a": ["q[0]"], "b": []}, "lag": 9}))
    history.add(Second(101))
    assert one.results is not None
    assert (one.results.name, one.results.lag_max, one.results.rebalances) == ("waiters", 9, 1)
    assert [(row.lag, row.rebalances) for row in history.rows()] == [(7, 0), (9, 1)]
    assert caplog.text.count("consumer group 'waiters': rebalance, within a second: 1 → 2 members") == 1


def test_trouble_is_said_without_secrets_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """What the broker refused is a sentence, without a password that stands in it; there are no results then."""
    caplog.set_level(logging.INFO)
    one, _history = follower(secret="hunter2")
    one.take(json.dumps({"trouble": "the consumer group cannot be looked at: hunter2 is refused", "over": True}))
    assert "cannot be looked at" in caplog.text
    assert "hunter2" not in caplog.text
    assert one.results is None


@given(st.text(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*LOOK, "group", "trouble"]), inner),
).map(json.dumps))  # fmt: skip
def test_no_line_does_more_than_be_refused(line: str) -> None:
    """Any line at all: it is taken, or one of the documented errors is raised."""
    one, history = follower()
    one.take(json.dumps({"group": "g"}))
    try:
        one.take(line)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        assert not history.rows()


@given(PLACES)
def test_the_lag_is_what_is_appended_and_not_committed(places: dict[tuple[str, int], tuple[int, int]]) -> None:
    """Over the partitions with a committed offset; of a topic that nobody has read it is not known, if it has records."""
    ends = {place: end for place, (end, _committed) in places.items()}
    offsets = {place: committed for place, (_end, committed) in places.items()}
    known = [place for place in places if offsets[place] >= 0]
    expected = sum(max(0, ends[place] - offsets[place]) for place in known) if known else None
    if not known and not any(ends.values()):
        expected = 0
    assert lag._lag(ends, offsets) == expected


class Groups:
    """A reader that searches what it is told to find."""

    def __init__(self, *found: list[str]) -> None:
        self._found = list(found)

    def find(self) -> list[str]:
        return self._found.pop(0)

    def look(self, group: str) -> dict[str, Any]:
        raise LookupError(f"looks at {group}")


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ([[], [], ["a"]], ["no consumer group reads the request topic yet", "looks at a"]),
        (
            [[]] * 3,
            [
                "no consumer group reads the request topic yet",
                "no consumer group has read the request topic: the search ends",
            ],
        ),
        ([["a", "b"]], ["2 groups read the request topic (a, b): name one by --kafka-group"]),
    ],
)
def test_a_group_is_found_or_a_sentence_says_why_not(
    found: list[list[str]], lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None yet: said once and asked again; one: taken; several: none is guessed."""
    monkeypatch.setattr(lag, "SEARCH_INTERVAL_S", 0.0)
    monkeypatch.setattr(lag, "MAX_SEARCHES", 3)
    monkeypatch.setattr(lag, "EVERY_S", 0.0)
    lag.follow(Groups(*found), "")  # type: ignore[arg-type]
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["trouble"] for line in said if "trouble" in line] == lines
    assert [line["group"] for line in said if "group" in line] == (["a"] if ["a"] in found else [])
    assert said[-1]["over"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"group": 5}', "cannot be read"), ("no JSON", "cannot be read"), ("[" * 5000, "cannot be read"), ('{"trouble": 5}', "cannot be read"),
        (json.dumps({**LOOK, "at_s": 1e300}), "cannot be read"), (json.dumps(LOOK), "lag 7 records"),
    ],
    ids=lambda one: one[:12],
)  # fmt: skip
def test_the_command_goes_on_after_a_line_that_it_cannot_read(
    line: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`locust-kafka lag` says so, and prints the next look; no traceback."""
    child: Any = SimpleNamespace(stdout=[line, json.dumps({"group": "waiters"}), json.dumps(LOOK)])
    lag_command._print_all(child, follower()[0]._settings, as_json=False)
    found = capsys.readouterr()
    assert sentence in found.out + found.err
    assert "consumer group waiters on" in found.out
    assert "lag 7 records, 1 member, stable" in found.out
