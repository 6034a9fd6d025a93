"""Replies of other processes, dropped in the reply consumer's thread: they wake nobody, and nothing of them is kept.

Every process that shares a reply partition with others reads what is meant for them.  By the prefix of its trace id a
reply is known not to be ours before anything else of it is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from locust_kafka.core.routing import GENERATION
from locust_kafka.kafka.record import readable_trace_id


@dataclass(slots=True)
class Dropped:
    """What was dropped, for the books.

    Attributes:
        replies: how many.
        size: their payloads, in bytes.
        siblings: those of them that belong to other processes of this run.
        astray: those of the siblings that came to a partition of ours, by what their trace ids begin with.
    """

    replies: int = 0
    size: int = 0
    siblings: int = 0
    astray: Counter[str] = field(default_factory=Counter)


class ForeignFilter:
    """Drops what is not ours.  Its attributes are set by the exchange greenlet, and read by the native thread.

    Args:
        generation: what the trace ids of this process and run begin with.
        run_prefix: what those of the run's other processes begin with; empty for a local run.
        owns: whether a partition is this process's alone; None when they are shared.
    """

    def __init__(self, generation: bytes, run_prefix: bytes, owns: Callable[[str, int], bool] | None = None) -> None:
        self.active = False
        """Whether anything is dropped: not before something foreign was seen, for looking costs the stamps time."""
        self.drops_strangers = False
        """Whether that is also what is of no process of this run: not while it may be our replies with other ids."""
        self.owns = owns
        self._generation, self._run_prefix = generation, run_prefix
        self._dropped = Dropped()

    def sift(self, messages: Sequence[Any]) -> tuple[list[Any], list[bytes | None]]:
        """What is left of these messages, and the trace id of each: None for an error, or one that has none."""
        left: list[Any] = []
        trace_ids: list[bytes | None] = []
        for message in messages:
            trace_id = readable_trace_id(message) if message.error() is None else None
            if trace_id is not None and not trace_id.startswith(self._generation) and self._drop(message, trace_id):
                continue
            left.append(message)
            trace_ids.append(trace_id)
        return left, trace_ids

    def is_sibling(self, trace_id: bytes) -> bool:
        """Whether it is of another process of this run."""
        return bool(self._run_prefix) and trace_id.startswith(self._run_prefix)

    def is_astray(self, message: Any) -> bool:
        """Whether a sibling's reply has come to a partition of ours."""
        return self.owns is not None and self.owns(message.topic(), message.partition())

    def take_dropped(self) -> Dropped | None:
        """What was dropped since this was asked last; in the native thread."""
        dropped = self._dropped
        if not dropped.replies:
            return None
        self._dropped = Dropped()
        return dropped

    def _drop(self, message: Any, trace_id: bytes) -> bool:
        sibling = self.is_sibling(trace_id)
        if not (sibling or self.drops_strangers):
            return False
        dropped = self._dropped
        dropped.replies += 1
        dropped.size += len(message)
        if sibling:
            dropped.siblings += 1
            if self.is_astray(message):
                dropped.astray[generation_of(trace_id)] += 1
        return True


def generation_of(trace_id: bytes) -> str:
    """What the trace ids of its process and run begin with."""
    return trace_id[:GENERATION].decode("ascii", "replace")
