"""Every text here was said by librdkafka 2.16 to a real listener; the sentence names the cause and the remedy."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from locust_kafka.kafka import cause_texts as tables
from locust_kafka.kafka.causes import (
    CERTIFICATE,
    BrokerError,
    PartitionState,
    connection_failure,
    delivery_failure,
    is_decided,
    read_failure,
    setting_refused,
    topic_failure,
)

DOWN = BrokerError("_ALL_BROKERS_DOWN", "1/1 brokers are down")
NO_METADATA = BrokerError("_TRANSPORT", "Failed to get metadata: Local: Broker transport failure")
LOG = "rdkafka#consumer-4 [thrd:127.0.0.1:60675/bootstrap]: 127.0.0.1:60675/bootstrap: "
LOG_SSL = "rdkafka#consumer-7 [thrd:ssl://127.0.0.1:51577/bootstrap]: ssl://127.0.0.1:51577/bootstrap: "
CLOSED = "Disconnected: connection closed by peer: receive 0 after POLLIN "
HANDSHAKE = "SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state: broker's supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)"
NOT_TRUSTED = (
    "ssl://127.0.0.1:49611/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: "
    "broker certificate could not be verified, verify that ssl.ca.location is correctly configured or root CA "
    "certificates are installed (install ca-certificates package) (after 18ms in state SSL_HANDSHAKE)"
)
NO_TLS = (
    "SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT broker listener? "
    "(after 5ms in state SSL_HANDSHAKE)"
)


def failure(
    *errors: tuple[str, str], bootstrap: str = "kafka:9092", protocol: str = "PLAINTEXT", answered: bool = False
) -> str:
    """The sentence, for a run that waited 5 s, with the noise that librdkafka adds to each case."""
    said = [BrokerError(*error) for error in errors]
    noise = [said[0], DOWN, *said[1:], NO_METADATA] if said else []
    return connection_failure(
        bootstrap, noise, answered=answered, security_protocol=protocol, waited_s=5.0, flag="--kafka-bootstrap"
    )


CONNECTIONS = [
    pytest.param(
        "_TRANSPORT", "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
        "PLAINTEXT", ["listens at 127.0.0.1:1 ", "refused", "locust-kafka broker", "--kafka-bootstrap"], id="refused",
    ),
    pytest.param(
        "_TRANSPORT", "[::1]:1/bootstrap: Connect to ipv6#[::1]:1 failed: Connection refused (after 0ms in state CONNECT)",
        "PLAINTEXT", ["listens at [::1]:1 ", "locust-kafka broker"], id="refused, IPv6",
    ),
    pytest.param(
        "_RESOLVE", "no-such-host.invalid:9092/bootstrap: Failed to resolve 'no-such-host.invalid:9092': Name or service not known (after 0ms in state CONNECT)",
        "PLAINTEXT", ["host name of no-such-host.invalid:9092", "has no address", "--kafka-bootstrap"], id="unresolvable",
    ),
    pytest.param(
        "FAIL", LOG + "Connection setup timed out in state CONNECT (after 30028ms in state CONNECT)",
        "PLAINTEXT", ["no Kafka broker answered at 127.0.0.1:60675", "timed out", "firewall"], id="filtered",
    ),
    pytest.param(
        "FAIL", LOG + "ApiVersionRequest failed: Local: Timed out: probably due to broker version < 0.10 (see api.version.request configuration) (after 10008ms in state APIVERSION_QUERY)",
        "PLAINTEXT", ["no Kafka broker answered at 127.0.0.1:60675", "whether a broker runs there"], id="silent server",
    ),
    pytest.param(
        "_AUTHENTICATION", "sasl_plaintext://127.0.0.1:49199/bootstrap: " + HANDSHAKE,
        "SASL_PLAINTEXT", ["127.0.0.1:49199 wants no SASL", "SASL_PLAINTEXT has it", "security.protocol=PLAINTEXT"], id="SASL to PLAINTEXT",
    ),
    pytest.param(
        "_AUTHENTICATION", "sasl_ssl://127.0.0.1:49199/bootstrap: " + HANDSHAKE,
        "SASL_SSL", ["wants no SASL", "SASL_SSL has it", "security.protocol=SSL"], id="SASL_SSL to SSL",
    ),
    pytest.param(
        "_TRANSPORT", "ssl://127.0.0.1:49199/bootstrap: " + NO_TLS,
        "SSL", ["127.0.0.1:49199 has no TLS", "security.protocol=PLAINTEXT"], id="SSL to PLAINTEXT",
    ),
    pytest.param(
        "_TRANSPORT", "ssl://127.0.0.1:49199/bootstrap: Disconnected: SSL connection closed by peer (after 1ms in state SSL_HANDSHAKE)",
        "SSL", ["has no TLS", "security.protocol=PLAINTEXT"], id="SSL to PLAINTEXT, its other text",
    ),
    pytest.param(
        "_TRANSPORT", "sasl_ssl://127.0.0.1:52529/bootstrap: " + NO_TLS,
        "SASL_SSL", ["has no TLS", "security.protocol=SASL_PLAINTEXT"], id="SASL_SSL to SASL_PLAINTEXT",
    ),
    pytest.param(
        "_SSL", "ssl://127.0.0.1:39007/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number (after 0ms in state SSL_HANDSHAKE)",
        "SSL", ["127.0.0.1:39007 has no TLS", "wrong version number"], id="SSL to HTTP",
    ),
    pytest.param(
        "FAIL", LOG + CLOSED + "(after 0ms in state UP)",
        "PLAINTEXT", ["127.0.0.1:60675 closed", "wants SASL", "security.protocol=SASL_PLAINTEXT"], id="PLAINTEXT to SASL",
    ),
    pytest.param(
        "_TRANSPORT", "127.0.0.1:52529/bootstrap: Send failed: Broken pipe (after 0ms in state UP)",
        "PLAINTEXT", ["wants SASL", "security.protocol=SASL_PLAINTEXT"], id="PLAINTEXT to SASL, without the log",
    ),
    pytest.param(
        "FAIL", LOG_SSL + "Disconnected: SSL connection closed by peer (after 0ms in state UP)",
        "SSL", ["127.0.0.1:51577 closed", "wants SASL", "security.protocol=SASL_SSL"], id="SSL to SASL_SSL",
    ),
    pytest.param(
        "FAIL", LOG + CLOSED + "(after 1ms in state APIVERSION_QUERY)",
        "PLAINTEXT", ["127.0.0.1:60675 closed", "wants TLS", "security.protocol=SSL"], id="PLAINTEXT to SSL",
    ),
    pytest.param(
        "FAIL", LOG.replace("127", "sasl_plaintext://127") + CLOSED + "(after 1ms in state APIVERSION_QUERY)",
        "SASL_PLAINTEXT", ["127.0.0.1:60675 closed", "wants TLS", "security.protocol=SASL_SSL"], id="SASL to SASL_SSL",
    ),
    pytest.param(
        "_BAD_MSG", "127.0.0.1:1/bootstrap: Receive failed: Invalid response size 352518912 (0..100000000): increase receive.message.max.bytes (after 0ms in state APIVERSION_QUERY)",
        "PLAINTEXT", ["has TLS", "security.protocol=SSL"], id="a TLS alert",
    ),
    pytest.param(
        "_BAD_MSG", "127.0.0.1:46213/bootstrap: Receive failed: Invalid response size 1213486160 (0..100000000): increase receive.message.max.bytes (after 0ms in state APIVERSION_QUERY)",
        "PLAINTEXT", ["at 127.0.0.1:46213 is no Kafka broker", "--kafka-bootstrap"], id="HTTP",
    ),
    pytest.param(
        "_AUTHENTICATION", "sasl_plaintext://127.0.0.1:52529/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 313ms in state AUTH_REQ)",
        "SASL_PLAINTEXT", ["127.0.0.1:52529 refused the credentials", "Invalid username", "sasl.password"], id="wrong password, PLAIN",
    ),
    pytest.param(
        "_AUTHENTICATION", "sasl_plaintext://127.0.0.1:52529/bootstrap: SASL authentication error: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256 (after 319ms in state AUTH_REQ)",
        "SASL_PLAINTEXT", ["refused the credentials", "SCRAM-SHA-256", "sasl.password"], id="wrong password, SCRAM",
    ),
    pytest.param(
        "_AUTHENTICATION", "sasl_plaintext://127.0.0.1:52529/bootstrap: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported mechanisms: PLAIN,SCRAM-SHA-256 (after 301ms in state AUTH_HANDSHAKE)",
        "SASL_PLAINTEXT", ["does not know this sasl.mechanism", "PLAIN,SCRAM-SHA-256", "set sasl.mechanism"], id="unsupported mechanism",
    ),
    pytest.param(
        "_SSL", NOT_TRUSTED,
        "SSL", ["127.0.0.1:49611 is not trusted", "ssl.ca.location", "expired", "another host name"], id="certificate",
    ),
    pytest.param(
        "_TRANSPORT", "ssl://127.0.0.1:34713/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
        "SSL", ["127.0.0.1:34713 wants a client certificate", "ssl.certificate.location"], id="no client certificate",
    ),
    pytest.param(
        "BROKER", 'rdkafka#consumer-7 [thrd:app]: Broker name "http://127.0.0.1:9" parse error: unsupported protocol "HTTP"',
        "PLAINTEXT", ["not host:port", "--kafka-bootstrap"], id="not an address",
    ),
    pytest.param(
        "_TRANSPORT", "127.0.0.1:9/bootstrap: something that nobody has seen yet (after 0ms in state UP)",
        "SSL", ["within 5 s", "127.0.0.1:9: something that nobody has seen yet", "security.protocol=SSL"], id="unknown words",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "protocol", "expected"), CONNECTIONS)
def test_a_connection_that_fails_is_explained(name: str, text: str, protocol: str, expected: list[str]) -> None:
    """Librdkafka's words, what they mean and the remedy are in one sentence, and ALL_BROKERS_DOWN is not."""
    sentence = failure((name, text), protocol=protocol)
    assert [part for part in expected if part not in sentence] == [], sentence
    assert "brokers are down" not in sentence
    assert "in state" not in sentence
    assert "\n" not in sentence
    assert not sentence.endswith(".")
    assert ("start one" in sentence) == ("Connection refused" in text)


