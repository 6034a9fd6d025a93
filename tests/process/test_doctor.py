"""The doctor before real brokers: what it finds, its exit codes, and what it never does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.secured import PASSWORD, UNREACHABLE, SecuredKafka
from tests.support import NO_BROKER, ROOT, create_topics, hear_interrupts, read, send

COMMAND = (sys.executable, "-m", "locust_kafka", "doctor")


def environment(**variables: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_KAFKA_", "OTEL_"))}
    return {**ours, **variables}


def doctor(*arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and standard output; nothing may come on standard error."""
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


def found(*arguments: str, **variables: str) -> tuple[int, bool, dict[str, list[dict[str, Any]]]]:
    """The exit code, `ok`, and the findings of each level."""
    code, output = doctor("--json", *arguments, **variables)
    result = json.loads(output)
    assert set(result) == {"ok", "findings"}
    by_level: dict[str, list[dict[str, Any]]] = {"ok": [], "note": [], "warning": [], "problem": []}
    for finding in result["findings"]:
        assert set(finding) == {"area", "level", "subject", "words", "remedy"}
        by_level[finding["level"]].append(finding)
    return code, result["ok"], by_level


def of_topics(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that do not depend on what else runs on this machine."""
    return [finding for finding in findings if finding["area"] != "machine"]


def on(broker: str, topics: tuple[str, str]) -> list[str]:
    return ["--kafka-bootstrap", broker, "--kafka-request-topic", topics[0], "--kafka-reply-topic", topics[1]]


def test_a_healthy_cluster(broker: str, topics: tuple[str, str]) -> None:
    """Exit code 0 and valid JSON: each permission allowed, the clock known by a record, nothing wrong, nothing written."""
    send(broker, topics[1], [{"value": b"x"}])
    code, ok, levels = found(*on(broker, topics), "--users", "10", "--kafka-rate", "200")
    assert (code, ok) == (0, True)
    assert levels["problem"] == of_topics(levels["warning"]) == []
    words = {finding["subject"]: finding["words"] for finding in levels["ok"]}
    assert words["librdkafka"]
    assert words[f"WRITE {topics[0]}"] == "allowed, as the broker says"
    assert "read up to its end" in words[f"READ {topics[1]}"]
    assert "gave it an id" in words["idempotent producer"]
    assert "behind ours" in words["broker clock"]
    assert re.search(r"Apache Kafka \d+\.\d+ or newer", words["broker version"])
    assert "given by --kafka-bootstrap" in words["brokers"]
    assert len(read(broker, topics[1], 1)) == 1
    assert read(broker, topics[0], 0) == []


def test_the_lines_for_a_person(broker: str, topics: tuple[str, str]) -> None:
    """CreateTime on one topic: a warning that is repeated last with its remedy; with --strict the exit code is 1."""
    created = f"{topics[1]}-created"
    create_topics(broker, created, partitions=4, **{"message.timestamp.type": "CreateTime"})
    code, output = doctor("--strict", *on(broker, (topics[0], created)))
    assert code == 1
    for heading in ("Versions", "Cluster", "Topics", "Permissions", "Machine", "Telemetry"):
        assert f"\n\n{heading}\n" in f"\n\n{output}"
    repeated = output.partition("A run can begin: 0 problems, ")[2]
    assert f"warning: {created}: message.timestamp.type CreateTime" in repeated
    assert "-> kafka-configs.sh" in repeated


def test_topics_that_are_not_as_they_should_be(broker: str, topics: tuple[str, str]) -> None:
    """A missing one: exit code 3, and the name that was meant; it is not created.  The other: each in its sentence."""
    missing, odd = f"{topics[0][:-1]}_", f"{topics[1]}-odd"
    settings = {"min.insync.replicas": "2", "cleanup.policy": "compact,delete", "retention.ms": "1000"}
    create_topics(broker, odd, partitions=4, **settings)
    code, ok, levels = found(*on(broker, (missing, odd)))
    assert (code, ok) == (3, False)
    (problem,) = levels["problem"]
    assert (problem["subject"], problem["remedy"]) == (missing, f"did you mean {topics[0]!r}?")
    assert missing not in AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10).topics
    told = " ".join(finding["words"] for finding in [*levels["warning"], *levels["note"]])
    for part in (
        "min.insync.replicas 2 is more than its 1 replica",
        "cleanup.policy compact,delete",
        "retention.ms 1000",
    ):
        assert part in told


def test_no_broker() -> None:
    """Exit code 3 within seconds, with librdkafka's words; the variable is blamed when it was given by one."""
    began = time.monotonic()
    code, _, levels = found(LOCUST_KAFKA_BOOTSTRAP=NO_BROKER)
    assert time.monotonic() - began < 20
    assert code == 3
    (problem,) = levels["problem"]
    assert "Connection refused" in problem["words"]
    assert "locust-kafka broker" in problem["remedy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kafka-reply-timeout", "1h"], "--kafka-reply-timeout '1h' is refused"),
        (["--users", "many"], "--users 'many' is refused"),
    ],
)
def test_a_bad_option(arguments: list[str], said: str) -> None:
    """Exit code 3 and a finding, in JSON as well."""
    code, ok, levels = found(*arguments)
    assert (code, ok) == (3, False)
    assert said in levels["problem"][0]["words"]


