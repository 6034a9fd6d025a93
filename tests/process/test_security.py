"""Both programs before listeners of every kind: the right credentials exchange records, the wrong ones are a sentence."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.process.token_functions import SAID
from tests.secured import ADMIN_PASSWORD, PASSWORD, SecuredKafka
from tests.support import NO_BROKER, Process, Waiter, assert_balanced, assert_well_behaved, locust
from tests.tokens import CLIENT_ID, CLIENT_SECRET

LOAD = ["--headless", "--only-summary", "-u", "2", "-r", "2", "--kafka-settle", "0.2"]
WRONG = "wr0ng-s3cret"
SECRETS = (PASSWORD, ADMIN_PASSWORD, CLIENT_SECRET, WRONG, SAID)
AT_ONCE = 4
Settings = Callable[[SecuredKafka], Mapping[str, str]]


class Case(NamedTuple):
    """A listener, what the client says to it, and what is said of that ("" when records are exchanged).

    `function` gives tokens, `options` are more of Locust's.
    """

    listener: str
    settings: Settings
    sentence: str = ""
    function: str = ""
    options: tuple[str, ...] = ()
    locustfile: str = "locustfiles/closed.py"


class Outcome(NamedTuple):
    """What both programs came to."""

    run_code: int
    run: str
    service_code: int
    service: str
    folder: Path
    visible: str = ""
    """What anybody on the machine can see of their processes and of all that these have started."""
    pid: int = 0
    """Locust's own."""


def sasl_ssl(kafka: SecuredKafka) -> dict[str, str]:
    return {**kafka.credentials(mechanism="SCRAM-SHA-256"), **kafka.tls(), "security.protocol": "SASL_SSL"}


def of_java(kafka: SecuredKafka) -> dict[str, str]:
    oauth = "org.apache.kafka.common.security.oauthbearer.OAuthBearer"
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": f"{oauth}LoginCallbackHandler",
        "sasl.oauthbearer.token.endpoint.url": kafka.token_endpoint.url,
        "sasl.jaas.config": f'{oauth}LoginModule required clientId="{CLIENT_ID}" clientSecret="{CLIENT_SECRET}";',
    }


def by_function(kafka: SecuredKafka) -> dict[str, str]:
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.config": kafka.token_endpoint.url,
    }