@pytest.mark.parametrize(("name", "text", "protocol", "expected"), CONNECTIONS)
def test_nobody_starts_a_broker_where_one_answered(name: str, text: str, protocol: str, expected: list[str]) -> None:
    """Once a broker has answered, no sentence asks to start one."""
    assert "start one" not in failure((name, text), protocol=protocol, answered=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("127.0.0.1:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)", "127.0.0.1:1"),
        ("kafka.invalid:9092/1: Failed to resolve 'kafka.invalid:9092': Name or service not known (after 0ms in state CONNECT)", "kafka.invalid:9092"),
        ("GroupCoordinator: kafka.invalid:9092: Failed to resolve 'kafka.invalid:9092': Name or service not known (after 0ms in state CONNECT, 1 identical error(s) suppressed)", "kafka.invalid:9092"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("answered", [True, False])
def test_an_advertised_address_is_named(text: str, named: str, answered: bool) -> None:
    """An address that only the broker can have told is named as such, with advertised.listeners."""
    closed = ("FAIL", LOG + CLOSED + "(after 1ms in state UP)")  # the connection to the bootstrap ends beside it
    sentence = failure(closed, ("_TRANSPORT", text), bootstrap="127.0.0.1:9092", answered=answered)
    assert f"named {named} as an address" in sentence
    assert "advertised.listeners" in sentence


@pytest.mark.parametrize(("name", "text", "protocol", "expected"), CONNECTIONS)
def test_only_a_refusal_is_decided(name: str, text: str, protocol: str, expected: list[str]) -> None:
    """Waiting is in vain once a listener has refused the settings; a broker that is down or starting may still come."""
    patient = (
        "Connection refused",
        "Failed to resolve",
        "imed out",
        CLOSED.strip(),
        "Broken pipe",
        "(after 0ms in state UP)",
    )
    assert is_decided([DOWN, BrokerError(name, text)]) != any(part in text for part in patient)


def test_the_default_address_is_said_to_be_the_default() -> None:
    """Who gave no address learns that one was taken, and by which option."""
    text = "localhost:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)"
    assert "localhost:9092, the default of --kafka-bootstrap" in failure(
        ("_TRANSPORT", text), bootstrap="localhost:9092"
    )
    assert "default" not in failure(("_TRANSPORT", text), bootstrap="localhost:9092,other:9092")


def test_silence_is_told_from_doors_that_close() -> None:
    """Without words, brokers that are down closed the connection; without even that, nothing answered."""
    closed = connection_failure(
        "kafka:9092",
        [DOWN, NO_METADATA],
        answered=False,
        security_protocol="",
        waited_s=5,
        flag="--b",
        config_flag="--c",
    )
    assert "closed without a word" in closed
    assert "SSL, SASL_PLAINTEXT or SASL_SSL in --c" in closed
    silent = connection_failure(
        "kafka:9092", [NO_METADATA], answered=False, security_protocol="", waited_s=5, flag="--b"
    )
    assert "nothing answered at kafka:9092 within 5 s" in silent
    assert "firewall" in silent
    gone = connection_failure("kafka:9092", [NO_METADATA], answered=True, security_protocol="", waited_s=5, flag="--b")
    assert "answered, and then none did" in gone


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("certificate has expired", "has expired"),
        ("IP address mismatch, certificate is not valid for '127.0.0.1'.", "is for another host"),
        ("Hostname mismatch, certificate is not valid for 'localhost'.", "is for another host"),
        ("unable to get local issuer certificate", "ssl.ca.location"),
    ],
)
def test_the_reason_of_a_certificate_can_be_added(reason: str, expected: str) -> None:
    """Librdkafka has one text for all certificates; what Python's ssl found makes the sentence exact."""
    assert expected in failure(("_SSL", NOT_TRUSTED), (CERTIFICATE, reason), protocol="SSL")


