"""What librdkafka says to real listeners is what `causes` knows."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from locust_kafka.kafka.causes import (
    CERTIFICATE,
    BrokerError,
    connection_failure,
    delivery_failure,
    read_failure,
    setting_refused,
    topic_failure,
)
from tests.secured import UNREACHABLE, UNRESOLVABLE, SecuredKafka

LIMIT_S = 30.0
"""A slow machine may need long; on an idle one each case is told within 1 s."""


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with SecuredKafka() as broker:
        yield broker


class Listening:
    """A consumer that gathers what librdkafka says: by error_cb, in its log, and with the calls that fail."""

    def __init__(self, bootstrap: str, config: dict[str, Any]) -> None:
        self.errors: list[BrokerError] = []
        self.answered = False
        self._bootstrap = bootstrap
        self._protocol = config.get("security.protocol", "")
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "locust-kafka",
                "auto.offset.reset": "error",
                "log_level": 6,  # "Disconnected ..." is said at this level, and nowhere else
                "logger": self,
                "error_cb": self._heard,
                **config,
            }
        )

    def log(self, _level: int, text: str, *arguments: object) -> None:
        line = text % arguments if arguments else text
        self.errors.append(BrokerError(line.partition(" ")[0], line))

    def sentence(self) -> str:
        return connection_failure(
            self._bootstrap, self.errors, answered=self.answered, security_protocol=self._protocol, waited_s=5,
            flag="--kafka-bootstrap",
        )  # fmt: skip

    def look(self, topic: str | None) -> None:
        """Ask for metadata, then for a partition's leader, and take what was said meanwhile."""
        try:
            self.consumer.list_topics(timeout=0.3)
            self.answered = True
            if topic is not None:
                self.consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=0.3)
        except KafkaException as error:
            self._heard(error.args[0])
        count = -1
        while count < len(self.errors) < 10_000:
            count = len(self.errors)
            self.consumer.poll(0)

    def _heard(self, error: Any) -> None:
        self.errors.append(BrokerError(error.name(), error.str()))


def told(bootstrap: str, config: dict[str, Any], *expected: str, topic: str | None = None) -> str:
    """The sentence as soon as it says all that is expected."""
    listening = Listening(bootstrap, config)
    begun = time.monotonic()
    try:
        while True:
            listening.look(topic)
            sentence = listening.sentence()
            if all(part in sentence for part in expected):
                print(f"{time.monotonic() - begun:.2f} s: {sentence}")
                return sentence
            assert time.monotonic() < begun + LIMIT_S, sentence
    finally:
        listening.consumer.close()


def sasl_ssl(kafka: SecuredKafka) -> dict[str, str]:
    return kafka.tls() | kafka.credentials() | {"security.protocol": "SASL_SSL"}


Settings = Callable[[SecuredKafka], dict[str, str]]


