"""Serializers and deserializers: their time is beside the latency, and what they do wrong is a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from confluent_kafka.serialization import MessageField, SerializationContext, StringDeserializer, StringSerializer
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.checks import judge, parse_check
from locust_kafka.core.legs import MS
from locust_kafka.core.name_results import PAYLOAD_LEGS
from locust_kafka.core.results import RunResults
from locust_kafka.errors import SettingsError
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.plugin import payloads, sender
from locust_kafka.plugin.classes import ClassSettings, KafkaAttributes, class_settings
from locust_kafka.plugin.client import KafkaClient
from locust_kafka.plugin.task_errors import _is_refusal
from locust_kafka.report import legs
from locust_kafka.run.own_topics import OwnTopics
from locust_kafka.settings import parse
from tests.support import ROOT
from tests.unit.records import CountedRows
from tests.unit.runs import end, message

TIMES = st.integers(0, 5_000 * MS)


class Bench:
    """A user's client on a clock that moves only when somebody works; each request is answered with its own value."""

    def __init__(self, patch: pytest.MonkeyPatch, serializer: Any = None, deserializer: Any = None) -> None:
        self.now_ns = 10_000 * MS
        self.service_ns = 0
        self.outcome = Outcome.MATCHED
        self.answer: bytes | None = None
        self.sent: list[tuple[bytes | None, list[tuple[str, Any]]]] = []
        self.rows = CountedRows()
        self.recorder = Recorder(self.rows, "traceparent")
        patch.setattr(sender, "perf_counter_ns", lambda: self.now_ns)
        patch.setattr(payloads, "perf_counter_ns", lambda: self.now_ns)
        numbers = iter(range(10**9))
        run: Any = SimpleNamespace(
            settings=SimpleNamespace(reply_to_header="reply-to"), users=0, is_open=True, has_plan=True, topics={"Orders"},
            ids=SimpleNamespace(new=lambda: (b"%032x" % next(numbers), b"traceparent", b"key")), tracer=None,
            rule=SimpleNamespace(ours=True), routing=ReplyRouting(b"abcd1234"),
            own_topics=OwnTopics(parse({}), ""), recorder=self.recorder, engine=SimpleNamespace(register=lambda _x, **_more: None),
            pool=SimpleNamespace(own=lambda _s: SimpleNamespace(made_ns=0, timeout_s=9, produce=self.produce)),
        )  # fmt: skip
        settings = ClassSettings("Orders", "Answers", 9.0, False, serializer, deserializer)
        self.client = KafkaClient(SimpleNamespace(context=dict), run, settings)  # type: ignore[arg-type] # all it uses
        self.client._usable_from_ns = 0

    def work(self, took_ns: int) -> None:
        self.now_ns += took_ns

    def produce(self, x: Exchange, _topic: str, body: bytes | None, _key: Any, headers: list[tuple[str, Any]]) -> None:
        self.sent.append((body, headers))
        self.work(self.service_ns)
        x.outcome, x.ended_ns, x.acked_ns = self.outcome, self.now_ns, self.now_ns
        if x.outcome is Outcome.MATCHED:
            x.delivery = message("Orders", x.sent_ns)
            x.reply = message("Answers", self.now_ns, value=body if self.answer is None else self.answer)
        end(self.recorder, x)

    @property
    def whole(self) -> Any:
        """All names together, as they are told to a master."""
        self.recorder.aggregate()
        return RunResults.from_wire(self.recorder.results.to_wire()).whole()


def count(bench: Bench) -> tuple[int, int, int]:
    """Registered, rows, and rows that failed."""
    return bench.whole.books.registered, len(bench.rows.rows), sum(failed for _, failed in bench.rows.rows)


@given(TIMES, TIMES, TIMES, TIMES, st.booleans())
def test_what_payloads_take_is_beside_the_latency(
    late_ns: int, serialize_ns: int, service_ns: int, deserialize_ns: int, checked: bool
) -> None:
    """E2E is lateness and service alone, to the nanosecond, and what both hooks took stands in legs of their own."""
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench(
            patch,
            lambda value, _c: bench.work(serialize_ns) or value,
            lambda raw, _c: bench.work(deserialize_ns) or raw,
        )
        bench.service_ns = service_ns
        bench.recorder.results.open_model = True
        bench.client._arrival_ns, bench.client._began_ns = bench.now_ns - late_ns, bench.now_ns
        reply = bench.client.request(b"Ada", name="n", catch_response=checked)
        if checked:
            with reply:  # type: ignore[attr-defined] # a CheckedReply
                pass
        whole = bench.whole
    assert (reply.ok, reply.value, reply.latency_ms) == (True, b"Ada", (late_ns + service_ns) / MS)
    assert whole.e2e_matched.sum_ns == late_ns + service_ns
    assert whole.schedule.sum_ns == late_ns
    assert (whole.serialize.count, whole.serialize.sum_ns) == (1, serialize_ns)
    assert (whole.deserialize.count, whole.deserialize.sum_ns) == (1, deserialize_ns)
    assert count(bench) == (1, 1, 0)


