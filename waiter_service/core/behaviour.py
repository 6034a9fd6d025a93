"""What the waiter does with one request: a pure function of its trace id and the seed.

The trace ids and the seed predict every reply, so a load tester can be compared with an exact plan.
"""

from __future__ import annotations

import math
import statistics
import struct
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

_NORMAL = statistics.NormalDist()
_FIVE_WORDS = struct.Struct(">5Q")
_UNIT = 1 << 64
_BELOW_ONE = math.nextafter(1.0, 0.0)
_LONGEST_MS = 86_400_000.0
"""A day: a distribution's far end must not be longer than a thread can wait."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to wait: `fixed` (a ms), `uniform` (a to b ms) or `lognormal` (median a ms, sigma b)."""

    kind: str
    a: float
    b: float = 0.0

    def milliseconds(self, draw: float) -> float:
        """Map a draw in (0, 1) to a wait in ms (inverse of the distribution function)."""
        if self.kind == "fixed":
            return self.a
        if self.kind == "uniform":
            return self.a + (self.b - self.a) * draw
        return min(self.a * math.exp(self.b * _NORMAL.inv_cdf(draw)), _LONGEST_MS)


class Plan(NamedTuple):
    """What will happen to one request.

    Attributes:
        wait_ms: how long a waiter thread holds the request, in ms.
        replies: how many replies are sent: 0 (dropped), 1, or 2 (duplicated).
        late_s: how long after the wait a timer delays the replies, in seconds; 0 for no delay.
        error: whether the replies carry an `error` header.
    """

    wait_ms: float
    replies: int
    late_s: float
    error: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The waiter's settings that decide about replies; shares are probabilities from 0 to 1."""

    wait: Wait
    drop: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    error: float = 0.0
    seed: int = 0

    def plan(self, identity: bytes) -> Plan:
        """Decide about one request.

        Args:
            identity: the trace id as 32 lower-case hex digits; for a request without one, its key.
        """
        # Independent uniform draws in (0, 1), the same on every machine and in every run.
        digest = blake2b(identity, key=self.seed.to_bytes(8, "big", signed=True), digest_size=40).digest()
        dropped, duplicated, late, error, wait = _FIVE_WORDS.unpack(digest)
        return Plan(
            self.wait.milliseconds(min((wait + 0.5) / _UNIT, _BELOW_ONE)),
            0 if (dropped + 0.5) / _UNIT < self.drop else 2 if (duplicated + 0.5) / _UNIT < self.duplicate else 1,
            self.late_s if (late + 0.5) / _UNIT < self.late else 0.0,
            (error + 0.5) / _UNIT < self.error,
        )
