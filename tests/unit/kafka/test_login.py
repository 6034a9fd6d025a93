"""How our clients log in: a child as its parent, an admin client as the others, and no producer that stops the hub."""

from __future__ import annotations

import json
import sys
from typing import Any

import gevent
import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from locust_kafka.errors import NotReady, SettingsError
from locust_kafka.hub.queue import HubQueue, Wakeup
from locust_kafka.kafka.config import cluster_config, producer_config
from locust_kafka.kafka.login import admin_config, await_token, for_child, in_child, is_slow_to_make, unconnected
from locust_kafka.kafka.pool import WARM_NS, warm_ns
from locust_kafka.kafka.producer import DeliveryReport, RequestProducer
from locust_kafka.settings import Settings, parse
from locust_kafka.values import Given
from tests.support import NO_BROKER

FUNCTIONS = "tests.process.token_functions"
OAUTH = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "bootstrap.servers": NO_BROKER}


def settings(function: str = "refused", **config: str) -> Settings:
    """Those of a run whose tokens a function gives; `refused` gives one without asking anybody."""
    given = {"kafka_oauth_callback": Given(f"{FUNCTIONS}:{function}", "--kafka-oauth-callback")} if function else {}
    return parse(given, {**OAUTH, **config})


def test_a_child_logs_in_as_its_parent() -> None:
    """What goes through its standard input is plain JSON without a token; there it becomes the same settings again."""
    config = admin_config(cluster_config(settings()))
    wire = json.dumps(for_child(settings(), config))
    assert "eyJ" not in wire
    path = list(sys.path)
    found = in_child(json.loads(wire))
    assert sys.path == path
    assert unconnected(found) == unconnected(config)
    assert found["oauth_cb"]("").value.count(".") == 2
    assert "oauth_cb" not in in_child(for_child(settings(""), config))


def test_an_admin_client_gets_all_that_logs_in() -> None:
    """Also the authority of a token endpoint; what only a consumer knows stays away, or librdkafka would complain."""
    login = {"https.ca.location": "/ca.pem", "sasl.oauthbearer.scope": "s", "ssl.ca.pem": "x", "client.rack": "r"}
    found = admin_config(cluster_config(settings("", **login)))
    assert login.items() <= found.items()
    assert not {"group.id", "fetch.wait.max.ms", "auto.offset.reset", "enable.auto.commit"} & found.keys()
    AdminClient(admin_config(cluster_config(settings(""))))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (settings("fails"), NotReady, "the vault is sealed for ***"),
        (settings("no_such"), SettingsError, "cannot be imported (AttributeError"),
        (settings(""), SettingsError, "says no way to a token"),
        (settings(**{"sasl.oauthbearer.method": "oidc"}), SettingsError, "two ways to a token"),
        (settings(**{"producer.sasl.mechanism": "PLAIN"}), SettingsError, "has no use without"),
        (settings("fails", **{"sasl.password": "sealed"}), NotReady, "the vault is *** for ***"),
    ],
)
def test_what_gives_no_token_is_a_sentence(given: Settings, error: type[Exception], words: str) -> None:
    """Before any client is made, and without what is secret."""
    with pytest.raises(error) as refused:
        await_token(given)
    assert words in str(refused.value)


def test_a_producer_that_waits_for_its_token_stops_nobody() -> None:
    """It is made by its own thread: until then its queue is full, and the hub goes on."""
    config = producer_config(settings(), shared=True, longest_timeout_s=2)
    assert is_slow_to_make(config)
    assert warm_ns(settings()) > WARM_NS == warm_ns(settings(""))
    await_token(settings())
    reports: HubQueue[DeliveryReport[Any]] = HubQueue(Wakeup())
    producer = RequestProducer(config, reports, 2.0)
    with pytest.raises(BufferError, match="waits for its first token"):
        producer.produce(None, "topic", b"x", None, [])
    with gevent.Timeout(30):
        while producer._producer is None:
            gevent.sleep(0.01)
    producer.stop()
    with gevent.Timeout(30):
        while not producer.ended:
            gevent.sleep(0.01)
    assert producer._producer is None
    assert all(not isinstance(one.error, KafkaError) for one in reports.take_all())
