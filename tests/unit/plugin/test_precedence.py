"""One order for everything: class attribute, flag, variable, configuration file, default; 0 and "" are values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.errors import SettingsError
from locust_kafka.exchange.matching import Match
from locust_kafka.options import DEFAULT_BOOTSTRAP, OPTIONS
from locust_kafka.plugin.classes import KafkaAttributes, class_settings, passed_over, settings_for
from locust_kafka.plugin.options import Unset, given_options
from locust_kafka.settings import parse
from locust_kafka.values import Given


def user_class(**attributes: Any) -> type[KafkaAttributes]:
    return type("Guest", (KafkaAttributes,), {"tasks": [print], **attributes})


def test_a_default_is_not_given() -> None:
    """What nobody typed is left out, what somebody typed is not, even when it is the same text."""
    options = {option.dest: Unset.default(option.default) for option in OPTIONS}
    assert given_options(options) == {}
    assert given_options({**options, "kafka_settle": "2"}).keys() == {"kafka_settle"}
    assert given_options({"kafka_settle": None}) == {}


@pytest.mark.parametrize("zero", [0, "0", 0.0])
def test_zero_is_a_value(zero: Any) -> None:
    """From Python or from the command line, 0 is what was asked for, not `nothing given`."""
    assert parse({"kafka_settle": Given(zero, "--kafka-settle")}).settle_s == 0


@given(st.none() | st.floats(1, 100), st.none() | st.integers(1, 100))
def test_a_class_goes_before_an_option(of_class: float | None, of_option: int | None) -> None:
    """The reply timeout in force is the class's, else the option's, else the default."""
    options = {} if of_option is None else {"kafka_reply_timeout": Given(of_option, "--kafka-reply-timeout")}
    found = class_settings(parse(options), user_class(reply_timeout=of_class)).reply_timeout_s
    assert found == (of_class if of_class is not None else of_option if of_option is not None else 10)


def test_a_class_attribute_is_validated_as_an_option_is() -> None:
    """0 seconds, an empty topic and an unknown word are refused by the attribute's name."""
    for attributes, what in (
        ({"reply_timeout": 0}, "Guest.reply_timeout 0 is refused"),
        ({"request_topic": ""}, "Guest.request_topic '' is no topic name"),
        ({"producers": "many"}, "Guest.producers 'many' is unknown"),
        ({"bootstrap": ""}, "Guest.bootstrap '' names no broker"),
        ({"rate": -1}, "Guest.rate -1 is refused"),
        ({"tasks": []}, "Guest has no task"),
    ):
        with pytest.raises(SettingsError, match=what):
            settings_for(parse({}), [user_class(**attributes)])


@pytest.mark.parametrize(
    ("flag", "in_file", "expected"),
    [(None, None, DEFAULT_BOOTSTRAP), (None, "b:1", "b:1"), ("a:1", None, "a:1"), ("a:1,B:2", "b:2, a:1", "a:1,B:2")],
)
def test_the_cluster_has_one_order(flag: str | None, in_file: str | None, expected: str) -> None:
    """Flag, file, default; the same brokers in another order are no contradiction."""
    options = {} if flag is None else {"kafka_bootstrap": Given(flag, "--kafka-bootstrap")}
    config = {} if in_file is None else {"bootstrap.servers": in_file}
    settings = parse(options, config, {"bootstrap.servers": 3})
    assert settings.bootstrap == settings.client_config("producer")["bootstrap.servers"] == expected


def test_two_clusters_are_refused() -> None:
    """Both addresses, and who named them, are said."""
    with pytest.raises(SettingsError, match="a:1 by LOCUST_KAFKA_BOOTSTRAP and b:1 by line 3"):
        parse(
            {"kafka_bootstrap": Given("a:1", "LOCUST_KAFKA_BOOTSTRAP")},
            {"bootstrap.servers": "b:1"},
            {"bootstrap.servers": 3},
        )
    with pytest.raises(SettingsError, match="several clusters are named"):
        settings_for(parse({"kafka_bootstrap": Given("a:1", "--kafka-bootstrap")}), [user_class(bootstrap="b:1")])


def test_a_run_matches_in_one_way() -> None:
    """Classes that name different extractors are refused, for nobody could say which one holds."""
    one, other = Match(lambda *_: b"1", lambda *_: b"1"), Match(lambda *_: b"2", lambda *_: b"2")
    with pytest.raises(SettingsError, match="several ways to match"):
        settings_for(parse({}), [user_class(match=one), user_class(match=other)])


def test_no_topic_is_for_both() -> None:
    """Across all user classes: what one sends to is not what another reads from."""
    with pytest.raises(SettingsError, match="'b' is used for requests and for replies"):
        settings_for(
            parse({}),
            [user_class(request_topic="a", reply_topic="b"), user_class(request_topic="b", reply_topic="c")],
        )


def test_the_longest_timeout_is_in_force() -> None:
    """A record may wait as long as the longest timeout of all classes wants."""
    classes = [user_class(reply_timeout=30), user_class(reply_timeout=5)]
    assert settings_for(parse({}), classes).longest_timeout_s == 30


def test_a_run_has_one_rate_in_whatever_form() -> None:
    """Classes that say the same rate as a number and as text agree; another rate is refused with both."""
    classes = [user_class(rate=100), user_class(rate=100.0), user_class(rate="100"), user_class()]
    rate = settings_for(parse({"kafka_rate": Given("7", "--kafka-rate")}), classes).rate
    assert rate is not None
    assert [stage.high for stage in rate] == [100]
    with pytest.raises(SettingsError, match=r"several rates \(100, 50\): a run has one"):
        settings_for(parse({}), [user_class(rate=100), user_class(rate=50)])


def test_an_option_that_is_passed_over_is_said() -> None:
    """A flag that a class attribute goes before changes nothing, and whoever typed it is told; the same text is not."""
    options = {
        "kafka_request_topic": Given("typed", "--kafka-request-topic"),
        "kafka_reply_topic": Given("own", "LOCUST_KAFKA_REPLY_TOPIC"),
        "kafka_reply_timeout": Given("10", "--kafka-reply-timeout"),
    }
    said = list(
        passed_over(options, [user_class(request_topic="own", reply_topic="own", reply_timeout=3), user_class()])
    )
    assert said == [
        "--kafka-request-topic typed is passed over for Guest: its class attribute request_topic = 'own' goes first"
    ]
