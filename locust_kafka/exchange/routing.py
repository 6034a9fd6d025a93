"""Where this process's replies go, and which of them it reads; owned by the hub."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from gevent.lock import BoundedSemaphore

from locust_kafka.core.routing import (
    PROVEN_AT,
    Partition,
    Proof,
    RoutingResults,
    Share,
    TooFewPartitions,
    wanted_partition,
)
from locust_kafka.errors import NotReady
from locust_kafka.kafka.foreign import Dropped, ForeignFilter, generation_of
from locust_kafka.kafka.record import readable_trace_id
from locust_kafka.options import AUTO, PARTITION, SHARED, TOPIC

logger = logging.getLogger("locust_kafka")

SPRING_REPLY_TO, SPRING_PARTITION = "kafka_replyTopic", "kafka_replyPartition"
PARTITION_HEADER = "reply-partition"
ALONE = Share()
EXPECTING = "expect() is used"


class ReplyRouting:
    """The reply routing of one process and run.

    Args:
        generation: what its trace ids begin with.
        run_prefix: what those of the run's other processes begin with; empty for a local run.
        wanted: SHARED, PARTITION, TOPIC or AUTO.
        share: which of the workers it is.
        ours: whether ids are trace ids made here; else nothing can be told by them.
        reply_to: the header that names the reply topic.
    """

    def __init__(
        self,
        generation: bytes,
        run_prefix: bytes = b"",
        wanted: str = SHARED,
        share: Share = ALONE,
        *,
        ours: bool = True,
        reply_to: str = "",
    ) -> None:
        self.generation, self.run_prefix = generation, run_prefix
        self.foreign = ForeignFilter(generation, run_prefix)
        self.header = SPRING_PARTITION if reply_to == SPRING_REPLY_TO else PARTITION_HEADER
        """The header that asks for a partition: a decimal number, for Spring four bytes."""
        self.headers: dict[str, dict[bytes, tuple[str, bytes]]] = {}
        """By reply topic: the header of a request, by the last two digits of its trace id.  Empty when none is sent."""
        self.narrow: Callable[[list[Partition]], None] | None = None
        """Has the reply consumer read no more of these partitions."""
        self.results = RoutingResults()
        self._share, self._ours, self._only_ours = share, ours, ours
        self._wanted = self._mode = wanted
        self._why = ""
        self.widening = BoundedSemaphore()
        """Held while the rest is made to be read."""
        self._owned: dict[str, list[int]] = {}
        self._partitions: set[Partition] = set()
        self._proof: Proof | None = None
        if wanted == AUTO and share.workers == 1:
            self._mode = SHARED  # there is nobody to share with
        elif share.joined_late and wanted in (AUTO, PARTITION):
            self._be_shared("joined after the run had begun")
        elif wanted == AUTO and not ours:
            self._be_shared("only --kafka-match traceparent can prove that the service honours reply-partition")
        self._tell()

    @property
    def is_proving(self) -> bool:
        """Whether replies are still looked at to see where they come."""
        return self._proof is not None and self._proof.honoured is None

    @property
    def own_topics(self) -> bool:
        """Whether this process has reply topics of its own."""
        return self._mode == TOPIC

    def divide(self, partitions: Iterable[Partition]) -> None:
        """Divide the reply partitions among the workers, if they are to be; before the first request.

        Raises:
            NotReady: there are fewer than workers.
        """
        self._partitions = set(partitions)
        if self._mode not in (AUTO, PARTITION):
            return
        try:
            self._owned = self._share.divide(self._partitions)
        except TooFewPartitions as too_few:
            if self._mode == PARTITION:
                raise NotReady(str(too_few)) from None
            self._be_shared("there are fewer reply partitions than workers")
            return
        self.headers = {topic: self._table(owned) for topic, owned in self._owned.items()}
        self.foreign.owns = self.owns
        if self._mode == AUTO:
            self._proof = Proof(self._owned, self.generation)
        self._tell()

    def owns(self, topic: str, number: int) -> bool:
        """Whether a partition is this process's."""
        return topic in self._owned and self._share.owns(number)

    def gained(self, partitions: Collection[Partition]) -> list[Partition]:
        """The topics have gained these partitions; those of them that are to be read."""
        self._partitions.update(partitions)
        return [one for one in partitions if self.reads(one)]

    def reads(self, partition: Partition) -> bool:
        """Whether the partition is read."""
        return self._mode != PARTITION or self.owns(*partition)

    def prove(self, messages: Iterable[Any]) -> None:
        """See where these replies have come."""
        proof = self._proof
        if proof is None:
            return
        for message in messages:
            trace_id = readable_trace_id(message) if message.error() is None else None
            if trace_id is not None:
                proof.add(trace_id, message.topic(), message.partition())
        if proof.honoured:
            self._mode, self._proof = PARTITION, None
            self._tell()
            logger.info("replies come to the partitions that are asked for: this worker reads its own from now on")
            if self.narrow is not None:
                self.narrow([one for one in sorted(self._partitions) if not self.reads(one)])
        elif proof.honoured is False:
            self._be_shared("the service does not honour reply-partition")

    def unread(self) -> list[Partition]:
        """What has to be read as well for replies to requests that are not ours to address.

        Raises:
            ValueError: the user wants each worker to read its own replies only.
        """
        if self._wanted in (PARTITION, TOPIC):
            raise ValueError(
                f"expect() is refused: with --kafka-reply-routing {self._wanted} a worker reads its own replies only, "
                "and a request that is sent by other means does not ask for them; use shared"
            )
        return [one for one in sorted(self._partitions) if not self.reads(one)]

    def widen(self) -> None:
        """Everything is read again; what our own requests ask for stays as it is once it is proven."""
        if self._proof is not None:
            self._be_shared(EXPECTING)
        elif self._mode == PARTITION:
            self._mode, self._why = SHARED, EXPECTING
            # Replies that nobody asked to come here or there may come anywhere from now on, and are read.
            self.results.narrowed.discard(self.generation.decode())
            self._tell()

    def note_foreign(self, message: Any, trace_id: bytes, *, some_matched: bool) -> None:
        """A reply of another process was judged: from now on such are dropped before that.

        Args:
            message: the reply.
            trace_id: its own.
            some_matched: whether replies match at all; else what looks foreign may be ours, with other ids.
        """
        if not self._ours:
            return
        if self._only_ours:
            self.foreign.active, self.foreign.drops_strangers = True, some_matched
        if self.foreign.is_sibling(trace_id):
            self.results.siblings += 1
            if self.foreign.is_astray(message):
                self.results.astray[generation_of(trace_id)] += 1

    def note_dropped(self, dropped: Dropped) -> None:
        """These were dropped in the native thread."""
        self.results.siblings += dropped.siblings
        self.results.astray.update(dropped.astray)

    def accept_other_ids(self) -> None:
        """From now on ids are registered that were not made here: what is foreign is judged, and not dropped before.

        A reply of another worker that went astray is still known by its prefix.
        """
        self._only_ours = self.foreign.active = False

    def _be_shared(self, why: str) -> None:
        if self._mode in (AUTO, PARTITION) and self._proof is not None:
            logger.info("every worker reads all replies: %s", why)
        self._mode, self._why, self._proof = SHARED, why, None
        for table in self.headers.values():
            table.clear()  # in place: senders hold them
        # Whose partitions they are still tells that a reply of another worker, which reads its own only, went astray.
        self._tell()

    def _tell(self) -> None:
        mode, why = (SHARED, f"not proven by {PROVEN_AT} replies") if self._mode == AUTO else (self._mode, self._why)
        self.results.processes.clear()
        self.results.processes[f"{mode}: {why}" if why else mode] = 1
        if mode == PARTITION:
            self.results.narrowed.add(self.generation.decode())

    def _table(self, owned: list[int]) -> dict[bytes, tuple[str, bytes]]:
        spring = self.header == SPRING_PARTITION
        table = {}
        for end in range(256):
            digits = b"%02x" % end
            number = wanted_partition(owned, digits)
            table[digits] = self.header, number.to_bytes(4, "big") if spring else b"%d" % number
        return table
