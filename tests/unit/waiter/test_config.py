"""Configurations of librdkafka's clients, tried on librdkafka itself."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from waiter_service.kafka.config import ClientConfig, config_notes
from waiter_service.kafka.properties import read_properties


def config(text: str, protocol: str = "classic") -> ClientConfig:
    return ClientConfig("b:1", "g", protocol, read_properties(text.encode(), {}, "f"), "f")


@pytest.mark.parametrize("text", [
    "acks=1", "acks=0", "retries=0", "max.in.flight=6", "producer.acks=1", "request.required.acks=1",
    "max.in.flight.requests.per.connection=100\nacks=1",
])  # fmt: skip
def test_settings_against_idempotence_turn_it_off_with_a_note(text: str) -> None:
    """As in the Java client: what librdkafka would refuse beside enable.idempotence=true turns it off, and is said."""
    made = config(text)
    with pytest.raises(KafkaException, match=r"enable\.idempotence"):
        Producer({**made.producer(), "enable.idempotence": True})
    assert made.producer()["enable.idempotence"] is False
    Producer(made.producer())
    notes = config_notes(made)
    assert len(notes) == text.count("\n") + 1
    assert all("turns enable.idempotence off" in note and note.startswith("f, line ") for note in notes)


@pytest.mark.parametrize("text", ["", "acks=all", "acks=-1", "retries=5", "max.in.flight=5", "acks=ALL"])
def test_without_such_settings_idempotence_is_on(text: str) -> None:
    """No reply is sent twice by the waiter's own producer."""
    made = config(text)
    assert made.producer()["enable.idempotence"] is True
    Producer(made.producer())
    assert config_notes(made) == []


def test_an_explicit_wish_is_not_overruled() -> None:
    """enable.idempotence in the file stays; librdkafka then refuses what does not fit."""
    with pytest.raises(KafkaException, match="acks"):
        Producer(config("enable.idempotence=true\nacks=1").producer())
    assert config("enable.idempotence=false").producer()["enable.idempotence"] == "false"


def test_a_prefix_directs_a_setting_to_one_kind_of_client() -> None:
    """The prefixed setting wins for its kind, wherever it stands; others get the plain one."""
    made = config("producer.client.id=p\nclient.id=all\nconsumer.fetch.wait.max.ms=7\n")
    assert (made.producer()["client.id"], made.consumer()["client.id"], made.admin()["client.id"]) == (
        "p",
        "all",
        "all",
    )
    assert made.consumer()["fetch.wait.max.ms"] == "7"
    assert "fetch.wait.max.ms" not in made.admin()


def test_what_the_waiter_decides_a_file_cannot_change() -> None:
    """Committing what is unanswered, creating misspelt topics, missing reports: passed over with a note."""
    made = config(
        "enable.auto.offset.store=true\nconsumer.enable.auto.commit=false\nallow.auto.create.topics=true\n"
        "enable.partition.eof=true\nproducer.delivery.report.only.error=true"
    )
    assert made.consumer()["enable.auto.offset.store"] is False
    assert made.consumer()["enable.auto.commit"] is True
    assert made.consumer()["enable.partition.eof"] is False
    assert made.producer()["allow.auto.create.topics"] is False
    assert made.producer()["delivery.report.only.error"] is False
    assert len(config_notes(made)) == 5


def test_members_of_a_group_have_instance_ids_of_their_own() -> None:
    """Two members with one group.instance.id would put each other out of the group."""
    made = config("group.instance.id=a")
    assert [made.consumer(number)["group.instance.id"] for number in (1, 2, 3)] == ["a", "a-2", "a-3"]
    assert "group.instance.id" not in config("").consumer(2)


def test_settings_of_the_classic_protocol_are_left_out_of_the_other() -> None:
    """A Confluent Cloud file sets session.timeout.ms; with the consumer protocol librdkafka would refuse it."""
    text = "session.timeout.ms=45000\nheartbeat.interval.ms=3000\npartition.assignment.strategy=range\n"
    Consumer(config(text).consumer()).close()
    made = config(text, "consumer")
    Consumer(made.consumer()).close()
    assert len(config_notes(made)) == 3
    assert config_notes(config(text)) == []


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "six"])
def test_what_is_no_number_is_left_to_librdkafka(number: str) -> None:
    """Digits of another script, or too many of them, are librdkafka's to refuse: reading them stops nobody."""
    assert config(f"max.in.flight={number}").producer()["enable.idempotence"]
