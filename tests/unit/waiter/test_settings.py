"""Options: flags, variables, the file, and sentences for what is refused."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service.settings import parse


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
        (["--late", "5%:999999999m"], "'999999999m' is not a duration"),
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


def parse_error(capsys: pytest.CaptureFixture[str], arguments: list[str], **environ: str) -> str:
    with pytest.raises(SystemExit) as exit_info:
        parse(arguments, environ)
    assert exit_info.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(("variable", "value", "sentence"), [
    ("WAITER_WAITERS", "x", "WAITER_WAITERS 'x' is refused: 'x' is not a whole number from 1 to 10000"),
    ("WAITER_METRICS_PORT", "http", "WAITER_METRICS_PORT 'http' is refused: 'http' is not a whole number"),
    ("WAITER_GROUP_PROTOCOL", "raft", "WAITER_GROUP_PROTOCOL 'raft' is refused: 'raft' is neither classic nor consumer"),
    ("WAITER_CONFIG", "no/such", "WAITER_CONFIG: 'no/such' cannot be read: No such file or directory"),
    ("WAITER_REPLY_TOPIC", "a\udc80", "WAITER_REPLY_TOPIC 'a\\udc80' is refused"),
    ("WAITER_GROUP", "a\udc80", "WAITER_GROUP 'a\\udc80' is refused"),
])  # fmt: skip
def test_a_refused_variable_is_blamed_by_its_own_name(
    variable: str, value: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence names the variable, not the flag; a flag in its place makes the variable irrelevant."""
    said = parse_error(capsys, [], **{variable: value})
    assert sentence in said
    assert "argument --" not in said


def test_a_variable_that_a_flag_replaces_is_not_looked_at() -> None:
    """A flag beats even a variable that would be refused."""
    assert parse(["--waiters", "3"], {"WAITER_WAITERS": "x"}).waiters == 3


@pytest.mark.parametrize(
    "value", ["tcp://10.96.0.1:9646", "udp://10.0.0.1:53", "tcp://[fd00::1]:80", "sctp://h.example:1"]
)
def test_variables_that_kubernetes_makes_are_passed_over(value: str) -> None:
    """A service called waiter-metrics makes WAITER_METRICS_PORT: a warning names it, the default holds."""
    settings = parse([], {"WAITER_METRICS_PORT": value})
    assert settings.metrics_port is None
    (warning,) = settings.warnings
    assert "WAITER_METRICS_PORT is passed over" in warning
    assert "Kubernetes" in warning


def test_flags_beat_variables_beat_the_file_beat_defaults(tmp_path: Path) -> None:
    """For the brokers and the group, all four can say something."""
    path = tmp_path / "client.properties"
    path.write_text("bootstrap.servers=file:1,other:1\ngroup.id=file-group\ngroup.protocol=CONSUMER\n")
    config = ["--config", str(path)]
    assert parse([], {}).clients.bootstrap == "localhost:9092"
    settings = parse(config, {})
    assert (settings.clients.bootstrap, settings.clients.group) == ("file:1,other:1", "file-group")
    assert settings.clients.group_protocol == "consumer"
    assert parse([*config, "--group-protocol", "classic"], {}).clients.group_protocol == "classic"
    environ = {"WAITER_BOOTSTRAP": "other:1", "WAITER_GROUP": "variable-group", "WAITER_CONFIG": str(path)}
    settings = parse([], environ)
    assert (settings.clients.bootstrap, settings.clients.group) == ("other:1", "variable-group")
    settings = parse(["--bootstrap", "PLAINTEXT://File:1", "--group", "flag-group"], environ)
    assert (settings.clients.bootstrap, settings.clients.group) == ("PLAINTEXT://File:1", "flag-group")
    for client in (settings.clients.consumer(), settings.clients.producer(), settings.clients.admin()):
        assert client["bootstrap.servers"] == "PLAINTEXT://File:1"


def test_a_file_for_another_cluster_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two clusters: the sentence names both addresses, the line of the file and who named the other one."""
    path = tmp_path / "client.properties"
    path.write_text("acks=all\nbootstrap.servers=staging:9092\n")
    config = ["--config", str(path)]
    said = parse_error(capsys, [*config, "--bootstrap", "prod:9092"])
    assert f"--bootstrap names prod:9092, but {path}, line 2, sets bootstrap.servers to staging:9092" in said
    assert "WAITER_BOOTSTRAP names prod" in parse_error(capsys, config, WAITER_BOOTSTRAP="prod")
    path.write_text("consumer.bootstrap.servers=a:1\nproducer.metadata.broker.list=b:1\n")
    said = parse_error(capsys, config)
    assert "line 1" in said
    assert "line 2" in said
    path.write_text("bootstrap.servers=localhost:9092\n")
    assert parse([*config, "--bootstrap", "127.0.0.1"], {}).clients.bootstrap == "127.0.0.1"


def test_a_bad_file_is_a_sentence_without_its_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 with file and line; neither a value nor an unreadable line is repeated."""
    path = tmp_path / "client.properties"
    for text in ("sasl.password", "hunter2", "sasl.password=hunter2\nsasl.password=hunter3", "sasl.password=hunter2${X}",
                 "ssl.truststore.location=/hunter2.jks", "transactional.id=hunter2", "sasl.jaas.config=hunter2"):  # fmt: skip
        path.write_text(text)
        said = parse_error(capsys, ["--config", str(path)])
        assert f"{path}, line " in said
        assert "hunter" not in said


def test_settings_do_not_show_secrets(tmp_path: Path) -> None:
    """Neither the notes nor the representation of the settings hold a value of the file."""
    path = tmp_path / "client.properties"
    path.write_text('sasl.password="hunter2"\nssl.truststore.password=hunter2\nacks=1\n')
    settings = parse(["--config", str(path)], {})
    assert len(settings.notes) == 3
    assert "hunter2" not in repr(settings)
    assert settings.clients.consumer()["sasl.password"] == "hunter2"


def test_a_waiter_does_not_answer_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """One topic for requests and replies would be a loop."""
    said = parse_error(capsys, ["--request-topic", "same", "--reply-topic", "same"])
    assert "--request-topic and --reply-topic are the same topic" in said


def test_the_help_says_what_an_error_reply_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`--error` names the header and its value."""
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "`error: injected`" in " ".join(capsys.readouterr().out.split())


@given(st.text(max_size=12), st.sampled_from(["DROP", "LATE", "WAIT", "SEED", "REPORT_EVERY", "METRICS_PORT"]))
def test_any_text_is_a_value_or_refused(text: str, name: str) -> None:
    """No text ends in another exception."""
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        parse([], {f"WAITER_{name}": text})
