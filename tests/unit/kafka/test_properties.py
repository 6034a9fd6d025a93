"""Properties files: Java's dialect, Java's names, variables, and secrets that are never shown."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.kafka import java_settings
from locust_kafka.kafka.properties import Properties, PropertiesError, is_secret, mask, read_properties

CONFLUENT_CLOUD = b"""\
# Required connection configs for Kafka producer, consumer, and admin
bootstrap.servers=pkc-12345.eu-west-1.aws.confluent.cloud:9092
security.protocol=SASL_SSL
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username='ABCDEFGH' password='cfltWt+/=x;y';
sasl.mechanism=PLAIN
# Required for correctness in Apache Kafka clients prior to 2.6
client.dns.lookup=use_all_dns_ips

# Best practice for higher availability in Apache Kafka clients prior to 3.0
session.timeout.ms=45000

# Best practice for Kafka producer to prevent data loss
acks=all

# Required connection configs for Confluent Cloud Schema Registry
schema.registry.url=https://psrc-12345.eu-west-1.aws.confluent.cloud
basic.auth.credentials.source=USER_INFO
basic.auth.user.info=SRKEY:SRSECRET
"""
MSK_SCRAM = b"""\
security.protocol = SASL_SSL
sasl.mechanism : SCRAM-SHA-512
sasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required \\
    username="alice" \\
    password="al\\\\"ice-secret";
ssl.truststore.type=PEM
ssl.truststore.location=/etc/ssl/certs/ca-certificates.crt
"""
MSK_IAM = b"""\
security.protocol=SASL_SSL
sasl.mechanism=AWS_MSK_IAM
sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required;
sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler
"""
STRIMZI = b"""\
bootstrap.servers=my-cluster-kafka-bootstrap:9093
security.protocol=SSL
ssl.truststore.location=/opt/certs/ca.pem
ssl.truststore.type=PEM
ssl.keystore.location=/opt/certs/user.p12
ssl.keystore.type=PKCS12
ssl.keystore.password=${env:KEYSTORE_PASSWORD}
ssl.endpoint.identification.algorithm=
key.serializer=org.apache.kafka.common.serialization.StringSerializer
max.request.size=2097152
buffer.memory=33554432
partitioner.class=org.apache.kafka.clients.producer.internals.DefaultPartitioner
"""


def read(text: str | bytes, **environ: str) -> Properties:
    return read_properties(text if isinstance(text, bytes) else text.encode(), environ, "client.properties")


def refusal(text: str | bytes, **environ: str) -> str:
    with pytest.raises(PropertiesError) as refused:
        read(text, **environ)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    return str(refused.value)


def test_a_confluent_cloud_file_works_as_it_is() -> None:
    """JAAS becomes user name and password; the Schema Registry's lines are passed over with a note each."""
    found = read(CONFLUENT_CLOUD)
    assert found.values == {
        "bootstrap.servers": "pkc-12345.eu-west-1.aws.confluent.cloud:9092", "security.protocol": "SASL_SSL",
        "sasl.username": "ABCDEFGH", "sasl.password": "cfltWt+/=x;y", "sasl.mechanism": "PLAIN",
        "client.dns.lookup": "use_all_dns_ips", "session.timeout.ms": "45000", "acks": "all",
    }  # fmt: skip
    assert found.lines["sasl.password"] == 4
    assert [note.split(":")[0] for note in found.notes] == [f"client.properties, line {n}" for n in (4, 16, 17, 18)]
    assert "SRSECRET" not in "".join(found.notes)
    Producer({**found.values, "log_level": 0})


def test_an_msk_file_with_scram_works_as_it_is() -> None:
    """Continued lines, other separators, quotes inside of quotes, and a PEM truststore."""
    assert read(MSK_SCRAM).values == {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "alice",
        "sasl.password": 'al"ice-secret', "ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt",
    }  # fmt: skip


def test_an_msk_file_with_iam_is_refused_with_what_to_do() -> None:
    """Plain text settings cannot express IAM: whichever of its lines comes first is refused, with the option to use."""
    assert "line 2: sasl.mechanism is refused: signing in to Amazon MSK by IAM" in refusal(MSK_IAM)
    without_mechanism = MSK_IAM.replace(b"sasl.mechanism=AWS_MSK_IAM", b"")
    assert "line 3: sasl.jaas.config is refused: signing in to Amazon MSK by IAM" in refusal(without_mechanism)
    assert "--kafka-oauth-callback" in refusal(without_mechanism)
    assert "IAM needs code" in refusal(b"\n".join(MSK_IAM.splitlines()[3:]))