def test_a_topic_that_is_missing_gets_a_suggestion() -> None:
    """A near name, a name that differs by case, or none: the remedy fits."""
    existing = ["Waiter-Requests", "Waiter-Responses", "__consumer_offsets"]
    assert "did you mean 'Waiter-Requests'?" in topic_failure("Waiter-Requets", None, existing, "b:1")
    assert "Upper and lower case differ" in topic_failure("waiter-requests", None, existing, "b:1")
    nothing = topic_failure("orders", None, existing, "b:1")
    assert (
        nothing
        == "topic 'orders' does not exist on b:1: create it first; if it exists, give the principal DESCRIBE on it"
    )
    unknown = BrokerError("UNKNOWN_TOPIC_OR_PART", "Broker: Unknown topic or partition")
    assert topic_failure("orders", unknown, [], "b:1") == "topic 'orders' does not exist on b:1: create it first"
    assert "__consumer" not in topic_failure("consumer_offsets", None, existing, "b:1")


def test_a_topic_that_is_refused_gets_its_remedy() -> None:
    """Not authorised, no valid name, and what is unknown are told apart."""
    denied = BrokerError("TOPIC_AUTHORIZATION_FAILED", "Broker: Topic authorization failed")
    assert "give the principal DESCRIBE" in topic_failure("orders", denied, [], "b:1")
    assert "249" in topic_failure("no pe!", BrokerError("TOPIC_EXCEPTION", "Broker: Invalid topic"), [], "b:1")
    assert "log" in topic_failure("x", BrokerError("UNKNOWN", "Unknown broker error"), [], "b:1")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("TOPIC_AUTHORIZATION_FAILED", "Fetch from broker 1 failed: Broker: Topic authorization failed", "not allowed to read replies"),
        ("TOPIC_AUTHORIZATION_FAILED", "Fetch from broker 1 failed: Broker: Topic authorization failed", "READ on the topic"),
        ("GROUP_AUTHORIZATION_FAILED", "FindCoordinator response error: Group authorization failed.", "READ on the group"),
        ("UNKNOWN_TOPIC_OR_PART", "Broker: Unknown topic or partition", "was deleted"),
        ("_AUTO_OFFSET_RESET", "fetch failed due to requested offset not available on the broker: Broker: Offset out of range (broker 1)", "created anew"),
        ("OFFSET_OUT_OF_RANGE", "Broker: Offset out of range", "retention.ms"),
        ("LEADER_NOT_AVAILABLE", "Broker: Leader not available", "no leader"),
        ("_FATAL", "Local: Fatal error", "start again"),
        ("UNKNOWN", "Unknown broker error", "log"),
    ],
)  # fmt: skip
def test_a_read_that_fails_is_explained(name: str, text: str, expected: str) -> None:
    """The sentence has the topic, the broker's words and the remedy."""
    sentence = read_failure("replies", BrokerError(name, text))
    assert expected in sentence
    assert text in sentence


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("MSG_SIZE_TOO_LARGE", "Unable to produce message: Broker: Message size too large", "message.max.bytes of the producer"),
        ("MSG_SIZE_TOO_LARGE", "Broker: Message size too large", "max.message.bytes of orders"),
        ("_MSG_TIMED_OUT", "Local: Message timed out", "within message.timeout.ms"),
        ("NOT_ENOUGH_REPLICAS", "Broker: Not enough in-sync replicas", "min.insync.replicas"),
        ("TOPIC_AUTHORIZATION_FAILED", "Broker: Topic authorization failed", "WRITE on orders"),
        ("CLUSTER_AUTHORIZATION_FAILED", "Failed to acquire idempotence PID from broker sasl_plaintext://127.0.0.1:55049/1: Broker: Cluster authorization failed", "IDEMPOTENT_WRITE"),
        ("UNKNOWN_TOPIC_OR_PART", "Broker: Unknown topic or partition", "does not exist"),
        ("_UNKNOWN_TOPIC", "Local: Unknown topic", "does not exist"),
        ("_UNKNOWN_PARTITION", "Local: Unknown partition", "no such partition"),
        ("TOPIC_EXCEPTION", "Broker: Invalid topic", "no valid topic name"),
        ("_QUEUE_FULL", "Local: Queue full", "send less"),
        ("_PURGE_QUEUE", "Local: Purged in queue", "the run ended"),
        ("_PURGE_INFLIGHT", "Local: Purged in flight", "the run ended"),
        ("INVALID_RECORD", "Broker: Broker failed to validate record", "needs a key"),
        ("POLICY_VIOLATION", "Broker: Policy violation", "policy"),
        ("UNSUPPORTED_COMPRESSION_TYPE", "Broker: Unsupported compression type", "compression.type"),
        ("OUT_OF_ORDER_SEQUENCE_NUMBER", "Broker: Broker received an out of order sequence number", "start again"),
        ("_FATAL", "Local: Fatal error", "start again"),
        ("UNKNOWN", "Unknown broker error", "log"),
    ],
)  # fmt: skip
def test_a_failed_delivery_has_its_remedy(name: str, text: str, expected: str) -> None:
    """The phrase for a failure row holds the broker's words and the remedy, and stays short."""
    phrase = delivery_failure("orders", BrokerError(name, text))
    assert phrase.startswith(text.partition(" sasl_")[0])
    assert expected in phrase
    assert len(phrase) < 250


