"""Parsers of files: properties of both programs, exchange logs, summaries, baselines, feeds."""

from __future__ import annotations

import contextlib
import gzip
import html as escaping
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from locust_kafka.cli import report as cli
from locust_kafka.core.history import Row
from locust_kafka.core.regression import MIN_SECONDS, compare
from locust_kafka.errors import SettingsError
from locust_kafka.gates import read_baseline
from locust_kafka.kafka.config import consumer_config, producer_config
from locust_kafka.kafka.properties import Properties, PropertiesError, is_secret, mask, read_properties
from locust_kafka.plugin import feed
from locust_kafka.report.exchange_log import COLUMNS
from locust_kafka.settings import parse
from locust_kafka.values import Given
from tests.fuzz import mutate
from tests.fuzz.options import FOLDER
from tests.fuzz.target import Target
from waiter_service.kafka import config as waiters
from waiter_service.kafka import properties as waiters_properties

SECRET = "hunter2-Zauberwort"
ENVIRON = {"PASSWORD": SECRET, "HOME": "/root", "ODD": "a\udcffb", "TWO": 'x"; y="z'}
JAAS = (
    f'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="{SECRET}";',
    "org.apache.kafka.common.security.scram.ScramLoginModule required username='u' password=\"${PASSWORD}\";",
    f"OAuthBearerLoginModule required clientId=c clientSecret={SECRET} scope='a b' extension_x=y;",
)
PROPERTIES = (
    f"bootstrap.servers=a:1,b:2\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.username=u\nsasl.password={SECRET}\n",
    *(f"sasl.jaas.config={one}\n" for one in JAAS),
    f"# x\n! y\nssl.keystore.location : k.p12\nssl.keystore.password {SECRET}\nacks=1\nretries = 0\nmax.in.flight=6\n",
    f"ssl.truststore.location=t.pem\nssl.truststore.password={SECRET}\nssl.truststore.type=PEM\nconsumer.fetch.max.bytes=5\n",
    f"ssl.key.pem=-----BEGIN\\n{SECRET}\\n-----END\nproducer.linger.ms=5\nmax.request.size=1048576\nbuffer.memory=99999\n",
    f'sasl.password="{SECRET}"\nsasl.username=${{env:HOME}}\nclient.id=$${{x\ncompression.type=gzip \\\n   \nbasic.auth.user.info=u:{SECRET}\n',
    "max.in.flight=6\n",
    "sasl.password=${PASSWORD}\npartition.assignment.strategy=org.apache.kafka.RangeAssignor\npartitioner.class=x.DefaultPartitioner\n",
    "sasl.login.callback.handler.class=x.oauthbearer.OAuthBearerLoginCallbackHandler\nauto.offset.reset=none\nsasl.username=${ODD}${TWO}\n",
)  # fmt: skip


def _make_properties(rng: Random) -> bytes:
    corpus = [one.encode() for one in (rng.choice(PROPERTIES), rng.choice(PROPERTIES))]
    if rng.random() < 0.3:
        corpus.append(b"sasl.jaas.config=" + mutate.text(rng, JAAS).encode("utf-8", "replace"))
    if rng.random() < 0.3:
        corpus = [mutate.text(rng, [one.decode() for one in corpus]).encode("utf-8", "replace")]
    return mutate.data(rng, [*corpus, corpus[0] + corpus[-1]])


def _read(data: bytes) -> Properties:
    try:
        return read_properties(data, ENVIRON, "client.properties")
    except PropertiesError as refused:
        _hold_refusal(refused)
        raise


def _hold_refusal(refused: PropertiesError) -> None:
    _hide(str(refused))
    assert str(refused).startswith("client.properties, line ")
    assert refused.__cause__ is None
    assert refused.__suppress_context__ or refused.__context__ is None


def _hide(sentence: str) -> None:
    assert SECRET not in sentence, "a sentence shows a secret"


