"""What a Java client's settings mean to librdkafka: the waiter's copy.

Pure, and a table: each of Java's names that librdkafka does not know, or takes another value for, has one rule.  Names
without a rule are kept as they are; librdkafka knows them, or names them in its refusal.
The load tester and the waiter share no code, so each has this module; a contract test holds the two copies equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_JAAS_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<mark>[=;])|(?P<word>[^\s=;"']+))""", re.DOTALL
)
_JAAS_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PEM_SUFFIXES: Final = (".pem", ".crt", ".cer")
_MSK_IAM: Final = (
    "signing in to Amazon MSK by IAM needs code that signs tokens; write sasl.mechanism=OAUTHBEARER, leave the other "
    "lines of IAM out, and name a function that signs by --kafka-oauth-callback (of the waiter: --oauth-callback)"
)
_CALLBACKS: Final = (
    "a Java class cannot run here; for OAuth write sasl.oauthbearer.method=oidc with "
    "sasl.oauthbearer.token.endpoint.url, sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret, or name a "
    "function in Python by --kafka-oauth-callback (of the waiter: --oauth-callback)"
)


@dataclass(frozen=True)
class Setting:
    """One setting of a file.

    Attributes:
        name: Java's or librdkafka's name.
        value: as written, with its references to variables.
        text: puts the variables in; raises an error when one is not set.
        sibling: the value of another setting of the same file, "" if there is none.
    """

    name: str
    value: str
    text: Callable[[str], str]
    sibling: Callable[[str], str]


@dataclass(frozen=True)
class Translation:
    """What becomes of one setting.

    Attributes:
        settings: librdkafka's names and values, variables put in; empty when the setting is passed over.
        note: what was done, for the log; "" for nothing to tell.
        refusal: what a person must do instead; "" when the setting is not refused.
    """

    settings: tuple[tuple[str, str], ...] = ()
    note: str = ""
    refusal: str = ""


Rule = Callable[[Setting], Translation]


def translate(setting: Setting) -> Translation:
    """Say what a setting means to librdkafka.  Notes and refusals never repeat its value."""
    rule = _RULES.get(setting.name, _pass_over if setting.name.startswith(_PASSED_OVER_PREFIXES) else _keep)
    return rule(setting)


def _keep(setting: Setting) -> Translation:
    return Translation(((setting.name, setting.text(setting.value)),))


def _pass_over(_setting: Setting) -> Translation:
    return Translation(note="it is for Java clients only and is passed over")


def _rename(name: str) -> Rule:
    return lambda setting: Translation(((name, setting.text(setting.value)),), f"librdkafka calls it {name}")


def _alias(name: str) -> Rule:
    return lambda setting: Translation(((name, setting.text(setting.value)),))


def _refuse(remedy: str) -> Rule:
    return lambda _setting: Translation(refusal=remedy)