def test_the_partitions_state_says_why_a_delivery_timed_out() -> None:
    """No leader, or fewer in sync than replicas, or neither."""
    timed_out = BrokerError("_MSG_TIMED_OUT", "Local: Message timed out")
    assert "orders [3] has no leader" in delivery_failure("orders", timed_out, PartitionState(3, -1, 3, 1))
    few = delivery_failure("orders", timed_out, PartitionState(3, 1, 3, 1))
    assert "1 of 3 replicas" in few
    assert "min.insync.replicas may not be met" in few
    assert "message.timeout.ms" in delivery_failure("orders", timed_out, PartitionState(3, 1, 3, 3))


def test_the_tables_know_only_names_that_exist() -> None:
    """Each error name of the tables is one that confluent-kafka gives."""
    codes = [getattr(KafkaError, name) for name in dir(KafkaError) if name.strip("_").isupper()]
    names = {KafkaError(code).name() for code in codes}
    assert {*tables.TOPIC, *tables.READ, *tables.DELIVERY} <= names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('No such configuration property: "linger.msx"', ["f, line 7", "spelling"]),
        ('Invalid value "brotli" for configuration property "compression.codec"', ["f, line 2", "'brotli'", "choose one"]),
        ('Configuration property "queue.buffering.max.ms" value -5 is outside allowed range 0..900000\n', ["f, line 3", "in this range"]),
        ("Failed to create producer: `acks` must be set to `all` when `enable.idempotence` is true", ["f, line 4", "leave acks out"]),
        ("Failed to create producer: `max.in.flight` must be set <= 5 when `enable.idempotence` is true", ["line 8", "leave it out"]),
        ("Failed to create producer: `message.timeout.ms` must be greater than `linger.ms`", ["line 3", "one of the two"]),
        ('Expected bool value for "socket.keepalive.enable": true or false', ["f: librdkafka", "true or false"]),
        ("Failed to create consumer: Unsupported SASL mechanism: FOO", ["FOO", "SCRAM-SHA-512"]),
        ("Failed to create consumer: No provider for SASL mechanism GSSAPI: recompile librdkafka with libsasl2 or openssl support. Current build options: PLAIN SASL_SCRAM OAUTHBEARER", ["the default is not built in"]),
        ("Failed to create consumer: sasl.username and sasl.password must be set", ["set both"]),
        ("Java JAAS configuration is not supported, see https://github.com/confluentinc/librdkafka/wiki/Using-SASL-with-librdkafka for more information.", ["sasl.username"]),
        ("Failed to create producer: ssl.ca.location failed: error:05880020:x509 certificate routines::BIO lib", ["line 6", "exists"]),
        ("Failed to create producer: ssl.key.location failed: error:05800074:x509 certificate routines::key values mismatch", ["that of the certificate"]),
        ("Failed to create producer: ssl.key.pem failed: not in PEM format?: error:1E08010C:DECODER routines::unsupported: No supported data to decode. Input type: PEM", ["-----BEGIN"]),
        ("Failed to create producer: `ssl.keystore.password` is mandatory when `ssl.keystore.location` is set", ["set what it needs"]),
        ("something new", ["f: librdkafka refused a setting", "something new", "correct it"]),
    ],
)  # fmt: skip
def test_a_refused_setting_is_found_in_its_file(text: str, expected: list[str]) -> None:
    """The sentence has the file, the line of that setting under whichever of its names, and the remedy."""
    lines = {
        "compression.type": 2, "producer.linger.ms": 3, "acks": 4, "enable.idempotence": 5, "ssl.ca.location": 6,
        "linger.msx": 7, "producer.max.in.flight.requests.per.connection": 8,
    }  # fmt: skip
    sentence = setting_refused(text, lines, "f")
    assert [part for part in expected if part not in sentence] == [], sentence
    assert "Failed to create" not in sentence


