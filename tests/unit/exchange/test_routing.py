"""Many workers and one service in-process: whatever the service does, no reply is missed in silence."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Verdict
from locust_kafka.core.routing import PROVEN_AT, Partition, RoutingResults, Share
from locust_kafka.errors import NotReady
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.options import AUTO, PARTITION, SHARED, TOPIC
from tests.unit.exchange.test_engine import Life
from tests.unit.records import Record, reply_to

TOPIC_NAME = "replies"


class Worker:
    """One worker's routing, with what its reply consumer is assigned."""

    def __init__(self, number: int, workers: int, partitions: int, wanted: str) -> None:
        self.generation = b"abcd%04x" % number
        self.routing = ReplyRouting(self.generation, b"abcd", wanted, Share(number, workers))
        self.routing.divide([(TOPIC_NAME, one) for one in range(partitions)])
        self.routing.narrow = self._forget
        self.assigned = {one for one in range(partitions) if self.routing.reads((TOPIC_NAME, one))}
        self.got: Counter[bytes] = Counter()
        self.read = 0

    def _forget(self, partitions: list[Partition]) -> None:
        self.assigned -= {number for _topic, number in partitions}

    def request(self, random_digits: bytes) -> tuple[bytes, int | None]:
        """A new trace id, and the partition that its reply is asked to come to."""
        trace_id = self.generation + random_digits
        header = self.routing.headers.get(TOPIC_NAME, {}).get(trace_id[30:])
        return trace_id, None if header is None else int(header[1])

    def receive(self, trace_id: bytes, partition: int) -> None:
        if partition not in self.assigned:
            return
        self.read += 1
        message = reply_to(trace_id, partition=partition)
        if trace_id.startswith(self.generation):
            self.got[trace_id] += 1
        elif self.routing.foreign.active and not self.routing.foreign.sift([message])[0]:
            dropped = self.routing.foreign.take_dropped()
            assert dropped is not None
            self.routing.note_dropped(dropped)
        else:
            self.routing.note_foreign(message, trace_id, some_matched=True)
        if self.routing.is_proving:
            self.routing.prove([message])


def played(wanted: str, workers: int, partitions: int, honours: float, seed: int) -> tuple[list[Worker], int, str]:
    """The workers after some requests each, how many replies nobody read who waited, and why the run is invalid."""
    chance = random.Random(seed)
    everybody = [Worker(number, workers, partitions, wanted) for number in range(workers)]
    missed = 0
    for _ in range(PROVEN_AT + 40):
        for one in everybody:
            trace_id, asked = one.request(b"%024x" % chance.getrandbits(96))
            honoured = asked is not None and chance.random() < honours
            partition = asked if honoured and asked is not None else chance.randrange(partitions)
            for each in everybody:
                each.receive(trace_id, partition)
            missed += not one.got[trace_id]
    total = RoutingResults()
    for one in everybody:
        total.add(one.routing.results)
    return everybody, missed, total.sentence


@given(
    st.sampled_from([AUTO, PARTITION, SHARED]), st.integers(2, 4), st.integers(4, 9),
    st.sampled_from([0.0, 0.5, 0.99, 1.0]), st.integers(0, 99),
)  # fmt: skip
def test_no_reply_is_missed_in_silence(wanted: str, workers: int, partitions: int, honours: float, seed: int) -> None:
    """However often the service honours what it is asked: a reply that its worker did not read makes the run invalid."""
    everybody, missed, sentence = played(wanted, workers, partitions, honours, seed)
    assert bool(missed) == bool(sentence)
    if wanted == SHARED or (wanted == AUTO and honours == 0):
        assert not missed
        assert all(one.read == workers * (PROVEN_AT + 40) for one in everybody)


@given(st.sampled_from([AUTO, PARTITION]), st.integers(2, 4), st.integers(4, 9), st.integers(0, 99))
def test_a_service_that_honours_it_is_read_once(wanted: str, workers: int, partitions: int, seed: int) -> None:
    """No worker reads what belongs to another; with `auto` it does so only until the replies have proven it."""
    everybody, missed, sentence = played(wanted, workers, partitions, 1.0, seed)
    assert (missed, sentence) == (0, "")
    for one in everybody:
        own = PROVEN_AT + 40
        assert one.read == own if wanted == PARTITION else own <= one.read <= own + (workers - 1) * PROVEN_AT
        assert one.routing.results.processes == {PARTITION: 1}


def test_spring_is_asked_in_its_own_way() -> None:
    """Beside kafka_replyTopic the partition is four bytes, big-endian, in kafka_replyPartition; else decimal digits."""
    for reply_to_header, name, value in (
        ("kafka_replyTopic", "kafka_replyPartition", b"\0\0\1\5"), ("to", "reply-partition", b"261"),
    ):  # fmt: skip
        routing = ReplyRouting(b"abcd0001", b"abcd", PARTITION, Share(0, 1), reply_to=reply_to_header)
        routing.divide([(TOPIC_NAME, 261)])
        assert set(routing.headers[TOPIC_NAME].values()) == {(name, value)}


def test_whoever_joins_late_reads_everything() -> None:
    """All partitions are owned already: it asks for none, reads all, and is never missed by the others' rule."""
    for wanted in (AUTO, PARTITION):
        routing = ReplyRouting(b"abcd0004", b"abcd", wanted, Share(4, 4))
        routing.divide([(TOPIC_NAME, number) for number in range(4)])
        assert not routing.headers
        assert all(routing.reads((TOPIC_NAME, number)) for number in range(9))
        assert routing.results.processes == {"shared: joined after the run had begun": 1}
        assert not routing.results.narrowed


