"""The look at the cluster while a run is open, with a stand-in for the cluster: what it finds it says, and once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Outcome
from locust_kafka.core.routing import Partition
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.exchange.routing import ReplyRouting
from locust_kafka.kafka.causes import PartitionState
from locust_kafka.kafka.cluster import ClusterView
from locust_kafka.run import watch as watch_module
from locust_kafka.run.readiness import Connection
from locust_kafka.run.watch import NO_LEADER, SILENT_NS, ClusterWatch, leader_changes
from locust_kafka.settings import parse
from tests.unit.records import CountedRows

REQUESTS, REPLIES = "Waiter-Requests", "Waiter-Responses"
S = 10**9


class StubCluster:
    """A cluster whose topics, ends and moods a test sets."""

    def __init__(self) -> None:
        self.ends_now: dict[Partition, int] = {(REPLIES, 0): 10, (REPLIES, 1): 20}
        self.missing: set[str] = set()
        self.away = False
        self.leader = 1
        self.closed = 0

    def look(self, topics: Iterable[str]) -> ClusterView:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        view = ClusterView("id", 1)
        for topic in topics:
            numbers = [number for name, number in self.ends_now if name == topic] if topic == REPLIES else [0]
            if topic in self.missing:
                view.refused[topic] = None
            else:
                view.partitions[topic] = {number: PartitionState(number, self.leader, 1, 1) for number in numbers}
        return view

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return {partition: self.ends_now[partition] for partition in partitions}

    def close(self) -> None:
        self.closed += 1


class StubConsumer:
    def __init__(self) -> None:
        self.added: list[Partition] = []
        self.connected = True

    def add(self, partitions: Iterable[Partition]) -> None:
        self.added += partitions

    def has_broker(self) -> bool:
        return self.connected


class Watched:
    """A watch that looks when a test wants it to; its clock is a number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 1000 * S
        self.groups_asked = 0
        monkeypatch.setattr(watch_module, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(watch_module, "describe_groups", self._groups)
        monkeypatch.setattr(watch_module, "Cluster", self._committed)
        monkeypatch.setattr(watch_module, "STATISTICS_S", 0)
        self.committed = StubCluster()
        self.committed_made = 0
        self.cluster, self.consumer = StubCluster(), StubConsumer()
        self.committed.ends_now = self.cluster.ends_now  # unless a transaction is open
        self.recorder = Recorder(CountedRows(), "traceparent")
        self.fatal: list[str] = []
        self.engine = ExchangeEngine(
            rule("traceparent"), ReplyRouting(b"abcd1234"), self.recorder, lambda error: self.fatal.append(str(error))
        )
        self.recorder.results.total = self.engine.correlator.books
        view = self.cluster.look({REQUESTS, REPLIES})
        ends = dict(self.cluster.ends_now)
        connection = Connection(self.consumer, self.cluster, view, ends)  # type: ignore[arg-type]
        self.watch = ClusterWatch(parse({}), connection, self.engine, self.recorder)

    def _groups(self, _settings: Any, topics: str) -> str:
        self.groups_asked += 1
        return f"no consumer group has read {topics}"

    def _committed(self, _config: Any) -> StubCluster:
        self.committed_made += 1
        return self.committed

    def sent(self, registered: int, outcome: Outcome | None = None, replies_read: int = 0) -> None:
        """So many requests, all of them with this outcome."""
        books = self.recorder.results.total
        books.registered = registered
        if outcome is not None:
            books.outcomes[outcome] = registered
        self.recorder.results.replies_read = replies_read

    def look(self) -> None:
        self.watch._look()

    def close(self) -> None:
        self.watch._greenlet.kill()
        self.engine.close(lambda: None)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO)
    watched = Watched(monkeypatch)
    yield watched
    watched.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_silence_is_said_once_after_five_seconds(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Not before five seconds, not again, with the number of requests and what is known of who should answer."""
    watched.sent(7)
    watched.now_ns += SILENT_NS - 1
    watched.watch._check_silence()
    assert not said(caplog)
    watched.now_ns += 1
    for _ in range(3):
        watched.watch._check_silence()
        watched.now_ns += 60 * S
    assert said(caplog) == [
        f"no reply to 7 requests in 5 s: nothing was written to {REPLIES}: no service has answered yet; "
        f"no consumer group has read {REQUESTS}"
    ]
    assert watched.groups_asked == 1


def test_a_run_that_hears_something_is_not_silent(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """One reply of whatever kind, or no request yet: there is nothing to say."""
    watched.now_ns += 60 * S
    watched.watch._check_silence()  # nothing was sent
    watched.sent(7, replies_read=1)
    watched.watch._check_silence()
    assert not said(caplog)


def test_silence_tells_what_was_written_and_not_read(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """The reply topic has grown and nothing was read: it is not the service that is silent."""
    watched.sent(7)
    watched.cluster.ends_now[REPLIES, 1] += 3
    watched.look()
    watched.now_ns += SILENT_NS
    watched.watch._check_silence()
    assert said(caplog) == [
        f"no reply to 7 requests in 5 s: 3 records were written to {REPLIES}, but none could be read"
    ]
    assert not watched.groups_asked


def test_partitions_that_come_are_read_from_their_start(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Named in the log, handed to the consumer once, and what they hold counts as written since the start."""
    watched.cluster.ends_now[REPLIES, 2] = 5
    watched.look()
    watched.look()
    assert watched.consumer.added == [(REPLIES, 2)]
    assert [line for line in said(caplog) if "gained" in line] == [
        f"the reply topic has gained partitions: {REPLIES}[2]; they are read from their start"
    ]
    assert watched.watch._grown() == 5
    assert not watched.fatal


def test_a_topic_that_was_deleted_ends_the_run(watched: Watched) -> None:
    """Twice missing: a broker that has just come up may not know it yet; then it is said which one is gone."""
    watched.cluster.missing = {REQUESTS}
    watched.look()
    assert not watched.fatal
    watched.cluster.missing = set()
    watched.look()
    watched.cluster.missing = {REQUESTS}
    watched.look()
    assert not watched.fatal  # known in between
    watched.look()
    assert watched.fatal == [f"the topic {REQUESTS!r} was deleted during the run"]


def test_a_topic_that_was_created_again_ends_the_run(watched: Watched) -> None:
    """Its log has begun anew: the consumer waits at an offset that may never come, and replies are missing."""
    watched.cluster.ends_now[REPLIES, 1] = 30
    watched.look()
    watched.cluster.ends_now[REPLIES, 1] = 2
    watched.look()
    watched.look()
    assert len(watched.fatal) == 1
    assert "'Waiter-Responses', partition 1, has begun again" in watched.fatal[0]


def test_a_cluster_that_does_not_answer_is_no_finding(watched: Watched) -> None:
    """Nobody answers, or no longer: what was known stays known, and the next look goes on from there."""
    watched.look()
    before = dict(watched.watch._ends)
    watched.cluster.away = True
    watched.look()
    watched.cluster.away = False
    watched.cluster.leader = -1
    watched.look()
    assert watched.watch._ends == before
    assert not watched.fatal
    assert (
        watched.engine.delivery_failures.partition_states[REPLIES][1].leader == -1
    )  # why a delivery failed may stand there


def test_records_behind_an_open_transaction_are_said(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Twice at the same offset: said once with the offset, and again at the end; when it is committed, forgotten."""
    watched.sent(4, Outcome.TIMED_OUT)
    watched.cluster.ends_now[REPLIES, 0] = 15
    watched.committed.ends_now = {(REPLIES, 0): 12, (REPLIES, 1): 20}
    watched.look()
    assert not said(caplog)  # an open transaction of a moment is nothing
    for _ in range(2):
        watched.look()
    sentence = f"records of {REPLIES!r}, partition 0, cannot be read from offset 12 on: a transaction is open there"
    assert said(caplog) == [sentence]
    assert watched.watch.stop() == [f"{sentence}; replies may be among them"]
    assert watched.committed_made == watched.committed.closed == watched.cluster.closed == 1


def test_a_transaction_that_ended_is_forgotten(watched: Watched) -> None:
    """What can be read at the end is no reason to doubt the figures."""
    watched.sent(4, Outcome.TIMED_OUT, replies_read=1)
    watched.cluster.ends_now[REPLIES, 0] = 15
    watched.committed.ends_now = {(REPLIES, 0): 12, (REPLIES, 1): 20}
    for _ in range(3):
        watched.look()
    watched.committed.ends_now[REPLIES, 0] = 15
    assert watched.watch.stop() == []


@pytest.mark.parametrize(
    ("outcome", "replies_read", "doubted"),
    [(Outcome.TIMED_OUT, 0, True), (Outcome.UNFINISHED, 0, True), (Outcome.MATCHED, 4, False), (None, 0, False)],
)
def test_unread_records_make_the_run_doubtful(
    watched: Watched, outcome: Outcome | None, replies_read: int, doubted: bool
) -> None:
    """Records were written to the reply topic and none was read: READ may be denied, which no timeout says."""
    watched.sent(4, outcome, replies_read)
    watched.cluster.ends_now[REPLIES, 0] += 4
    found = watched.watch.stop()
    assert bool(found) == doubted
    assert not doubted or found[0].startswith("4 records were written to the reply topic and none was read")


def test_a_doubt_is_looked_into(watched: Watched) -> None:
    """ALL_BROKERS_DOWN asks for a look: the statistics say whether it is true, and when a broker is there again."""
    watched.consumer.connected = False
    watched.cluster.away = True
    watched.engine.doubted.set()
    turns = 0
    while not watched.engine.disconnected_since_ns and turns < 200:
        gevent.sleep(0.001)
        turns += 1
    assert watched.engine.disconnected_since_ns
    assert not watched.engine.doubted.is_set()
    watched.consumer.connected = True
    watched.watch._check_connection()
    assert not watched.engine.disconnected_since_ns


def test_a_disconnected_run_asks_nothing_at_its_end(watched: Watched) -> None:
    """No broker would answer: the end does not wait for one."""
    watched.sent(4, Outcome.TIMED_OUT)
    watched.engine.set_connected(False)
    watched.cluster.ends_now[REPLIES, 0] += 4
    assert watched.watch.stop() == []
    assert watched.cluster.closed == 1


def test_a_leader_that_changes_is_an_event(watched: Watched) -> None:
    """Each change of a partition's leader, its loss and its return are told once, and a leader that stays is not."""
    for leader in (1, 2, 2, NO_LEADER, NO_LEADER, 2):
        watched.cluster.leader = leader
        watched.look()
    words = [event.words for event in watched.recorder.results.events.all() if REPLIES in event.words]
    assert sorted(words) == [
        f"partitions of {REPLIES} are led by broker 2 again: 0, 1",
        f"partitions of {REPLIES} are led by broker 2 instead of 1: 0, 1",
        f"partitions of {REPLIES} have no leader: 0, 1",
    ]


@given(
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), st.integers(NO_LEADER, 3)),
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), st.integers(NO_LEADER, 3)),
)
def test_every_change_of_a_known_partition_is_in_one_sentence(
    before: dict[Partition, int], now: dict[Partition, int]
) -> None:
    """Partitions that are new or gone have changed nothing; each of the others stands in one sentence if it changed."""
    changed = [partition for partition in now if partition in before and before[partition] != now[partition]]
    sentences = leader_changes(before, now)
    told = [
        (topic, int(number)) for sentence in sentences
        for topic in [sentence.split()[2]] for number in sentence.rpartition(": ")[2].split(", ")
    ]  # fmt: skip
    assert sorted(told) == sorted(changed)


def test_whoever_got_no_request_owes_no_reply(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """As long as no request was delivered the service is not blamed for its silence."""
    watched.sent(20, Outcome.UNDELIVERED)
    watched.now_ns += SILENT_NS + S
    watched.watch._check_silence()
    assert "no service has answered" not in caplog.text


def test_a_token_that_cannot_be_renewed_is_said_once(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the last one is still good: each failure once, another one again, and nothing while all is well."""
    for failure in ("", "no token", "no token", "", "no token", "another reason"):
        monkeypatch.setattr(watch_module, "renewal_failure", lambda _settings, said=failure: said)
        watched.watch._check_token()
    ending = "; the last token is used until it expires"
    assert said(caplog) == [words + ending for words in ("no token", "no token", "another reason")]