@pytest.mark.parametrize("name", ["sasl.password", "ssl.key.password", "ssl.key.pem", "my.secret", "oauth.token"])
def test_a_secret_is_never_repeated(name: str) -> None:
    """Whatever librdkafka quotes of a secret's value, the sentence does not."""
    for text in (
        f'Invalid value "hunter2 "for" you" for configuration property "{name}"',
        f'Configuration property "{name}" value hunter2 is outside allowed range 0..9',
    ):
        sentence = setting_refused(text, {name: 3}, "f")
        assert "hunter2" not in sentence
        assert "you" not in sentence
        assert "line 3" in sentence
        assert name in sentence


def test_a_login_token_is_never_repeated() -> None:
    """Librdkafka quotes the rest of sasl.oauthbearer.config where it cannot read it; the sentence does not."""
    text = "Failed to acquire SASL OAUTHBEARER token: Unrecognized sasl.oauthbearer.config beginning at: scope=hunter2"
    sentence = failure(("_AUTHENTICATION", text), protocol="SASL_SSL")
    assert "hunter2" not in sentence
    assert "sasl.oauthbearer" in sentence


def test_a_sentence_is_short_whatever_was_said() -> None:
    """What looks like an address is one only up to the longest host name."""
    for text in ("b" * 9_000 + ":1/bootstrap: down", "b:" + "9" * 9_000 + "/1: Failed to resolve", "x" * 9_000):
        assert len(failure(("_TRANSPORT", text))) < 1_000