def test_confluents_own_are_called_as_its_own_clients_call_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The context names topic and field, the headers that a serializer adds are sent, and the raw bytes stay there."""
    seen: list[SerializationContext] = []

    def serializer(value: str, context: SerializationContext) -> bytes | None:
        assert isinstance(context.headers, list)
        context.headers.append(("schema", b"7"))
        seen.append(context)
        return StringSerializer("utf_16_be")(value, context)

    def deserializer(raw: bytes, context: SerializationContext) -> str | None:
        seen.append(context)
        return StringDeserializer("utf_16_be")(raw, context)

    bench = Bench(monkeypatch, serializer, deserializer)
    reply = bench.client.request("Ada", headers={"a": "b"})
    assert (reply.value, reply.raw_value) == ("Ada", "Ada".encode("utf_16_be"))
    assert [(c.topic, c.field) for c in seen] == [("Orders", MessageField.VALUE), ("Answers", MessageField.VALUE)]
    assert bench.sent[0][1][2:] == [("a", b"b"), ("schema", b"7")]


def test_those_of_a_call_go_before_those_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with any other argument; and a serializer's text is sent as UTF-8."""
    bench = Bench(monkeypatch, lambda _v, _c: 1 / 0, lambda _v, _c: 1 / 0)
    reply = bench.client.request(
        {"a": 1}, serializer=lambda v, _c: json.dumps(v), deserializer=lambda v, _c: json.loads(v)
    )
    assert (reply.value, reply.raw_value) == ({"a": 1}, b'{"a": 1}')