def test_a_strimzi_file_works_as_it_is() -> None:
    """PEM and PKCS12 stores, a password from the environment, sizes and the partitioner in librdkafka's words."""
    assert read(STRIMZI, KEYSTORE_PASSWORD="hunter2").values == {
        "bootstrap.servers": "my-cluster-kafka-bootstrap:9093", "security.protocol": "SSL",
        "ssl.ca.location": "/opt/certs/ca.pem", "ssl.keystore.location": "/opt/certs/user.p12",
        "ssl.keystore.password": "hunter2", "ssl.endpoint.identification.algorithm": "none",
        "message.max.bytes": "2097152", "queue.buffering.max.kbytes": "32768", "partitioner": "murmur2_random",
    }  # fmt: skip


@pytest.mark.parametrize(("text", "values"), [
    ("sasl.oauthbearer.token.endpoint.url=https://idp/token\nsasl.login.callback.handler.class=org.apache.kafka.common."
     "security.oauthbearer.OAuthBearerLoginCallbackHandler\nsasl.jaas.config=org.apache.kafka.common.security."
     "oauthbearer.OAuthBearerLoginModule required clientId=me clientSecret=\"s;=t\" scope='a b' "
     "extension_logicalCluster='lkc-1' extension_identityPoolId='pool-2';",
     {"sasl.oauthbearer.token.endpoint.url": "https://idp/token", "sasl.oauthbearer.method": "oidc",
      "sasl.oauthbearer.client.id": "me", "sasl.oauthbearer.client.secret": "s;=t", "sasl.oauthbearer.scope": "a b",
      "sasl.oauthbearer.extensions": "logicalCluster=lkc-1,identityPoolId=pool-2"}),
    ("sasl.oauthbearer.jwt.retriever.class=org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever\n"
     "sasl.oauthbearer.client.credentials.client.id=me\nsasl.oauthbearer.client.credentials.client.secret=s",
     {"sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "me", "sasl.oauthbearer.client.secret": "s"}),
    ("ssl.truststore.certificates=-----BEGIN\\nx\\n", {"ssl.ca.pem": "-----BEGIN\nx\n"}),
    ("ssl.keystore.key=k\nssl.keystore.certificate.chain=c", {"ssl.key.pem": "k", "ssl.certificate.pem": "c"}),
    ("ssl.keystore.type=PEM\nssl.keystore.location=a\nssl.keystore.password=x",
     {"ssl.key.location": "a", "ssl.certificate.location": "a"}),
    ("producer.max.request.size=5000\nconsumer.fetch.max.wait.ms=9",
     {"producer.message.max.bytes": "5000", "consumer.fetch.wait.max.ms": "9"}),
    ("receive.buffer.bytes=-1\nsend.buffer.bytes=131072",
     {"socket.receive.buffer.bytes": "0", "socket.send.buffer.bytes": "131072"}),
    ("partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner", {}),
    ("partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor,org.apache.x.StickyAssignor",
     {"partition.assignment.strategy": "range"}),
    ("partition.assignment.strategy=cooperative-sticky", {"partition.assignment.strategy": "cooperative-sticky"}),
    ("auto.offset.reset=none", {"auto.offset.reset": "error"}),
    ("metadata.broker.list=a:1\nsasl.mechanisms=PLAIN\ndelivery.timeout.ms=5",
     {"bootstrap.servers": "a:1", "sasl.mechanism": "PLAIN", "message.timeout.ms": "5"}),
    ("acks=all\nacks = all", {"acks": "all"}),
    ("client.rack=r\ngroup.instance.id=i\nno.such.name=1", {"client.rack": "r", "group.instance.id": "i", "no.such.name": "1"}),
    ("sasl.password=a\\ \\   ", {"sasl.password": "a  "}),
    ("client.id=\"quoted\"\nclient.rack='it'\n", {"client.id": "quoted", "client.rack": "it"}),
    ("client.id=\"a\",\"b\"", {"client.id": '"a","b"'}),
    ("client.id=$${HOME} ${A}${env:B}", {"client.id": "${HOME} 1${A}"}),
    ('sasl.jaas.config=PlainLoginModule required username="u" password="${C}";', {"sasl.username": "u", "sasl.password": 'q";x'}),
    ("sasl.jaas.config=${JAAS}", {"sasl.username": "u", "sasl.password": "${A}"}),
    ("basic.auth.user.info=${NOT_SET}", {}),
    ("client.id=\\ud83d\\ude00", {"client.id": "\U0001f600"}),
    ("", {}),
])  # fmt: skip
def test_names_and_values_are_translated(text: str, values: dict[str, str]) -> None:
    """Each of Java's words becomes librdkafka's where the meaning is the same."""
    environ = {"A": "1", "B": "${A}", "C": 'q";x', "JAAS": "a.PlainLoginModule required username=u password='${A}';"}
    assert read(text, **environ).values == values


@pytest.mark.parametrize(("text", "sentence"), [
    ("acks=1\n\nsasl.password", "line 3: there is no value; write name=value"),
    ("hunter2", "line 1: there is no value"),
    ("hunter2== ", "line 1: it does not begin with the name of a setting"),
    ("Hunter.two=x", "line 1: it does not begin with the name of a setting"),
    (b"a.b=c\r\xff=2", "line 2: this line is not UTF-8"),
    ("\ufeffacks=1\nacks=all", "line 2: acks has another value in line 1; keep one of the two lines"),
    ("acks=1\r\nrequest.required.acks=0", "line 2: acks has another value in line 1"),
    ("sasl.username=a\nsasl.jaas.config=PlainLoginModule required username=b password=c;", "line 2: sasl.username has"),
    ("client.id=\\u12g4", "line 1: client.id: \\u must be followed by four hexadecimal digits"),
    ("client.id=\\ud800", "line 1: the value of client.id holds a character that cannot be printed"),
    ("client.id=a\\u0000", "line 1: the value of client.id holds a character that cannot be printed"),
    ("client.id=a\u200bb", "cannot be printed"),
    ("client.id=${NOT_SET}", "line 1: client.id needs the environment variable NOT_SET, which is not set"),
    ("client.id=${file:/x:y}", "line 1: client.id: a reference is ${NAME} or ${env:NAME}"),
    ("sasl.username={{ CLUSTER_API_KEY }}", "still holds its template's placeholder"),
    ("ssl.truststore.location=/a/b.jks", "keytool -list -rfc -keystore TRUSTSTORE > ca.pem"),
    ("ssl.truststore.location=/a/b.p12", "openssl pkcs12 -in TRUSTSTORE -nokeys -out ca.pem"),
    ("ssl.truststore.location=/a/b\nssl.truststore.type=PKCS12", "openssl pkcs12"),
    ("ssl.keystore.location=/a/b.jks", "keytool -importkeystore -srckeystore KEYSTORE"),
    ("buffer.memory=lots", "buffer.memory is refused: it must be a whole number of bytes"),
    ("sasl.login.callback.handler.class=my.Own", "sasl.oauthbearer.method=oidc"),
    ("sasl.oauthbearer.jwt.retriever.class=my.Own", "--kafka-oauth-callback (of the waiter: --oauth-callback)"),
    ("sasl.jaas.config=PlainLoginModule required username=a password", "sasl.jaas.config is refused: it cannot be read"),
    ("sasl.jaas.config=x.PlainLoginModule required username=a;", "its module needs the option password"),
    ("sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true;", "sasl.kerberos.keytab"),
    ("sasl.jaas.config=my.Module required;", "only PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule"),
    ("partition.assignment.strategy=my.Assignor", "librdkafka knows range, roundrobin and cooperative-sticky"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused_in_a_sentence(text: str | bytes, sentence: str) -> None:
    """The sentence names the file, the line and the remedy, and never repeats what may be a secret."""
    said = refusal(text)
    assert said.startswith("client.properties, line ")
    assert sentence in said
    assert "unter" not in said
    assert "\n" not in said


BLANKS = st.text(" \t\f", max_size=2)
NAMES = st.sampled_from(["client.id", "sasl.username", "sasl.password", "ssl.ca.location", "no.such.name", "debug"])
PRINTABLE = st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]) | st.just(" ")


def escaped(draw: st.DrawFn, character: str, *, key: bool, first: bool) -> str:
    """A character as some writer of Java's dialect may write it."""
    must = character in "\\" or (character in "=: \t#!" and key) or (character == " " and first)
    units = character.encode("utf-16-be").hex()
    as_unicode = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
    forms = [as_unicode] if character in "uU" or must is False else [as_unicode, f"\\{character}"]
    return draw(st.sampled_from(forms if must else [character, character, character, *forms]))


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    settings = draw(st.dictionaries(NAMES, st.text(PRINTABLE, min_size=1, max_size=12).filter(lambda v: v == v.strip()
                    and v[0] not in "\"'" and "${" not in v and not v.startswith("{{")), max_size=6))  # fmt: skip
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = []
    for name, value in settings.items():
        lines += draw(st.lists(st.sampled_from(["", "  ", "# a=b \\", " ! c"]), max_size=2))
        separator = draw(BLANKS) + draw(st.sampled_from("=:")) + draw(BLANKS) if draw(st.booleans()) else " "
        first_needs_escape = value[0] in "=:"  # after a blank these would be the separator
        written = [escaped(draw, c, key=True, first=False) for c in name] + [separator]
        written += [escaped(draw, c, key=first_needs_escape and i == 0, first=i == 0) for i, c in enumerate(value)]
        if draw(st.booleans()):  # a continued line; a blank after the cut would be lost
            cut = draw(st.integers(len(name) + 1, len(written) - 1))
            if not written[cut].startswith(" "):
                written.insert(cut, f"\\{end}{draw(BLANKS)}")
        lines.append(draw(BLANKS) + "".join(written))
    return draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from(["", end])), settings


@given(files())
def test_what_any_writer_writes_is_read_back(written: tuple[str, dict[str, str]]) -> None:
    """Separators, blanks, comments, line ends, continuations and escapes change nothing in the settings."""
    text, settings = written
    assert read(text).values == settings


NASTY = [
    "a.b=c\\\n   d\\\n\te\nf.g h", "a.b\\\n=c", "a.b c=d:e", "a.b\t:\t= c", "a.b==c", "a.b = \\ c", "a.b=c\\\\\nd.e=f",
    "\\\na.b=c", "\\\n# d\na.b=c", "a.b=c\\", "a.b=c\\\n\nd.e=f", "a.b=\\#\\!\\=\\:\\\"\\q\\u0041", "a.b=#c", "a.b=!c",
    "\f a.b=c\r\rd.e=f\r\n", "a\\.b=c", "\\u0061.b\\u002ec:d", "a.b=c #no comment", "!a\\\nb.c=d", "a.b=\\\n  #c", "a.b:c\\:d=e",
]  # fmt: skip
ORACLE = """
import java.io.*; import java.nio.charset.StandardCharsets; import java.nio.file.*; import java.util.*;
public class Oracle { public static void main(String[] args) throws Exception {
  PrintStream out = new PrintStream(System.out, true, "UTF-8");
  for (String name : args) { Properties p = new Properties();
    p.load(new InputStreamReader(new FileInputStream(name), StandardCharsets.UTF_8));
    for (String key : new TreeSet<>(p.stringPropertyNames())) out.print(key + "\\u0001" + p.getProperty(key) + "\\u0002");
    out.print("\\u0003"); } } }
"""


@pytest.mark.skipif(shutil.which("java") is None, reason="needs a Java with a compiler; another test holds the dialect")
def test_java_itself_reads_the_same(tmp_path: Path) -> None:
    """For files at the edges of the dialect, java.util.Properties finds the same names and values."""
    (tmp_path / "Oracle.java").write_text(ORACLE)
    paths = [tmp_path / f"{number}.properties" for number in range(len(NASTY))]
    for path, text in zip(paths, NASTY, strict=True):
        path.write_bytes(text.encode())
    done = subprocess.run(["java", "Oracle.java", *map(str, paths)], cwd=tmp_path, capture_output=True, check=True)
    answers = done.stdout.decode().split("\x03")[:-1]
    for text, answer in zip(NASTY, answers, strict=True):
        found = read(text).values
        assert found == dict(pair.split("\x01") for pair in answer.split("\x02")[:-1]), text


SECRETS = ["hunter2hunter2", "qu\"ote'd\\pass=word:x", "c2VjcmV0Cg==", "pass phrase", "ümläut-vault"]
FORMS = [
    "sasl.password={}", "sasl.password: {}", "sasl.password {}", "sasl.password\n{}", "sasl.password={}\nsasl.password=x",
    "ssl.key.password={}\\u12", "ssl.keystore.password='{}'", "basic.auth.user.info=a:{}", "sasl.password=\n{}", "{}",
    "sasl.jaas.config=x.PlainLoginModule required username=\"u\" password=\"{}\";", "sasl.jaas.config={}", "\"{}\"",
    "sasl.jaas.config=x.OtherModule required password={};", "sasl.password={}\\ud800", "bearer.auth.token={}", "{}=",
    "sasl.oauthbearer.client.secret = {}", "sasl.password=${{{}}}", "producer.sasl.password={}\x00", "  {}  \\\n{}",
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(FORMS), st.sampled_from(SECRETS)), max_size=4), st.binary(max_size=20))
def test_no_secret_is_ever_said(lines: list[tuple[str, str]], noise: bytes) -> None:
    """Whatever is wrong with a file, notes and refusals hold no secret of it."""
    data = "\n".join(form.replace("{}", secret) for form, secret in lines).encode() + noise
    try:
        said = " ".join(read(data).notes)
    except PropertiesError as refused:
        said = str(refused)
    for secret in SECRETS:
        for part in (secret, secret[:8], secret[-6:]):
            assert part not in said