def _properties(data: bytes, found: Properties) -> None:
    """No secret in any sentence; values that can be sent; both programs read the same, and make their clients' settings."""
    for note in found.notes:
        _hide(note)
    assert found.values.keys() == found.lines.keys()
    for name, value in found.values.items():
        value.encode()
        assert all(one.isprintable() or one in "\r\n" for one in value)
        assert "\0" not in name + value
    theirs = waiters_properties.read_properties(data, ENVIRON, "client.properties")
    assert (theirs.values, theirs.lines, theirs.notes) == (found.values, found.lines, found.notes)
    with contextlib.suppress(SettingsError):
        settings = parse({"kafka_reply_topic": Given("r", "x")}, found.values, found.lines)
        producer_config(settings, shared=True, longest_timeout_s=10.0)
        consumer_config(settings)
        if not any(SECRET in value for name, value in found.values.items() if not is_secret(name)):
            assert SECRET not in repr(settings)
    file = waiters.Properties(theirs.values, theirs.lines, theirs.notes)
    for protocol in ("classic", "consumer"):
        config = waiters.ClientConfig("b:9092", "group", protocol, file, "client.properties")
        config.consumer(2)
        config.producer()
        for note in waiters.config_notes(config):
            _hide(note)
    for asked in (None, "a:1"):
        with contextlib.suppress(waiters.ConfigRefused):
            waiters.choose_bootstrap(asked, "--bootstrap names", file, "client.properties")
            waiters.refuse_transactions(file, "client.properties")


class Masked(NamedTuple):
    """A sentence that repeats a secret in some form."""

    secret: str
    sentence: str


def _make_masked(rng: Random) -> Masked:
    secret = mutate.text(rng, (SECRET, 'p"w\\x', "a b", "ünï", "x=y;z&%2F", "p\nline two of a key\nx", "'q'"))
    form = rng.choice((str, repr, json.dumps, lambda one: repr(one.encode("utf-8", "surrogatepass")), escaping.escape))
    return Masked(secret, f"refused: {form(secret) if form is not escaping.escape else secret} by the broker")


def _masked(given: Masked) -> str:
    assert is_secret("sasl.password")
    return mask(given.sentence, {"sasl.password": given.secret, "client.id": "refused"})


def _hidden(given: Masked, shown: str) -> None:
    """A secret is not in what is shown, as it is, quoted, as JSON or as bytes."""
    if len(given.secret.strip()) > 3 and given.secret not in "refused:  by the broker***":
        assert given.secret not in shown
        assert repr(given.secret)[1:-1] not in shown
        assert json.dumps(given.secret)[1:-1] not in shown


LOG = (
    "abcd1234000000000000000000000001,a,1700000000000000000,1700000000000100000,1700000000002000000,1700000000009000000,"
    "0,5,1700000000001,1,7,1700000000008,MATCHED,MATCH,0.100,1.0,6.5,0.5,1.900",
    'abcd1234000000000000000000000002,"b, c",1700000001000000000,1700000001000100000,,,,,,,,,TIMED_OUT,,0.100,,,,',
    "abcd1234000000000000000000000003,a,1700000002000000000,,,,,,,,,,UNDELIVERED,,,,,,",
    "abcd1234000000000000000000000002,a,1700000001000000000,1700000001000100000,,1700000012000000000,,,,0,9,1700000012000,,LATE,,,,,",
)  # fmt: skip


def _make_log(rng: Random) -> tuple[bytes, str]:
    rows = [rng.choice(LOG) for _ in range(rng.randrange(5))]
    if rows and rng.random() < 0.7:
        cells = rng.choice(rows).split(",")
        cells[rng.randrange(len(cells))] = rng.choice(
            (*mutate.NUMBERS, *mutate.PIECES[:30], "MATCHED", "DUPLICATE", "LOST")
        )
        rows.append(",".join(cells))
    log = "\n".join([COLUMNS, *rows, ""]).encode("utf-8", "surrogatepass")
    log += b"x" * 140_000 if rng.random() < 0.01 else b""  # longer than a cell may be
    log = mutate.data(rng, (log,)) if rng.random() < 0.3 else log
    if rng.random() < 0.3:
        packed = gzip.compress(log, 1)
        return (mutate.data(rng, (packed,)) if rng.random() < 0.7 else packed), "log.csv.gz"
    return log, "log.csv"


def _log_pages(value: tuple[bytes, str]) -> Any:
    path = FOLDER / value[1]
    path.write_bytes(value[0])
    return _said(path)


def _said(*paths: Path) -> tuple[int, str]:
    out = FOLDER / "out.html"
    out.unlink(missing_ok=True)
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()) as printed:
        code = cli.run_report([str(path) for path in paths], str(out), 10.0)
    printed.getvalue().encode()
    return code, said.getvalue()


