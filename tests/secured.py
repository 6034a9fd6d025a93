"""A real Apache Kafka with security: SASL, TLS with certificates of every kind, an authorizer, and unreachable addresses."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from locust_kafka.embedded import EmbeddedKafka, Listener
from tests.tokens import AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, Signer, TokenEndpoint

USER, PASSWORD = "alice", "alice-s3cret"
"""A principal `User:alice` known to PLAIN and SCRAM-SHA-256, without any right until one is allowed."""
ADMIN, ADMIN_PASSWORD = "root", "root-s3cret"
"""A super user."""
UNREACHABLE = "127.0.0.1:1"
UNRESOLVABLE = "kafka.invalid:9092"

_PLAIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    f'user_{USER}="{PASSWORD}" user_{ADMIN}="{ADMIN_PASSWORD}";'
)
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearer"


class SecuredKafka:
    """One embedded broker with a listener for each kind of security; a context manager.

    Attributes:
        plaintext: no credentials; clients are the super user `User:ANONYMOUS`.
        sasl: SASL_PLAINTEXT with PLAIN and SCRAM-SHA-256.
        ssl: TLS, no client certificate wanted.
        sasl_ssl: SASL_SSL with PLAIN and SCRAM-SHA-256.
        mtls: TLS, a client certificate is required; its principal is `User:CN=client`.
        oauth: SASL_PLAINTEXT with OAUTHBEARER: tokens of `signer`, whose subject is the principal.
        expired: TLS with a certificate that has expired.
        wrong_host: TLS with a certificate for other.example.
        unreachable: PLAINTEXT; the broker advertises a port where nobody listens, `UNREACHABLE`.
        unresolvable: PLAINTEXT; the broker advertises a name without address, `UNRESOLVABLE`.
        authority: the PEM file of the authority that signed the certificates (`ssl.ca.location`).
        foreign_authority: the PEM file of an authority that signed none of them.
        client_certificate: a PEM file for `ssl.certificate.location`.
        client_key: a PEM file for `ssl.key.location`, without password.
        signer: of the tokens that the broker trusts.
        token_endpoint: gives such tokens, for `User:alice`, to whoever has the client's secret.
        admin: an AdminClient of the super user.
    """

    def __init__(self, config: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="locust-kafka-secured-")
        self._more = dict(config or {})

    def __enter__(self) -> Self:
        certificates = _Certificates(Path(self._folder.name))
        self.authority = certificates.authority("authority")
        self.foreign_authority = certificates.authority("foreign")
        self.client_certificate, self.client_key = certificates.client()
        stores = {
            "good": certificates.server("good", "IP:127.0.0.1,DNS:localhost"),
            "expired": certificates.server("expired", "IP:127.0.0.1,DNS:localhost", days=-1),
            "other": certificates.server("other", "DNS:other.example"),
        }
        config = _sasl("sasl") | _sasl("sasl_ssl") | {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
        }  # fmt: skip
        config |= _tls("ssl", stores["good"]) | _tls("sasl_ssl", stores["good"])
        config |= _tls("mtls", stores["good"], self.authority)
        config |= _tls("expired", stores["expired"]) | _tls("wrong_host", stores["other"])
        self.signer = Signer(Path(self._folder.name))
        self.token_endpoint = TokenEndpoint(self.signer, USER).__enter__()
        config |= _oauth("oauth", self.signer.jwks.as_uri())
        listeners = {
            "SASL": Listener("SASL_PLAINTEXT"),
            "SSL": Listener("SSL"),
            "SASL_SSL": Listener("SASL_SSL"),
            "MTLS": Listener("SSL"),
            "EXPIRED": Listener("SSL"),
            "WRONG_HOST": Listener("SSL"),
            "OAUTH": Listener("SASL_PLAINTEXT"),
            "UNREACHABLE": Listener(advertised=UNREACHABLE),
            "UNRESOLVABLE": Listener(advertised=UNRESOLVABLE),
        }
        self.kafka = EmbeddedKafka(config=config | self._more, listeners=listeners)
        try:
            with _java_options(f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.signer.jwks.as_uri()}"):
                self.kafka.start()
            self._name_listeners()
            self.admin = AdminClient({"bootstrap.servers": self.plaintext, "log_level": 0})
            self._add_scram_user()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kafka.stop()
        self.token_endpoint.__exit__(kind, error, trace)
        self._folder.cleanup()

    def credentials(self, *, user: str = USER, password: str = PASSWORD, mechanism: str = "PLAIN") -> dict[str, str]:
        """Client settings for the listener `sasl`; for `sasl_ssl` add `security.protocol` and `tls()`."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": password,
        }

    def tls(self, *, client_certificate: bool = False) -> dict[str, str]:
        """Client settings for the TLS listeners; for `sasl_ssl` put `security.protocol` over them."""
        own = {"ssl.certificate.location": str(self.client_certificate), "ssl.key.location": str(self.client_key)}
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.authority),
            **(own if client_certificate else {}),
        }

    def oidc(self, *, secret: str = CLIENT_SECRET, url: str = "") -> dict[str, str]:
        """Client settings for the listener `oauth`: librdkafka fetches the tokens itself."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": CLIENT_ID,
            "sasl.oauthbearer.client.secret": secret,
            "sasl.oauthbearer.token.endpoint.url": url or self.token_endpoint.url,
        }

    def create_topics(self, *names: str, partitions: int = 1, **config: str) -> None:
        """Create topics as the super user and wait until they are there."""
        config = {"message.timestamp.type": "LogAppendTime", **config}
        topics = [NewTopic(name, partitions, replication_factor=1, config=config) for name in names]
        for done in self.admin.create_topics(topics).values():
            done.result(30)

    def delete_topic(self, name: str) -> None:
        """Delete a topic as the super user."""
        for done in self.admin.delete_topics([name]).values():
            done.result(30)

    def allow(
        self, operation: str, name: str, *, resource: str = "TOPIC", principal: str = f"User:{USER}", deny: bool = False
    ) -> None:
        """Make one ACL: `allow("READ", "replies")`, `allow("READ", "locust", resource="GROUP")`.

        Args:
            operation: READ, WRITE, DESCRIBE, ... as Kafka's tools name them.
            name: the resource's name, literally; "kafka-cluster" for the resource BROKER (the cluster).
            resource: TOPIC, GROUP, BROKER, TRANSACTIONAL_ID.
            principal: who.
            deny: forbid it: stronger than what is allowed.
        """
        permission = AclPermissionType.DENY if deny else AclPermissionType.ALLOW
        binding = AclBinding(
            ResourceType[resource], name, ResourcePatternType.LITERAL, principal, "*", AclOperation[operation],
            permission,
        )  # fmt: skip
        for done in self.admin.create_acls([binding]).values():
            done.result(30)

    def _name_listeners(self) -> None:
        of = self.kafka.bootstrap_of
        self.plaintext, self.sasl, self.ssl = of("PLAINTEXT"), of("SASL"), of("SSL")
        self.sasl_ssl, self.mtls = of("SASL_SSL"), of("MTLS")
        self.oauth = of("OAUTH")
        self.expired, self.wrong_host = of("EXPIRED"), of("WRONG_HOST")
        self.unreachable, self.unresolvable = of("UNREACHABLE"), of("UNRESOLVABLE")

    def _add_scram_user(self) -> None:
        user = UserScramCredentialUpsertion(
            USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), PASSWORD.encode()
        )
        for done in self.admin.alter_user_scram_credentials([user]).values():
            done.result(30)


def _sasl(listener: str) -> dict[str, str]:
    prefix = f"listener.name.{listener}"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        f"{prefix}.plain.sasl.jaas.config": _PLAIN,
        f"{prefix}.scram-sha-256.sasl.jaas.config": _SCRAM,
    }


def _oauth(listener: str, jwks_url: str) -> dict[str, str]:
    prefix = f"listener.name.{listener}"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{prefix}.oauthbearer.sasl.jaas.config": f"{_OAUTH}LoginModule required;",
        f"{prefix}.oauthbearer.sasl.server.callback.handler.class": f"{_OAUTH}ValidatorCallbackHandler",
        f"{prefix}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": jwks_url,
        f"{prefix}.oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
        f"{prefix}.oauthbearer.sasl.oauthbearer.expected.issuer": ISSUER,
    }


@contextmanager
def _java_options(options: str) -> Iterator[None]:
    """The broker's JVM reads URLs of keys only when it is told so by a property of its own."""
    before = os.environ.get("JDK_JAVA_OPTIONS")
    os.environ["JDK_JAVA_OPTIONS"] = options
    try:
        yield
    finally:
        os.environ.pop("JDK_JAVA_OPTIONS")
        if before is not None:
            os.environ["JDK_JAVA_OPTIONS"] = before