CASES = {
    "a function's tokens": Case("oauth", by_function, function="from_endpoint", options=("--processes", "2", "-t", "14s")),
    "a function that takes long": Case(
        "oauth", by_function, function="renewed_while_users_go_on", options=("-t", "15s"),
        locustfile="tests/process/locustfiles/progress.py",
    ),
    "PLAIN": Case("sasl", lambda kafka: kafka.credentials()),
    "SCRAM over TLS": Case("sasl_ssl", sasl_ssl),
    "OAUTHBEARER, a Java client's file": Case("oauth", of_java),
    "TLS": Case("ssl", lambda kafka: kafka.tls()),
    "mTLS": Case("mtls", lambda kafka: kafka.tls(client_certificate=True)),
    "wrong password": Case("sasl", lambda kafka: kafka.credentials(password=WRONG), "refused the credentials"),
    "wrong password, SCRAM": Case(
        "sasl_ssl", lambda kafka: {**sasl_ssl(kafka), "sasl.password": WRONG}, "refused the credentials"
    ),
    "expired certificate": Case("expired", lambda kafka: kafka.tls(), 'has expired ("'),
    "wrong host name": Case("wrong_host", lambda kafka: kafka.tls(), 'is for another host ("'),
    "wrong authority": Case(
        "ssl", lambda kafka: {**kafka.tls(), "ssl.ca.location": str(kafka.foreign_authority)},
        "is signed by an authority that is not trusted",
    ),
    "client certificate missing": Case("mtls", lambda kafka: kafka.tls(), "wants a client certificate"),
    "token endpoint away": Case(
        "oauth", lambda kafka: kafka.oidc(url=f"http://{NO_BROKER}/token"), "the token endpoint cannot be reached"
    ),
    "token endpoint refuses": Case(
        "oauth", lambda kafka: kafka.oidc(secret=WRONG), "the token endpoint refused the client"
    ),
    "a function's token is refused": Case("oauth", by_function, "refused the token", "refused"),
    "a function fails": Case(
        "oauth", by_function, "gave no token (RuntimeError: the vault is sealed for ***)", "fails"
    ),
    "no way to a token": Case(
        "oauth", lambda kafka: {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"},
        "says no way to a token",
    ),
}  # fmt: skip
RIGHT = [name for name, case in CASES.items() if not case.sentence]
WRONG_ONES = [name for name, case in CASES.items() if case.sentence]


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with SecuredKafka() as secured:
        for principal in ("User:alice", "User:CN=client"):
            for operation in ("DESCRIBE", "READ", "WRITE"):
                secured.allow(operation, "*", principal=principal)
            for operation in ("DESCRIBE", "READ"):
                secured.allow(operation, "*", resource="GROUP", principal=principal)
        yield secured


COMMANDS = {
    "doctor": ["--json"],
    "watch": ["--seconds", "1"],
    "lag": ["--seconds", "4", "--kafka-group", "nobody"],
}


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Some at once, the longest first: most of their time they wait."""
    with ThreadPoolExecutor(AT_ONCE) as executor:
        yield executor


@pytest.fixture(scope="module")
def outcomes(
    kafka: SecuredKafka, pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[Outcome]]:
    return {
        name: pool.submit(exchange if name in RIGHT else refuse, kafka, name, case, tmp_path_factory.mktemp("security"))
        for name, case in CASES.items()
    }


@pytest.fixture(scope="module")
def looks(
    kafka: SecuredKafka, pool: ThreadPoolExecutor, outcomes: object, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Future[tuple[int, str]]]:
    return {
        (name, function): pool.submit(command, kafka, name, function, tmp_path_factory.mktemp("security"))
        for name in COMMANDS
        for function in ("from_endpoint", "fails")
    }


def settings_file(folder: Path, settings: Mapping[str, str]) -> str:
    path = folder / "client.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return str(path)


def topics_of(kafka: SecuredKafka, name: str) -> tuple[str, str]:
    word = name.replace(" ", "-").replace("'", "").replace(",", "")
    kafka.create_topics(f"{word}-asked", f"{word}-answered")
    return f"{word}-asked", f"{word}-answered"


def given(kafka: SecuredKafka, case: Case, folder: Path) -> tuple[list[str], list[str]]:
    """The options of both programs that name the credentials."""
    file = settings_file(folder, case.settings(kafka))
    function = f"tests.process.token_functions:{case.function}"
    ours = ["--kafka-oauth-callback", function] if case.function else []
    services = ["--oauth-callback", function.replace("renewed_while_users_go_on", "from_endpoint")]
    return ["--kafka-config", file, *ours], ["--config", file, *(services if case.function else [])]


def exchange(kafka: SecuredKafka, name: str, case: Case, folder: Path) -> Outcome:
    topics, bootstrap = topics_of(kafka, name), getattr(kafka, case.listener)
    ours, services = given(kafka, case, folder)
    with Waiter(bootstrap, topics) as waiter:
        service = waiter.start(*services)
        options = [*LOAD, "-t", "6s", *ours, "--kafka-report", str(folder / "report"), "--kafka-group", topics[0]]
        progress = str(folder / "progress")
        with locust(bootstrap, topics, case.locustfile, *options, *case.options, PROGRESS=progress) as run:
            run.await_line("the lag of consumer group")
            seen = visible(run.pid) + visible(service.pid) + visible(os.getpid())
            return Outcome(run.wait(), run.output, 0, service.output, folder, seen, run.pid)


def visible(pid: int) -> str:
    """Command lines and environments of what a process has started, and its own command line."""
    process, shown = psutil.Process(pid), []
    for one in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            shown += [*one.cmdline(), *(f"{name}={value}" for name, value in one.environ().items())]
    return "\n".join([*process.cmdline(), *shown])


def refuse(kafka: SecuredKafka, name: str, case: Case, folder: Path) -> Outcome:
    topics, bootstrap = ("asked", "answered"), getattr(kafka, case.listener)
    ours, services = given(kafka, case, folder)
    with (
        locust(bootstrap, topics, case.locustfile, *LOAD, "-t", "2s", *ours) as run,
        Waiter(bootstrap, topics) as waiter,
    ):
        service = waiter.start(*services, ready=False)
        run.await_line("Starting Locust")
        began_s = time.monotonic()
        run_code = run.wait()
        print(f"{name}: locust has ended {time.monotonic() - began_s:.1f} s after it began to connect")
        return Outcome(run_code, run.output, service.wait(), service.output, folder)


def command(kafka: SecuredKafka, name: str, function: str, folder: Path) -> tuple[int, str]:
    topics, case = topics_of(kafka, f"{name} {function}"), Case("oauth", by_function, function=function)
    places = ["--kafka-bootstrap", kafka.oauth, "--kafka-request-topic", topics[0]]
    places += [] if name == "lag" else ["--kafka-reply-topic", topics[1]]
    ours, _services = given(kafka, case, folder)
    with Process([sys.executable, "-m", "locust_kafka", name, *places, *ours, *COMMANDS[name]]) as process:
        return process.wait(), process.output


def assert_no_secret(kafka: SecuredKafka, output: str) -> None:
    assert_well_behaved(output)
    for secret in (*SECRETS, *kafka.token_endpoint.given):
        assert secret not in output


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_credentials_exchange_records(
    kafka: SecuredKafka, outcomes: dict[str, Future[Outcome]], looks: object, name: str
) -> None:
    """Both programs and the lag's reader with one file of client settings: all is answered, and no secret is shown."""
    found = outcomes[name].result()
    assert found.run_code == 0, found.run
    assert_balanced(found.folder / "report" / "summary.json", at_least=2)
    assert "the lag of consumer group" in found.run
    assert "cannot be looked at" not in found.run
    written = "".join(path.read_text() for path in (found.folder / "report").iterdir())
    assert_no_secret(kafka, found.run + found.service + written)
    assert "locust_kafka.kafka.lag" in found.visible
    assert "kafka.Kafka" in found.visible
    assert_no_secret(kafka, found.visible)


@pytest.mark.parametrize("name", WRONG_ONES)
def test_wrong_credentials_are_a_sentence(kafka: SecuredKafka, outcomes: dict[str, Future[Outcome]], name: str) -> None:
    """Both programs: the last line says what is wrong, with the documented exit code, no traceback and no secret."""
    found = outcomes[name].result()
    assert found.run_code == 3, found.run
    assert found.service_code == (2 if name == "no way to a token" else 1), found.service
    for output in (found.run, found.service):
        assert CASES[name].sentence in output.splitlines()[-1], output
        assert_no_secret(kafka, output)


def test_a_function_is_waited_for_by_no_user(outcomes: dict[str, Future[Outcome]]) -> None:
    """While the function renews a token and waits, users go on: it waits for just that, and it is called in time."""
    found = outcomes["a function that takes long"].result()
    # The lag's reader has a token of its own, and a process without a hub.
    assert int((found.folder / f"progress.renewed-by-{found.pid}").read_text()) >= 3


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_log_in_as_a_run_does(
    kafka: SecuredKafka, looks: dict[tuple[str, str], Future[tuple[int, str]]], name: str
) -> None:
    """Doctor, watch and lag by a function's tokens: each does its work; a function that fails is a sentence, code 3."""
    code, output = looks[name, "from_endpoint"].result()
    failed_code, failed_output = looks[name, "fails"].result()
    assert code == 0, output
    assert "cannot be looked at" not in output
    assert failed_code == 3, failed_output
    assert "gave no token (RuntimeError: the vault is sealed for ***)" in failed_output
    assert_no_secret(kafka, output + failed_output)