def _reported(_value: Any, after: tuple[int, str]) -> None:
    """A report with figures that scripts can read, or one sentence and exit code 3."""
    code, said = after
    if code:
        assert code == 3
        assert said.startswith("locust-kafka report: ")
        assert len(said.splitlines()) == 1 or "\n" in said
        assert not (FOLDER / "out.html").exists()
        return
    page = (FOLDER / "out.html").read_text("utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert "compare" in data or {"summary", "history", "facts", "workers"} <= data.keys()
    if "history" in data:
        columns, rows = data["history"]["columns"], data["history"]["rows"]
        assert all(isinstance(column, str) for column in columns)
        assert all(len(row) == len(columns) for row in rows)
        assert all(one is None or abs(one) < 1e19 for row in rows for one in row)


def _row(at_s: int) -> list[Any]:
    row = Row(at_s, 1.0, 5, 10, 9, 1, 0, 0, 0, 1, 0, 0, 0, 2.5, 4.0 + at_s % 3, 9.0, None, 0.3, 1.5, 0.4, 0.9, 0.2, 0.1)
    return list(row)


def _summary() -> Mapping[str, Any]:
    from locust_kafka.report import summary
    from tests.fuzz.messages import _results

    whole = json.loads(json.dumps(summary.to_json(_results())))
    rows = [_row(at_s) for at_s in range(MIN_SECONDS + 4)]
    return {**whole, "run": {"began": "now"}, "workers": [], "history": {"columns": list(Row._fields), "rows": rows}}


SUMMARY = _summary()
SHORT = {**SUMMARY, "history": {"columns": list(Row._fields), "rows": [_row(1), _row(2)]}}


def _make_summary(rng: Random) -> bytes:
    if rng.random() < 0.15:
        return mutate.data(rng, (json.dumps(SHORT).encode(),))
    return json.dumps(mutate.plain(rng, SHORT, _JSON), ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")


_JSON = tuple(value for value in mutate.VALUES if not isinstance(value, bytes))


def _summary_pages(data: bytes) -> Any:
    path = FOLDER / "summary.json"
    path.write_bytes(data)
    return _said(path)


def _make_baseline(rng: Random) -> bytes:
    history = mutate.copied(SUMMARY["history"])
    for _ in range(rng.choice((0, 1, 30))):
        rng.choice(history["rows"])[rng.randrange(len(Row._fields))] = rng.choice((*_JSON, 1e-308, 1e308, 2.0))
    if rng.random() < 0.1:
        return mutate.data(rng, (json.dumps({"history": history}).encode(),))
    return json.dumps(mutate.plain(rng, {"history": history}, _JSON)).encode("utf-8", "surrogatepass")


def _read_baseline(data: bytes) -> tuple[Row, ...]:
    (FOLDER / "baseline.json").write_bytes(data)
    return read_baseline(str(FOLDER / "baseline.json"), "--kafka-baseline")


def _baseline(_data: bytes, rows: tuple[Row, ...]) -> None:
    """A baseline that is accepted can be compared with a run, in finite figures and in words."""
    try:
        changes = compare(rows, [Row(*_row(at_s)) for at_s in range(MIN_SECONDS + 4)], 0.1)
    except ValueError as short:
        if "seconds with a latency" in str(short):
            return
        raise
    for change in changes:
        assert math.isfinite(change.ratio)
        assert change.judged.words


CSV = b'name,size\nAda,3\n"Zo\xc3\xab, ""B""",5\n'
LINES = b'{"name": "Ada", "size": 3}\n\n{"tags": [1, null]}\n'


def _make_feed(rng: Random) -> tuple[bytes, str]:
    if rng.random() < 0.5:
        data = mutate.data(rng, (CSV,))
        return (data + b"x" * 140_000 if rng.random() < 0.01 else data), "feed.csv"
    return mutate.data(rng, (LINES,)), "feed.jsonl"


def _read_feed(value: tuple[bytes, str]) -> list[feed.Row]:
    (FOLDER / value[1]).write_bytes(value[0])
    return feed.read_rows(str(FOLDER / value[1]))


def _feed(_value: Any, rows: list[feed.Row]) -> None:
    """Rows by column names; at least one."""
    assert rows
    for row in rows:
        assert all(isinstance(name, str) for name in row), "a row has values without a column"


TARGETS = (
    Target("properties of both programs", _make_properties, _read, _properties, (PropertiesError,)),
    Target("masked secrets", _make_masked, _masked, _hidden),
    Target("exchange logs", _make_log, _log_pages, _reported),
    Target("summaries", _make_summary, _summary_pages, _reported),
    Target("baselines", _make_baseline, _read_baseline, _baseline, (SettingsError,)),
    Target("feeds", _make_feed, _read_feed, _feed, (SettingsError,)),
)