def _tls(listener: str, store: Path, clients: Path | None = None) -> dict[str, str]:
    """Settings of a TLS listener; `clients` is the authority of the client certificates that it then requires."""
    prefix = f"listener.name.{listener}.ssl"
    config = {f"{prefix}.keystore.type": "PEM", f"{prefix}.keystore.location": str(store)}
    if clients is not None:
        config |= {
            f"{prefix}.truststore.type": "PEM",
            f"{prefix}.truststore.location": str(clients),
            f"{prefix}.client.auth": "required",
        }
    return config


class _Certificates:
    """Makes authorities and certificates with the command `openssl` in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def authority(self, name: str) -> Path:
        self._openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "30", "-subj",
            f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        return self._folder / f"{name}.pem"

    def server(self, name: str, hosts: str, days: int = 30) -> Path:
        """A key and its certificate in one file, as Kafka's PEM key store wants them; `hosts` as in subjectAltName."""
        self._signed(name, f"subjectAltName={hosts}", days)
        store = self._folder / f"{name}.store.pem"
        store.write_text("".join((self._folder / f"{name}.{end}").read_text() for end in ("key", "pem")))
        return store

    def client(self) -> tuple[Path, Path]:
        self._signed("client", "extendedKeyUsage=clientAuth", 30)
        return self._folder / "client.pem", self._folder / "client.key"

    def _signed(self, name: str, extension: str, days: int) -> None:
        (self._folder / f"{name}.ext").write_text(extension + "\n")
        self._openssl("req", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
            "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


_NEW_KEY = ("-newkey", "rsa:2048", "-nodes")
