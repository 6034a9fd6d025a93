"""librdkafka's settings for our clients: the user's over ours, except what the books need; no secret in any word."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.errors import SettingsError
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.hub.queue import HubQueue, Wakeup
from locust_kafka.kafka.config import (
    cluster_config,
    consumer_config,
    gives_up_idempotence,
    has_own_message_timeout,
    not_idempotent,
    probe_config,
    producer_config,
)
from locust_kafka.kafka.presets import PRESETS, in_words
from locust_kafka.options import JAVA, LIBRDKAFKA, SYNCHRONOUS
from locust_kafka.run.readiness import connect
from locust_kafka.settings import Settings, parse
from locust_kafka.values import Given

BOOKS = {
    "enable.auto.commit": False, "enable.partition.eof": False, "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
}  # fmt: skip
"""Of a consumer: without them replies could be lost in silence, or topics made by a look."""
NAMES = ["linger.ms", "fetch.wait.max.ms", "group.id", "socket.nagle.disable", "client.id", "compression.type", *BOOKS]
PREFIXES = ["", "producer.", "consumer."]
FILES = st.dictionaries(
    st.builds(str.__add__, st.sampled_from(PREFIXES), st.sampled_from(NAMES)), st.text("ab1", min_size=1, max_size=3)
)


def settings_of(**config: str) -> Settings:
    return parse({}, {name.replace("_", "."): value for name, value in config.items()})


def expected_of(file: dict[str, str], kind: str, name: str) -> str | None:
    """What the file says for this kind of client: its own line goes before the one for all."""
    return file.get(f"{kind}.{name}", file.get(name))


@given(FILES)
def test_a_line_for_one_kind_goes_before_a_line_for_all(file: dict[str, str]) -> None:
    """In whatever order they stand; a line for the other kind of client counts for nothing; the rest is ours."""
    settings = parse({}, file)
    producer = producer_config(settings, shared=False, longest_timeout_s=10)
    consumer = consumer_config(settings)
    ours = (
        producer_config(parse({}), shared=False, longest_timeout_s=10), consumer_config(parse({})),
    )  # fmt: skip
    for kind, config, default in (("producer", producer, ours[0]), ("consumer", consumer, ours[1])):
        for name in NAMES:
            found = expected_of(file, kind, name)
            if kind == "consumer" and name in BOOKS:
                assert config[name] == BOOKS[name]
            elif found is None:
                assert config.get(name) == default.get(name)
            else:
                assert config[name] == found
        assert not any(name.startswith(("producer.", "consumer.")) for name in config)


@given(FILES)
def test_nothing_moves_what_the_books_depend_on(file: dict[str, str]) -> None:
    """Offsets are explicit and never reset or committed, and no look at a topic creates it, whatever the file says."""
    settings = parse({}, file)
    for config, at_the_end in (
        (consumer_config(settings), False), (cluster_config(settings), False), (probe_config(settings), True),
    ):  # fmt: skip
        assert {name: config[name] for name in BOOKS} == {**BOOKS, "enable.partition.eof": at_the_end}
    assert cluster_config(settings)["isolation.level"] == "read_uncommitted"
    assert "isolation.level" not in consumer_config(settings)


@pytest.mark.parametrize("name", ["bootstrap.servers", "producer.bootstrap.servers", "consumer.bootstrap.servers"])
def test_every_client_goes_to_the_one_cluster(name: str) -> None:
    """Whichever line names the brokers, producer, consumer and probe go there, and who named them is known."""
    settings = parse({}, {name: "kafka:1"}, {name: 7})
    assert settings.bootstrap_source == "line 7 of the --kafka-config file"
    for config in (
        producer_config(settings, shared=True, longest_timeout_s=1), consumer_config(settings), probe_config(settings),
        cluster_config(settings),
    ):  # fmt: skip
        assert config["bootstrap.servers"] == "kafka:1"
    with pytest.raises(SettingsError, match=r"other:1 by --kafka-bootstrap and kafka:1 by line 7"):
        parse({"kafka_bootstrap": Given("other:1", "--kafka-bootstrap")}, {name: "kafka:1"}, {name: 7})


def test_two_lines_that_name_two_clusters_are_refused() -> None:
    """Load for one cluster and replies from another are no run."""
    with pytest.raises(SettingsError, match=r"two clusters are named: a:1 by .* and b:1 by"):
        parse({}, {"bootstrap.servers": "a:1", "producer.bootstrap.servers": "b:1"})


@given(st.floats(0.001, 3600))
def test_the_message_timeout_lies_a_second_before_the_reply_timeout(longest_s: float) -> None:
    """The client looks once a second: later, nothing would ever be UNDELIVERED; and it is a second at least."""
    config = producer_config(parse({}), shared=False, longest_timeout_s=longest_s)
    assert config["message.timeout.ms"] == int(max(1.0, longest_s - 1) * 1000)
    assert not has_own_message_timeout(parse({}))
    assert has_own_message_timeout(settings_of(message_timeout_ms="5"))
    assert not has_own_message_timeout(parse({}, {"consumer.message.timeout.ms": "5"}))


@pytest.mark.parametrize(
    ("file", "given_up"),
    [
        ({}, ""),
        ({"acks": "all"}, ""),
        ({"acks": "-1"}, ""),
        ({"acks": "1"}, "acks=1"),
        ({"acks": "0"}, "acks=0"),
        ({"retries": "0"}, "retries=0"),
        ({"retries": "5"}, ""),
        ({"max.in.flight": "5"}, ""),
        ({"max.in.flight": "6"}, "max.in.flight=6"),
        ({"acks": "1", "enable.idempotence": "true"}, ""),
    ],
)
def test_idempotence_gives_way_as_javas_does(file: dict[str, str], given_up: str) -> None:
    """It is on by default, and off when the user's setting excludes it; asked for beside it, librdkafka judges."""
    assert gives_up_idempotence(dict(file)) == given_up
    config = producer_config(parse({}, file), shared=False, longest_timeout_s=10)
    if "enable.idempotence" in file:
        assert config["enable.idempotence"] == "true"
        with pytest.raises(KafkaException):
            Producer(config)
    else:
        assert config["enable.idempotence"] is (given_up == "")
        Producer(config)