def test_too_few_partitions() -> None:
    """Asked for in words it is refused; with `auto` the run goes on as before and says why."""
    with pytest.raises(NotReady, match="5 workers cannot share the 4 partitions"):
        ReplyRouting(b"abcd0001", b"abcd", PARTITION, Share(1, 5)).divide([(TOPIC_NAME, one) for one in range(4)])
    routing = ReplyRouting(b"abcd0001", b"abcd", AUTO, Share(1, 5))
    routing.divide([(TOPIC_NAME, one) for one in range(4)])
    assert routing.results.processes == {"shared: there are fewer reply partitions than workers": 1}
    assert not routing.headers


def test_whoever_has_other_ids_still_sees_what_went_astray() -> None:
    """A worker whose user began a trace drops nothing any more, and counts the replies of others on its partitions."""
    routing = ReplyRouting(b"abcd0001", b"abcd", PARTITION, Share(1, 2))
    routing.divide([(TOPIC_NAME, one) for one in range(4)])
    routing.accept_other_ids()
    trace_id = b"abcd0000" + b"0" * 23 + b"1"
    for partition in range(4):
        routing.note_foreign(reply_to(trace_id, partition=partition), trace_id, some_matched=True)
    assert not routing.foreign.active
    assert (routing.results.siblings, routing.results.astray) == (4, {"abcd0000": 2})


def test_only_trace_ids_prove_anything() -> None:
    """With a rule that knows no prefix `auto` is shared, and nothing is ever dropped."""
    routing = ReplyRouting(b"abcd0001", b"abcd", AUTO, Share(1, 2), ours=False)
    routing.divide([(TOPIC_NAME, one) for one in range(4)])
    assert not routing.headers
    routing.note_foreign(reply_to(b"e" * 32), b"e" * 32, some_matched=True)
    assert not routing.foreign.active


@pytest.mark.parametrize("replies", [PROVEN_AT - 1, PROVEN_AT])
def test_a_reply_to_somebody_elses_request_needs_all_partitions(replies: int) -> None:
    """`expect()` makes `auto` read everything; what our own requests ask for ends only where nothing is proven."""
    worker = Worker(1, 2, 4, AUTO)
    held = worker.routing.headers[TOPIC_NAME]
    for number in range(replies):
        trace_id, asked = worker.request(b"%024x" % number)
        assert asked is not None
        worker.receive(trace_id, asked)
    proven = replies == PROVEN_AT
    assert worker.routing.unread() == ([(TOPIC_NAME, 0), (TOPIC_NAME, 2)] if proven else [])
    worker.routing.widen()
    assert worker.routing.unread() == []
    assert all(worker.routing.reads((TOPIC_NAME, one)) for one in range(9))
    assert worker.routing.results.processes == {"shared: expect() is used": 1}
    assert not worker.routing.results.narrowed, "a reply of its own on another's partition is not lost any more"
    assert bool(held) == proven, "an unproven sender that holds the table must stop to ask"


@pytest.mark.parametrize("wanted", [PARTITION, TOPIC])
def test_who_wants_only_his_own_expects_nothing(wanted: str) -> None:
    """Where the user has asked for a worker's own replies alone, `expect()` is refused in a sentence."""
    routing = ReplyRouting(b"abcd0001", b"abcd", wanted, Share(1, 2))
    routing.divide([(TOPIC_NAME, one) for one in range(4)])
    with pytest.raises(ValueError, match=f"--kafka-reply-routing {wanted}"):
        routing.unread()


def foreign_record(number: int) -> Record:
    return reply_to(b"abcd%04x" % (0x9000 + number % 3) + b"%024x" % number)


@given(st.lists(st.sampled_from(["own", "sibling", "stranger", "none", "poisoned"]), max_size=60), st.integers(1, 7))
def test_what_is_dropped_beforehand_is_in_the_books_all_the_same(kinds: list[str], size: int) -> None:
    """Sifted or not, the books, the bytes read and the other workers' replies come out the same."""
    lives = [Life(), Life()]
    for at, life in enumerate(lives):
        life.send(0, 1)
        life.batch(2, reply_to(next(iter(life.exchanges))))
        life.batch(2, foreign_record(1))
        life.process()
        for begin in range(0, len(kinds), size):
            records = [_record(life, kind, begin + n) for n, kind in enumerate(kinds[begin : begin + size])]
            life.handed_over(3 + begin, records, sifted=bool(at))
            life.process()
    plain, sifted = (life.recorder.results for life in lives)
    assert plain.total.verdicts == sifted.total.verdicts
    assert plain.replies_read == sifted.replies_read == sum(sifted.total.verdicts)
    assert plain.reply_bytes == sifted.reply_bytes
    assert lives[0].engine.routing.results.to_wire() == lives[1].engine.routing.results.to_wire()
    if "stranger" in kinds:
        assert sifted.total.verdicts[Verdict.FOREIGN] > 1
    for life in lives:
        life.close()


def _record(life: Life, kind: str, number: int) -> Record:
    if kind == "own":
        life.send(number + 1, 2)
        return reply_to(list(life.exchanges)[-1])
    if kind == "sibling":
        return foreign_record(number)
    if kind == "stranger":
        return reply_to(b"eeee%028x" % number)
    return Record(headers=[("x", b"y")], poisoned=kind == "poisoned")