@pytest.mark.parametrize(
    ("listener", "settings", "expected"),
    [
        ("plaintext", lambda k: k.credentials(), ["wants no SASL", "security.protocol=PLAINTEXT in"]),
        ("plaintext", lambda k: k.tls(), ["has no TLS", "security.protocol=PLAINTEXT in"]),
        ("plaintext", sasl_ssl, ["has no TLS", "security.protocol=SASL_PLAINTEXT in"]),
        ("sasl", lambda k: {}, ["wants SASL", "security.protocol=SASL_PLAINTEXT"]),
        ("sasl", lambda k: k.tls(), ["has no TLS"]),
        ("sasl", sasl_ssl, ["has no TLS", "security.protocol=SASL_PLAINTEXT"]),
        ("sasl", lambda k: k.credentials(password="hunter2"), ["refused the credentials", "sasl.password"]),
        ("sasl", lambda k: k.credentials(password="hunter2", mechanism="SCRAM-SHA-256"), ["refused the credentials"]),
        ("sasl", lambda k: k.credentials(mechanism="SCRAM-SHA-512"), ["sasl.mechanism", "PLAIN,SCRAM-SHA-256"]),
        ("ssl", lambda k: {}, ["wants TLS", "security.protocol=SSL"]),
        ("ssl", lambda k: k.credentials(), ["wants TLS", "security.protocol=SASL_SSL"]),
        ("ssl", sasl_ssl, ["wants no SASL", "security.protocol=SSL"]),
        ("ssl", lambda k: k.tls() | {"ssl.ca.location": str(k.foreign_authority)}, ["not trusted", "ssl.ca.location"]),
        ("sasl_ssl", lambda k: {}, ["wants TLS"]),
        ("sasl_ssl", lambda k: k.tls(), ["wants SASL", "security.protocol=SASL_SSL"]),
        ("mtls", lambda k: k.tls(), ["wants a client certificate", "ssl.certificate.location"]),
        ("expired", lambda k: k.tls(), ["not trusted", "expired"]),
        ("wrong_host", lambda k: k.tls(), ["not trusted", "another host name"]),
    ],
)
def test_a_listener_that_wants_something_else(
    kafka: SecuredKafka, listener: str, settings: Settings, expected: list[str]
) -> None:
    """The sentence names the setting to change, never asks to start a broker, and never shows the password."""
    sentence = told(getattr(kafka, listener), settings(kafka), getattr(kafka, listener), *expected)
    assert "start one" not in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("listener", "expected"),
    [("expired", "has expired"), ("wrong_host", "is for another host"), ("ssl", "not trusted")],
)
def test_what_is_wrong_with_a_certificate(kafka: SecuredKafka, listener: str, expected: str) -> None:
    """What Python's `ssl` says of a certificate makes the sentence exact, where librdkafka has one text for all."""
    authority = kafka.foreign_authority if listener == "ssl" else kafka.authority
    host, _, port = getattr(kafka, listener).rpartition(":")
    context = ssl.create_default_context(cafile=authority)
    connection = socket.create_connection((host, int(port)), timeout=LIMIT_S)
    with connection, pytest.raises(ssl.SSLCertVerificationError) as refused:
        context.wrap_socket(connection, server_hostname=host)
    listening = Listening(getattr(kafka, listener), kafka.tls() | {"ssl.ca.location": str(authority)})
    listening.errors.append(BrokerError(CERTIFICATE, refused.value.verify_message))
    assert expected in listening.sentence()
    listening.consumer.close()


def test_nobody_there() -> None:
    """A port where nobody listens, and a name without address."""
    told("127.0.0.1:1", {}, "no Kafka broker listens at 127.0.0.1:1", "Connection refused", "start one")
    told("no-such-host.invalid:9092", {}, "no-such-host.invalid:9092 has no address", "Failed to resolve")


def test_an_advertised_address_that_cannot_be_reached(kafka: SecuredKafka) -> None:
    """The bootstrap address answers; what the broker advertises is named."""
    kafka.create_topics("away")
    for listener, address in ((kafka.unreachable, UNREACHABLE), (kafka.unresolvable, UNRESOLVABLE)):
        sentence = told(listener, {}, f"named {address}", "advertised.listeners", topic="away")
        assert "start one" not in sentence


@pytest.mark.parametrize(
    ("listener", "settings"),
    [
        ("sasl", lambda k: k.credentials()),
        ("sasl", lambda k: k.credentials(mechanism="SCRAM-SHA-256")),
        ("ssl", lambda k: k.tls()),
        ("sasl_ssl", sasl_ssl),
        ("mtls", lambda k: k.tls(client_certificate=True)),
    ],
)
def test_the_right_settings_are_taken(kafka: SecuredKafka, listener: str, settings: Settings) -> None:
    """Each listener answers a client that does as it wants: what the tests above refuse is the client's fault."""
    listening = Listening(getattr(kafka, listener), settings(kafka))
    deadline = time.monotonic() + LIMIT_S
    while not listening.answered:
        assert time.monotonic() < deadline, listening.sentence()
        listening.look(None)
    listening.consumer.close()


def test_a_topic_that_may_not_be_seen(kafka: SecuredKafka) -> None:
    """A topic without DESCRIBE is refused by name and absent from the list; both sentences say DESCRIBE."""
    kafka.create_topics("hidden")
    listening = Listening(kafka.sasl, kafka.credentials())
    found = listening.consumer.list_topics("hidden", timeout=LIMIT_S).topics["hidden"].error
    error = BrokerError(found.name(), found.str())
    assert "give the principal DESCRIBE" in topic_failure("hidden", error, [], kafka.sasl)
    existing = list(listening.consumer.list_topics(timeout=LIMIT_S).topics)
    assert "hidden" not in existing
    assert "give the principal DESCRIBE" in topic_failure("hidden", None, existing, kafka.sasl)
    listening.consumer.close()