@given(st.binary(max_size=80) | st.text("ab.=\\:u0{}$ \n\r\"'#;", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No content of a file causes another exception than PropertiesError."""
    try:
        found = read(data)
    except PropertiesError:
        return
    assert set(found.lines) == set(found.values)


@given(st.text(min_size=1, max_size=30), st.text(max_size=20), st.sampled_from([str, repr, ascii, quote, "b64"]))
def test_a_masked_text_shows_no_secret(secret: str, around: str, encoding: object) -> None:
    """Plain, quoted, escaped or in base64: a secret value does not survive in a text, other values do."""
    raw = secret.encode("utf-8", "surrogatepass")
    shown = (
        base64.b64encode(raw).decode() if encoding == "b64" else quote(raw) if encoding is quote else encoding(secret)
    )  # type: ignore[operator]
    masked = mask(f"{around}<<{shown}>>{around}", {"sasl.password": secret, "client.id": "c", "ssl.key.password": ""})
    assert shown.strip("'\"") not in masked or shown.strip("'\"") in "***<<>>"
    assert mask("client c1", {"client.id": "c1"}) == "client c1"


def test_a_part_of_a_secret_and_a_login_in_a_url_are_masked() -> None:
    """A value of names and values has secrets for parts; a URL's user and password are one, whatever the setting."""
    values = {"sasl.oauthbearer.config": "scope=read secret='C0nfSecretXX'", "client.id": "name=plain"}
    assert mask("client refused: C0nfSecretXX", values) == "client refused: ***"
    assert mask("plain words", values) == "plain words"
    assert mask("from 'http://u:Zq9-S3cr3t@127.0.0.1:1/t'", {}) == "from 'http://***@127.0.0.1:1/t'"
    assert mask("two: u:Zq9-S3cr3t@h:1,i:2 by a@b", {}) == "two: ***@h:1,i:2 by a@b"


def test_the_names_of_secrets_are_known() -> None:
    """What opens something is a secret; what says where something is, is none."""
    secrets = ["sasl.password", "producer.ssl.key.password", "ssl.keystore.password", "sasl.oauthbearer.client.secret",
               "sasl.jaas.config", "basic.auth.user.info", "schema.registry.basic.auth.user.info", "bearer.auth.token",
               "ssl.key.pem", "ssl.keystore.key", "sasl.oauthbearer.assertion.private.key.passphrase"]  # fmt: skip
    assert [name for name in secrets if not is_secret(name)] == []
    plain = ["bootstrap.servers", "sasl.username", "sasl.mechanism", "ssl.ca.location", "ssl.key.location",
             "sasl.oauthbearer.token.endpoint.url", "client.id", "acks"]  # fmt: skip
    assert [name for name in plain if is_secret(name)] == []


def _unknown(name: str) -> bool:
    try:
        Producer({name: "1", "log_level": 0})
    except KafkaException as error:
        return "No such configuration property" in str(error)
    return False


def test_librdkafka_itself_knows_what_the_table_says() -> None:
    """Names that are renamed are unknown to librdkafka, and the new ones are known."""
    samples = ["a.b.DefaultPartitioner", "1000000", "x.pem"]
    for name, rule in java_settings._RULES.items():
        for sample in samples:
            done = rule(java_settings.Setting(name, sample, str, lambda _name: ""))
            assert not [new for new, _ in done.settings if _unknown(new)], name
    Consumer({"group.id": "g", **read("partition.assignment.strategy=a.RangeAssignor").values, "log_level": 0})


@pytest.mark.parametrize("secret", ["\\" * 40_000 + "x", "ab" * 40_000, "'\"" * 20_000])
def test_a_long_secret_is_masked_as_fast_as_a_short_one(secret: str) -> None:
    """Repeated characters, which an alternation of patterns would try again at each place."""
    for shown in (secret, repr(secret), secret[:-1] * 2):
        masked = mask(f"refused: {shown}", {"sasl.password": secret})
        assert secret not in masked
        assert repr(secret)[1:-1] not in masked