def _bytes(name: str, divisor: int = 1) -> Rule:
    def rule(setting: Setting) -> Translation:
        digits = setting.text(setting.value).strip()
        if re.fullmatch(r"-1|[0-9]{1,18}", digits) is None:
            return Translation(refusal="it must be a whole number of bytes")
        number = int(digits)  # Java's -1 leaves the size to the operating system; librdkafka's word for that is 0
        scaled = 0 if number < 1 else max(1, number // divisor)
        return Translation(((name, str(scaled)),), f"librdkafka calls it {name}")

    return rule


def _choose(name: str, choices: dict[str, str], otherwise: Translation) -> Rule:
    """The rule for a Java class name, or the first one of a list of them: by its last part."""

    def rule(setting: Setting) -> Translation:
        last = setting.text(setting.value).split(",")[0].strip().rpartition(".")[2]
        if last in choices:
            return Translation(((name, choices[last]),), f"it is translated to {name}={choices[last]}")
        # librdkafka's own words are no Java class; they are kept as they are.
        return _keep(setting) if name == setting.name and last == last.lower() else otherwise

    return rule


def _word(words: dict[str, str]) -> Rule:
    """The rule for a setting of which one value has another name in librdkafka."""

    def rule(setting: Setting) -> Translation:
        value = setting.text(setting.value)
        new = words.get(value.strip().lower())
        return _keep(setting) if new is None else Translation(((setting.name, new),), f"it is translated to {new}")

    return rule


def _callback(setting: Setting) -> Translation:
    value = setting.text(setting.value).strip()
    if value.endswith("oauthbearer.OAuthBearerLoginCallbackHandler") or "oauthbearer.secured.OAuth" in value:
        return Translation((("sasl.oauthbearer.method", "oidc"),), "it is translated to sasl.oauthbearer.method=oidc")
    return Translation(refusal=_MSK_IAM if "msk.auth.iam" in value else _CALLBACKS)


def _mechanism(setting: Setting) -> Translation:
    mechanism = setting.text(setting.value)
    return Translation(refusal=_MSK_IAM) if "_MSK_" in mechanism else Translation((("sasl.mechanism", mechanism),))


def _store_type(setting: Setting, kind: str) -> str:
    """PEM, PKCS12 or JKS: as it is said, else by the file's suffix, else Java's default."""
    said = setting.text(setting.sibling(f"ssl.{kind}.type")).upper()
    path = setting.text(setting.value).lower()
    guessed = "PEM" if path.endswith(_PEM_SUFFIXES) else "PKCS12" if path.endswith((".p12", ".pfx")) else "JKS"
    return said or guessed


def _truststore(setting: Setting) -> Translation:
    kind = _store_type(setting, "truststore")
    if kind == "PEM":
        return _rename("ssl.ca.location")(setting)
    of_jks, of_pkcs12 = (
        "keytool -list -rfc -keystore TRUSTSTORE > ca.pem",
        "openssl pkcs12 -in TRUSTSTORE -nokeys -out ca.pem",
    )
    command = of_pkcs12 if kind == "PKCS12" else of_jks
    return Translation(
        refusal=f"a Java truststore cannot be read here; export its certificates with `{command}` and write "
        "ssl.ca.location=ca.pem (or leave both out if the system trusts the brokers' certificates)"
    )


def _keystore(setting: Setting) -> Translation:
    kind = _store_type(setting, "keystore")
    if kind == "PKCS12":
        return _keep(setting)
    if kind == "PEM":
        path = setting.text(setting.value)
        names = ("ssl.key.location", "ssl.certificate.location")
        return Translation(tuple((name, path) for name in names), f"it is translated to {' and '.join(names)}")
    return Translation(
        refusal="a Java keystore cannot be read here; convert it with `keytool -importkeystore -srckeystore KEYSTORE "
        "-destkeystore keystore.p12 -deststoretype PKCS12` and write ssl.keystore.location=keystore.p12"
    )


def _keystore_password(setting: Setting) -> Translation:
    location = setting.sibling("ssl.keystore.location")
    if location and _store_type(Setting(setting.name, location, setting.text, setting.sibling), "keystore") == "PEM":
        return Translation(note="a PEM file has no password of its own (ssl.key.password opens its key); passed over")
    return _keep(setting)


def _jaas(setting: Setting) -> Translation:
    # Variables are put into the options one by one: a password may hold quotes and semicolons.
    whole = re.fullmatch(r"\s*\$\{[^}]*\}\s*", setting.value) is not None
    parsed = _jaas_parts(setting.text(setting.value) if whole else setting.value)
    if parsed is None:
        form = 'MODULE required username="..." password="...";'
        return Translation(refusal=f"it cannot be read; its form is {form} (or write sasl.username and sasl.password)")
    module, raw = parsed
    options = raw if whole else {name: setting.text(value) for name, value in raw.items()}
    if module in ("PlainLoginModule", "ScramLoginModule"):
        return _jaas_settings({"username": "sasl.username", "password": "sasl.password"}, options)
    if module == "OAuthBearerLoginModule":
        prefix = "sasl.oauthbearer."
        extensions = [(name[10:], value) for name, value in options.items() if name.startswith("extension_")]
        options["extensions"] = ",".join(f"{name}={value}" for name, value in extensions)
        names = {"clientId": "client.id", "clientSecret": "client.secret", "scope": "scope", "extensions": "extensions"}
        needed = {name: prefix + new for name, new in names.items() if new.startswith("client") or options.get(name)}
        return _jaas_settings(needed, options, ((f"{prefix}method", "oidc"),))
    if module == "IAMLoginModule":
        return Translation(refusal=_MSK_IAM)
    if module == "Krb5LoginModule":
        return Translation(refusal="for Kerberos write sasl.kerberos.keytab and sasl.kerberos.principal instead")
    return Translation(refusal="only PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule are understood")


def _jaas_settings(
    names: dict[str, str], options: dict[str, str], more: tuple[tuple[str, str], ...] = ()
) -> Translation:
    missing = [name for name in names if name not in options]
    if missing:
        return Translation(refusal=f"its module needs the option {' and '.join(missing)}")
    found = tuple((new, options[name]) for name, new in names.items())
    return Translation((*found, *more), f"it is translated to {', '.join(name for name, _ in (*found, *more))}")


def _jaas_parts(text: str) -> tuple[str, dict[str, str]] | None:
    """The module's class name and its options; None if this is not `MODULE FLAG NAME=VALUE ... ;`."""
    tokens, position = [], 0
    while (match := _JAAS_TOKEN.match(text, position)) is not None:
        position = match.end()
        quoted = match["quoted"]
        plain = match["word"] or ""
        if quoted is not None:
            plain = re.sub(r"\\(.)", lambda m: _JAAS_ESCAPES.get(m[1], m[1]), quoted[1:-1], flags=re.DOTALL)
        tokens.append((match["mark"] or "", plain))
        if match["mark"] == ";":
            break
    *words, end = tokens or [("", "")]
    if end[0] != ";" or len(words) < 2 or len(words) % 3 != 2 or text[position:].strip():
        return None
    for index, (mark, _) in enumerate(words):
        if mark != ("=" if index >= 2 and index % 3 == 0 else ""):
            return None
    options = {words[index][1]: words[index + 2][1] for index in range(2, len(words), 3)}
    return words[0][1].rpartition(".")[2], options


_PASSED_OVER_PREFIXES: Final = (
    "schema.registry.", "basic.auth.", "bearer.auth.", "metrics.", "config.providers", "confluent.monitoring.",
    "sasl.login.", "sasl.oauthbearer.jwks.", "sasl.oauthbearer.expected.",
)  # fmt: skip
_PASSED_OVER: Final = (
    "key.serializer", "value.serializer", "key.deserializer", "value.deserializer", "auto.register.schemas",
    "use.latest.version", "default.api.timeout.ms", "max.block.ms", "max.poll.records", "metric.reporters",
    "interceptor.classes", "exclude.internal.topics", "auto.include.jmx.reporter", "bootstrap.controllers",
    "metadata.max.idle.ms", "socket.connection.setup.timeout.max.ms", "compression.gzip.level",
    "compression.lz4.level", "compression.zstd.level", "partitioner.ignore.keys",
    "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms", "specific.avro.reader",
    "sasl.kerberos.ticket.renew.jitter", "sasl.kerberos.ticket.renew.window.factor",
    "sasl.oauthbearer.clock.skew.seconds", "sasl.oauthbearer.scope.claim.name", "sasl.oauthbearer.header.urlencode",
    "security.providers", "ssl.protocol", "ssl.provider", "ssl.enabled.protocols", "ssl.keymanager.algorithm",
    "ssl.trustmanager.algorithm", "ssl.secure.random.implementation", "ssl.truststore.type", "ssl.truststore.password",
    "ssl.keystore.type", "transaction.two.phase.commit.enable", "share.acquire.mode",
)  # fmt: skip
_ASSIGNORS: Final = {
    "RangeAssignor": "range", "RoundRobinAssignor": "roundrobin", "CooperativeStickyAssignor": "cooperative-sticky",
}  # fmt: skip
_OTHER_PARTITIONER: Final = Translation(
    note="this Java partitioner does not exist here and is passed over: records may go to other partitions"
)
_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(_PASSED_OVER, _pass_over),
    # librdkafka's second names: one name for one thing, so that two lines cannot contradict each other unseen.
    "metadata.broker.list": _alias("bootstrap.servers"),
    "sasl.mechanism": _mechanism, "sasl.mechanisms": _mechanism,
    "sasl.oauthbearer.client.credentials.client.id": _alias("sasl.oauthbearer.client.id"),
    "sasl.oauthbearer.client.credentials.client.secret": _alias("sasl.oauthbearer.client.secret"),
    "request.required.acks": _alias("acks"),
    "message.send.max.retries": _alias("retries"), "queue.buffering.max.ms": _alias("linger.ms"),
    "compression.codec": _alias("compression.type"),
    "delivery.timeout.ms": _alias("message.timeout.ms"),
    "max.in.flight.requests.per.connection": _alias("max.in.flight"),
    "max.request.size": _bytes("message.max.bytes"), "buffer.memory": _bytes("queue.buffering.max.kbytes", 1024),
    "receive.buffer.bytes": _bytes("socket.receive.buffer.bytes"),
    "send.buffer.bytes": _bytes("socket.send.buffer.bytes"),
    "fetch.max.wait.ms": _rename("fetch.wait.max.ms"),
    "partitioner.class": _choose("partitioner", {"DefaultPartitioner": "murmur2_random"}, _OTHER_PARTITIONER),
    "partition.assignment.strategy": _choose("partition.assignment.strategy", _ASSIGNORS, Translation(
        refusal="librdkafka knows range, roundrobin and cooperative-sticky; write one of them")),
    "auto.offset.reset": _word({"none": "error"}),
    "ssl.endpoint.identification.algorithm": _word({"": "none"}),
    "ssl.truststore.location": _truststore,
    "ssl.truststore.certificates": _rename("ssl.ca.pem"),
    "ssl.keystore.location": _keystore,
    "ssl.keystore.password": _keystore_password,
    "ssl.keystore.key": _rename("ssl.key.pem"),
    "ssl.keystore.certificate.chain": _rename("ssl.certificate.pem"),
    "ssl.engine.factory.class": _refuse(
        "a Java class cannot run here; write ssl.ca.location, ssl.certificate.location and ssl.key.location"),
    "sasl.jaas.config": _jaas,
    "sasl.login.callback.handler.class": _callback, "sasl.client.callback.handler.class": _callback,
    "sasl.login.class": _refuse(_CALLBACKS),
    "sasl.oauthbearer.jwt.retriever.class": _choose("sasl.oauthbearer.method", dict.fromkeys(
        ("ClientCredentialsJwtRetriever", "DefaultJwtRetriever"), "oidc"), Translation(refusal=_CALLBACKS)),
    "sasl.oauthbearer.jwt.validator.class": _pass_over,
    "sasl.oauthbearer.assertion.template.file": _refuse(_CALLBACKS),
}  # fmt: skip