@pytest.mark.parametrize("shared", [True, False])
def test_librdkafka_knows_every_setting_of_ours(shared: bool) -> None:
    """All four configurations are taken as they are."""
    settings = parse({"kafka_bootstrap": Given("127.0.0.1:1", "--kafka-bootstrap")})
    Producer(producer_config(settings, shared=shared, longest_timeout_s=10))
    for config in (consumer_config(settings), probe_config(settings), cluster_config(settings)):
        Consumer(config).close()


SECRETS = {
    "sasl.password": "hunter2-sasl", "ssl.key.password": "hunter2-key", "ssl.keystore.password": "hunter2-store",
    "sasl.oauthbearer.client.secret": "hunter2-client", "sasl.oauthbearer.config": "hunter2-bearer",
    "ssl.key.pem": "hunter2-pem", "producer.sasl.password": "hunter2-producer",
}  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "wrong",
    [{"security.protocol": "nonsense"}, {"no.such.setting": "x"}, {"linger.ms": "many"}],
    ids=lambda w: next(iter(w)),
)
def test_no_refusal_repeats_a_secret(name: str, wrong: dict[str, str]) -> None:
    """Whatever librdkafka refuses, the sentence names the setting's line and holds no value of a secret one."""
    settings = parse({}, {**wrong, name: SECRETS[name]}, {next(iter(wrong)): 77, name: 78})
    with pytest.raises(SettingsError) as refused:
        connect(settings, HubQueue(Wakeup()), ReplyRouting(b"abcd1234"))
    assert "line 77" in str(refused.value)
    assert SECRETS[name] not in str(refused.value)


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_that_is_refused_itself_is_repeated(name: str) -> None:
    """A secret as the value of a setting that librdkafka refuses is masked in its words."""
    secret = SECRETS[name]
    settings = parse({}, {name: secret, "security.protocol": secret})
    with pytest.raises(SettingsError) as refused:
        connect(settings, HubQueue(Wakeup()), ReplyRouting(b"abcd1234"))
    assert secret not in str(refused.value)
    assert "***" in str(refused.value)


@given(st.dictionaries(st.sampled_from(sorted(SECRETS)), st.text("xyz", min_size=12, max_size=20), min_size=1))
def test_settings_can_be_shown(config: dict[str, Any]) -> None:
    """The settings as text, as a debugger or an error report shows them, hold no value of the file."""
    shown = f"{parse({}, config)!r} {parse({}, config)}"
    assert not any(value in shown for value in config.values())


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "six"])
def test_what_is_no_number_is_left_to_librdkafka(number: str) -> None:
    """Digits of another script, or too many of them, are librdkafka's to refuse: reading them stops nobody."""
    assert gives_up_idempotence({"max.in.flight": number}) == ""


@pytest.mark.parametrize("like", [SYNCHRONOUS, JAVA, LIBRDKAFKA])
@pytest.mark.parametrize("file", [{}, {"linger.ms": "50"}, {"acks": "1"}, {"enable.idempotence": "true"}])
def test_a_producer_sends_as_the_client_that_is_named(like: str, file: dict[str, str]) -> None:
    """Its defaults, unless the user's file says otherwise; librdkafka takes all of it, and why it is not safe is known."""
    settings = parse({"kafka_producer_like": Given(like, "--kafka-producer-like")}, {"producer.client.id": "x", **file})
    config = producer_config(settings, shared=True, longest_timeout_s=10)
    Producer({**config, "bootstrap.servers": "127.0.0.1:1"})
    for name, value in PRESETS[like].items():
        if name not in (*file, "enable.idempotence", "max.in.flight"):
            assert config[name] == value
    assert all(config[name] == value for name, value in file.items())
    idempotent = "acks" not in file and (like != LIBRDKAFKA or bool(file.get("enable.idempotence")))
    assert str(config["enable.idempotence"]).lower() == str(idempotent).lower()
    assert (not_idempotent(settings) == "") == idempotent
    assert f"like {like}: linger.ms={PRESETS[like]['linger.ms']}" in in_words(like)