def test_a_setting_that_librdkafka_refuses(tmp_path: Path) -> None:
    """Named with its line; the machine is looked at all the same."""
    config = tmp_path / "client.properties"
    config.write_text("sasl.password=hunter2\nlinger.ms=abc\n")
    code, output = doctor("--kafka-config", str(config))
    assert code == 3
    assert "line 2: librdkafka refused a setting" in output
    assert "\nMachine\n" in output
    assert "hunter2" not in output


def test_an_interrupt_is_clean() -> None:
    """Ctrl-C in the middle of the look: exit code 130 and not a word."""
    process = subprocess.Popen(
        [*COMMAND, "--kafka-bootstrap", NO_BROKER], cwd=ROOT, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts,
    )  # fmt: skip
    maps = Path(f"/proc/{process.pid}/maps")
    while "librdkafka" not in maps.read_text():  # it has begun
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_a_reader_that_goes_away() -> None:
    """`locust-kafka doctor | head` ends without a traceback."""
    process = subprocess.Popen(
        [*COMMAND, "--users", "x"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 3
    process.stderr.close()


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    with SecuredKafka() as kafka:
        yield kafka


def test_permissions_that_are_missing(secured: SecuredKafka, tmp_path: Path) -> None:
    """WRITE, READ and the producer's id are told apart, each with what to give; given, the run can begin."""
    secured.create_topics("asked", "answered")
    for name in ("asked", "answered"):
        secured.allow("DESCRIBE", name)
    config = tmp_path / "client.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in secured.credentials().items()))
    arguments = [*on(secured.sasl, ("asked", "answered")), "--kafka-config", str(config)]
    code, _, levels = found(*arguments)
    assert code == 3
    remedies = {finding["subject"]: finding["remedy"] for finding in levels["problem"]}
    assert set(remedies) == {"WRITE asked", "READ answered", "idempotent producer"}
    assert remedies["WRITE asked"] == "give the principal WRITE on asked"
    assert remedies["READ answered"] == "give the principal READ on the topic"
    notes = [finding["words"] for finding in levels["note"] if finding["area"] == "topics"]
    assert len([words for words in notes if "settings are not known" in words]) == 2
    secured.allow("WRITE", "asked")
    secured.allow("READ", "answered")
    code, ok, levels = found(*arguments)
    assert (code, ok, levels["problem"]) == (0, True, [])


def test_an_advertised_address_that_cannot_be_reached(secured: SecuredKafka) -> None:
    """The bootstrap address answers, the one that it names does not: the setting to correct is named."""
    secured.create_topics("there", "back")
    code, _, levels = found(*on(secured.unreachable, ("there", "back")))
    assert code == 3
    (problem,) = levels["problem"]
    assert UNREACHABLE in problem["words"]
    assert "advertised.listeners" in problem["remedy"]


def test_a_wrong_password_is_not_shown(secured: SecuredKafka, tmp_path: Path) -> None:
    """The broker's refusal, and never the password: neither the wrong one nor any other."""
    config = tmp_path / "client.properties"
    settings = secured.credentials(password="hunter2-s3cret")
    config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    code, output = doctor("--kafka-bootstrap", secured.sasl, "--kafka-config", str(config))
    assert code == 3
    assert "refused the credentials" in output
    assert "hunter2" not in output
    assert PASSWORD not in output