@pytest.mark.parametrize(
    ("serializer", "error", "sentence"),
    [
        (lambda v, _c: v["b"], ValueError, "failed for a value of type dict to topic 'Orders': KeyError: 'b'; nothing was sent"),
        (lambda v, _c: v, TypeError, "gave dict for a value of type dict to topic 'Orders': it must give bytes, str or None; nothing was sent"),
        (lambda _v, _c: "\ud800", ValueError, "value cannot be sent: character 0 is a lone surrogate, which UTF-8 does not have"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", ["request", "send"])
def test_a_serializer_that_fails_registers_nothing(
    monkeypatch: pytest.MonkeyPatch, serializer: Any, error: type[Exception], sentence: str, call: str
) -> None:
    """The call raises one sentence that the log takes for a refusal, and neither books nor legs know of it."""
    bench = Bench(monkeypatch, serializer)
    with pytest.raises(error) as raised:
        getattr(bench.client, call)({"a": 1})
    assert str(raised.value).removeprefix("the serializer <lambda> ") == sentence
    assert _is_refusal(raised.value)
    assert count(bench) == (0, 0, 0)
    assert not bench.sent
    assert not bench.whole.serialize.count


@pytest.mark.parametrize("call", ["request", "checked", "send"])
def test_a_deserializer_that_fails_fails_the_row_alone(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The books say MATCHED, the row fails and is counted as rejected, the reply is falsy, and on_reply is not called."""
    failures: list[Any] = []
    bench = Bench(monkeypatch, None, lambda raw, _c: json.loads(raw))
    note = bench.rows.result
    monkeypatch.setattr(bench.rows, "result", lambda x, failure: (failures.append(failure), note(x, failure)))
    if call == "send":
        bench.client.send(b"no JSON", on_reply=failures.append)
        bench.recorder.validators.wait(60)
    else:
        reply = bench.client.request(b"no JSON", catch_response=call == "checked")
        if call == "checked":
            with reply:  # type: ignore[attr-defined] # a CheckedReply
                pass
        assert (bool(reply), reply.ok, reply.outcome, reply.value) == (False, False, Outcome.MATCHED, None)
        assert reply.raw_value == b"no JSON"
    sentence = "the deserializer <lambda> failed for a reply on topic 'Answers': JSONDecodeError: Expecting value"
    assert [str(failure).partition(": line")[0] for failure in failures] == [sentence]
    assert count(bench) == (1, 1, 1)
    assert bench.recorder.results.whole().rejected == 1


def test_nobody_deserializes_what_nobody_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A send without on_reply, and a request that timed out, call no deserializer, and the row is what it was."""
    bench = Bench(monkeypatch, None, lambda _v, _c: 1 / 0)
    bench.client.send(b"Ada")
    bench.outcome = Outcome.TIMED_OUT
    reply = bench.client.request(b"Ada")
    assert (reply.ok, reply.value, reply.raw_value) == (False, None, None)
    assert count(bench) == (2, 2, 1)
    assert bench.recorder.results.whole().rejected == 0
    assert not bench.whole.deserialize.count


def test_a_warm_up_is_left_out_of_the_legs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call registers a schema: what began before the measuring does is in no leg."""
    bench = Bench(monkeypatch, lambda v, _c: v, lambda v, _c: v)
    bench.recorder.measure.measure_from_ns = bench.now_ns + 1
    bench.client.request(b"Ada")
    assert not bench.whole.serialize.count
    assert not bench.whole.deserialize.count
    bench.work(1)
    bench.client.request(b"Ada")
    assert bench.whole.serialize.count == bench.whole.deserialize.count == 1


def test_without_hooks_there_is_no_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the summary nor the console names a leg that nothing went through, and a check of it says why."""
    plain, hooked = Bench(monkeypatch), Bench(monkeypatch, lambda v, _c: v, lambda v, _c: v)
    for bench, expected in ((plain, set()), (hooked, set(PAYLOAD_LEGS))):
        bench.client.request(b"Ada")
        results, whole = bench.recorder.results, bench.whole
        assert set(legs.to_json(results, whole)) & set(PAYLOAD_LEGS) == expected
        assert {leg for leg in PAYLOAD_LEGS if any(leg in line for line in legs.lines(results, whole))} == expected
        (judged,) = judge([parse_check("serialize.p99 < 5ms")], results)
        assert judged.passed == (bench is hooked)
    (judged,) = judge([parse_check("deserialize.p99 < 5ms")], plain.recorder.results)
    assert judged.reason == "no payload went through a deserializer"


@given(st.text(max_size=300), st.sampled_from(["", "http://me:secret@registry/subjects"]))
def test_an_errors_own_words_are_short_and_keep_secrets(text: str, url: str) -> None:
    """One line of at most 200 characters, without the credentials of a URL."""

    def serializer(_value: Any, _context: SerializationContext) -> bytes:
        raise OSError(url + text)

    with pytest.raises(ValueError, match="the serializer serializer failed") as raised:
        payloads.serialize(serializer, 1, "Orders", [])
    assert "secret" not in str(raised.value) or "secret" in text
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 320


def test_another_timeout_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gevent.Timeout that the user has set passes through a serializer, and ours becomes a sentence."""

    def sleeper(_value: Any, _context: SerializationContext) -> bytes:
        gevent.sleep(60)
        return b""

    with pytest.raises(gevent.Timeout) as passed, gevent.Timeout(0.01) as own:
        payloads.serialize(sleeper, 1, "Orders", [])
    assert passed.value is own
    monkeypatch.setattr(payloads, "LIMIT_S", 0.01)
    with pytest.raises(ValueError, match=r"it did not return within 0\.01 s; is its schema registry there\?"):
        payloads.serialize(sleeper, 1, "Orders", [])


@pytest.mark.parametrize("attribute", ["serializer", "deserializer"])
def test_a_hook_that_cannot_be_called_is_refused(monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    """On the class it is a setting that is refused, in a call a TypeError before anything is sent."""
    guest = type("Guest", (KafkaAttributes,), {attribute: "avro"})
    with pytest.raises(SettingsError, match=rf"Guest\.{attribute} must be callable as \(value, context\), not str"):
        class_settings(parse({}), guest)
    bench = Bench(monkeypatch)
    with pytest.raises(TypeError, match=f"{attribute} must be callable"):
        bench.client.request(b"Ada", **{attribute: "avro"})
    assert count(bench) == (0, 0, 0)


SILENT = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, socket
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from locust_kafka.plugin import payloads
payloads.LIMIT_S = 1.0
listener = socket.create_server(("127.0.0.1", 0))
ticks = 0
def tick():
    global ticks
    while True:
        gevent.sleep(0.01); ticks += 1
gevent.spawn(tick)
def ask(url):
    serializer = AvroSerializer(SchemaRegistryClient({"url": url, "max.retries": 0}), '"string"')
    try:
        payloads.serialize(serializer, "Ada", "Orders", [])
    except ValueError as refused:
        print(refused)
for greenlet in [gevent.spawn(ask, f"http://127.0.0.1:{listener.getsockname()[1]}"), gevent.spawn(ask, "http://127.0.0.1:1")]:
    greenlet.join()
print("the hub went on" if ticks > 10 else "the hub stood still")
"""


def test_a_registry_that_is_away_is_a_sentence() -> None:
    """Silent or refusing, confluent-kafka's client gives way to the other greenlets, and the call ends in a sentence."""
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    who = "the serializer AvroSerializer failed for a value of type str to topic 'Orders': "
    assert sorted(done.stdout.splitlines()) == sorted([
        f"{who}ConnectError: [Errno 111] Connection refused; nothing was sent",
        f"{who}TimeoutError: it did not return within 1 s; is its schema registry there?; nothing was sent",
        "the hub went on",
    ])  # fmt: skip
