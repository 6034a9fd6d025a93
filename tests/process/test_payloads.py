"""Avro, JSON Schema and Protobuf through a real registry and a real Kafka, to a service that speaks them."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import jsonschema
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.serialization import MessageField, SerializationContext

from locust_kafka.report.html import asset
from tests import schemas
from tests.registry import Registry
from tests.support import ROOT, assert_balanced, assert_well_behaved, create_topics, locust, read_summary

USERS = 8
FORMATS = ("avro", "json", "protobuf")


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Apicurio Registry, which speaks the API of Confluent's."""
    with Registry() as server:
        yield server


def replies_of(topic: str) -> str:
    return topic.replace("-requests-", "-replies-")


class Service:
    """Reads Avro and JSON and answers in kind, through a client of its own; Protobuf goes back as it came."""

    def __init__(self, bootstrap: str, url: str, suffix: str) -> None:
        client = schemas.client(url)
        self._serdes: dict[str, tuple[Any, Any]] = {
            f"avro-requests-{suffix}": schemas.avro(client), f"json-requests-{suffix}": schemas.json_schema(client),
        }  # fmt: skip
        requests = [f"{name}-requests-{suffix}" for name in FORMATS]
        create_topics(bootstrap, *requests, *map(replies_of, requests))
        self._consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": suffix, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 10,
        })  # fmt: skip
        self._consumer.subscribe(requests)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while not self._end.is_set():
            self._producer.poll(0)
            request = self._consumer.poll(0.2)
            if request is not None and request.error() is None:
                self._answer(request)

    def _answer(self, request: Any) -> None:
        replies, body = replies_of(request.topic()), request.value()
        if request.topic() in self._serdes:
            serialize, deserialize = self._serdes[request.topic()]
            value = deserialize(body, SerializationContext(request.topic(), MessageField.VALUE))
            answer = {"guest": value["guest"], "table": value["item"] + 1} if "item" in value else value
            body = serialize(answer, SerializationContext(replies, MessageField.VALUE))
        headers = [(name, header) for name, header in request.headers() if name == "traceparent"]
        self._producer.produce(replies, body, request.key(), headers=headers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join(30)
        self._consumer.close()
        self._producer.flush(30)


@pytest.fixture
def run_all(broker: str, registry: Registry, tmp_path: Path) -> Callable[[str], tuple[int, str, str]]:
    """Run locustfiles beside the service: exit code, output, and the topics' suffix."""

    def run(locustfiles: str) -> tuple[int, str, str]:
        suffix = uuid.uuid4().hex[:8]
        topics = f"avro-requests-{suffix}", f"avro-replies-{suffix}"
        with (
            Service(broker, registry.url, suffix),
            locust(
                broker, topics, locustfiles, "--headless", "-u", str(USERS), "-r", "8", "-t", "90s", "--kafka-settle", "0.2",
                "--kafka-report", str(tmp_path / "report"), REGISTRY_URL=registry.url, SUFFIX=suffix,
            ) as process,
        ):  # fmt: skip
            return process.wait(), process.output, suffix

    return run


def test_payloads_by_schema_from_end_to_end(
    run_all: Callable[[str], tuple[int, str, str]], registry: Registry, tmp_path: Path
) -> None:
    """The example and both other formats: all are matched and read, schemas are registered once, mistakes are sentences."""
    code, output, suffix = run_all("docs/examples/avro.py,tests/process/locustfiles/schemas.py")
    assert code == 1, output  # rows failed, as they should
    assert_well_behaved(output)
    requests = assert_balanced(tmp_path / "report" / "summary.json", at_least=100)
    assert requests["matched"] == requests["registered"], output
    summary = read_summary(tmp_path / "report" / "summary.json")
    jsonschema.validate(summary, json.loads(asset("summary.schema.json")))

    names = summary["names"]
    assert names.keys() == {"order", "json", "protobuf", "expected", "unreadable"}
    for name, entry in names.items():
        matched = entry["requests"]["matched"]
        assert matched >= 20, (name, output)
        # Each of the users may have been stopped while it waited for a reply: nobody looked at that one.
        looked_at = entry["legs_ms"]["deserialize"]["count"]
        assert matched - USERS <= looked_at <= matched
        assert entry["rejected"] == (looked_at if name == "unreadable" else 0), (name, output)
        assert entry["legs_ms"].get("serialize", {}).get("count", 0) == (0 if name == "expected" else matched)
    assert "  serialize  " in output
    assert "  deserialize  " in output

    sentence = "a task was refused: ValueError: the serializer JSONSerializer failed for a value of type dict to topic"
    assert output.count(sentence) == 1, output
    assert "SerializationError: 5 is not of type 'string'; nothing was sent" in output
    assert "the deserializer ProtobufDeserializer failed for a reply on topic 'json-replies-" in output

    # Once by the tester, however many users and requests it has, and once by the service; the client of a registry that
    # is slow asks up to three times more.
    subjects = [f"{name}-{kind}-{suffix}-value" for name in ("avro", "json") for kind in ("requests", "replies")]
    for subject in (*subjects, schemas.PROTOBUF_SUBJECT):
        assert 1 <= registry.asked("POST", f"/subjects/{subject}/versions?normalize=False") <= 4, registry.output


def test_the_documentation_shows_the_example() -> None:
    """What docs/payloads.md shows is the file that is run here."""
    (shown,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/payloads.md").read_text(), re.MULTILINE | re.DOTALL)
    assert (ROOT / "docs/examples/avro.py").read_text().endswith(f"\n{shown}")