def test_a_topic_that_may_not_be_read(kafka: SecuredKafka) -> None:
    """READ denied is told with the topic; the group, which a hand-assigned consumer does not need, is told apart."""
    kafka.create_topics("unreadable")
    kafka.allow("DESCRIBE", "unreadable")
    sentences = read_errors(Listening(kafka.sasl, kafka.credentials()), "unreadable", 0, "TOPIC_AUTHORIZATION_FAILED")
    assert "not allowed to read unreadable" in sentences["TOPIC_AUTHORIZATION_FAILED"]
    assert "give the principal READ on the topic" in sentences["TOPIC_AUTHORIZATION_FAILED"]
    if group := sentences.get("GROUP_AUTHORIZATION_FAILED"):
        assert "READ on the group" in group


def test_an_offset_that_is_gone(kafka: SecuredKafka) -> None:
    """An offset out of range is told as replies that were deleted, or a topic created anew."""
    kafka.create_topics("short")
    sentences = read_errors(Listening(kafka.plaintext, {}), "short", 100, "_AUTO_OFFSET_RESET")
    assert "created anew" in sentences["_AUTO_OFFSET_RESET"]


def read_errors(listening: Listening, topic: str, offset: int, wanted: str) -> dict[str, str]:
    """Error name → sentence, for the messages of a partition that is assigned by hand."""
    listening.consumer.assign([TopicPartition(topic, 0, offset)])
    sentences: dict[str, str] = {}
    deadline = time.monotonic() + LIMIT_S
    while wanted not in sentences:
        assert time.monotonic() < deadline, (sentences, listening.errors)
        message = listening.consumer.poll(0.2)
        if message is not None and (error := message.error()) is not None:
            sentences[error.name()] = read_failure(topic, BrokerError(error.name(), error.str()))
    listening.consumer.close()
    return sentences


def test_a_topic_that_may_not_be_written(kafka: SecuredKafka) -> None:
    """WRITE denied, with and without idempotence, is told in the delivery report."""
    kafka.create_topics("unwritable")
    for idempotent in (True, False):
        config = {**kafka.credentials(), "enable.idempotence": idempotent}
        assert "give the principal WRITE on unwritable" in undelivered(kafka.sasl, config, "unwritable", b"x")


def test_records_that_the_broker_refuses(kafka: SecuredKafka) -> None:
    """Too large for the client, too large for the topic, no key for a compacted topic, no such partition."""
    kafka.create_topics("narrow", **{"max.message.bytes": "1000"})
    kafka.create_topics("compacted", **{"cleanup.policy": "compact"})
    large = b"x" * 2_000_000
    assert "message.max.bytes of the producer" in undelivered(kafka.plaintext, {}, "narrow", large)
    assert "max.message.bytes of narrow" in undelivered(kafka.plaintext, {}, "narrow", large[:5000])
    assert "needs a key" in undelivered(kafka.plaintext, {}, "compacted", b"x")
    assert "no such partition" in undelivered(kafka.plaintext, {}, "narrow", b"x", partition=7)
    assert "no valid topic name" in undelivered(kafka.plaintext, {}, "no pe!", b"x")


def undelivered(bootstrap: str, config: dict[str, Any], topic: str, value: bytes, partition: int = -1) -> str:
    """The phrase for a record that is refused, at once or by the broker."""
    errors: list[Any] = []
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, **config})
    try:
        producer.produce(topic, value, partition=partition, on_delivery=lambda error, _message: errors.append(error))
        assert producer.flush(LIMIT_S) == 0
    except KafkaException as refused:
        errors.append(refused.args[0])
    assert errors[0] is not None
    return delivery_failure(topic, BrokerError(errors[0].name(), errors[0].str()))


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("linger.msx", "1", "spelling"),
        ("linger.ms", "abc", "line 4"),
        ("compression.type", "brotli", "'brotli'"),
        ("ssl.ca.location", "/nowhere/ca.pem", "exists"),
        ("ssl.key.pem", "hunter2", "-----BEGIN"),
        ("sasl.mechanism", "FOO", "SCRAM-SHA-512"),
    ],
)
def test_a_setting_that_librdkafka_refuses(setting: str, value: str, expected: str) -> None:
    """The refusal is found in its file by the name that the user wrote, and no secret is shown."""
    protocol = "SASL_SSL" if "sasl" in setting else "SSL"
    config = {
        "bootstrap.servers": "127.0.0.1:1",
        "security.protocol": protocol,
        "sasl.username": "a",
        "sasl.password": "b",
    }
    with pytest.raises(KafkaException) as refused:
        Producer({**config, setting: value})
    sentence = setting_refused(refused.value.args[0].str(), {setting: 4}, "client.properties")
    assert expected in sentence
    assert "hunter2" not in sentence
    assert sentence.startswith("client.properties")
