"""When arrivals are due in the open model: a fixed plan, never re-based, so that a stall cannot hide.

The plan says how many arrivals are to have come by any instant (the integral of the rate); the n-th is due when that
number is n.  For a Poisson process n grows by exponentially distributed steps of mean 1, for a constant one by 1.
Constant arrivals get a dither of up to 1 ms: append times are floors to whole milliseconds, and arrivals in step with
them would bias every leg.
"""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

DITHER_NS = 1_000_000
RECOMPUTE_EVERY = 1000
"""Arrivals after which a sum of intervals gives way to the plan itself, before its rounding could add up."""
MAX_RATE = MAX_SECONDS = 1e7
CONSTANT, POISSON = "constant", "poisson"
# One way to read each digit: two would take the square of their number to refuse them.
_STAGE = re.compile(r"(\d+(?:\.\d*)?)(?::(\d+(?:\.\d*)?))?(?:/(\d+(?:\.\d*)?)([smh]?))?", re.ASCII)


class Stage(NamedTuple):
    """The rate (per second) goes evenly from `low` to `high` within `seconds`; the last one of a plan is for ever."""

    low: float
    high: float
    seconds: float


def parse_rate(text: str) -> tuple[Stage, ...]:
    """Read `200`, `100:2000/60s`, or several stages, `100/30s,100:2000/60s`; the last rate stays.

    A rate may be 0: nothing arrives until another one is set.

    Raises:
        ValueError: says in a sentence what is wrong.
    """
    parts = [part.strip() for part in text.split(",")]
    stages = [_stage(part, final=at == len(parts) - 1) for at, part in enumerate(parts)]
    return tuple(stages)


def _stage(part: str, *, final: bool) -> Stage:
    match = _STAGE.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is no rate: write 200, 200/30s, or 100:2000/60s for a ramp")
    low = float(match[1])
    high = float(match[2] or low)
    if not max(low, high) <= MAX_RATE:
        raise ValueError(f"{part!r}: give a rate from 0 to {MAX_RATE:g} a second")
    seconds = float(match[3] or 0) * {"m": 60, "h": 3600}.get(match[4], 1)
    if not seconds and (match[2] or not final):
        raise ValueError(f"{part!r} needs a duration, as in {part}/60s")
    if not seconds <= MAX_SECONDS:
        raise ValueError(f"{part!r}: give a duration of at most {MAX_SECONDS:.0f} s")
    return Stage(low, high, seconds)


class _Piece(NamedTuple):
    """From `start_ns` on, when `began` arrivals are to have come: the total rate per ns, its change, our share."""

    start_ns: float
    began: float
    rate: float
    slope: float
    share: float

    def rate_at(self, now_ns: float) -> float:
        return self.rate + self.slope * (now_ns - self.start_ns)

    def count_at(self, now_ns: float) -> float:
        return self.began + self.share * (self.rate + self.rate_at(now_ns)) / 2 * (now_ns - self.start_ns)

    def instant_of(self, count: float) -> float:
        if not self.share:
            return math.inf
        missing = (count - self.began) / self.share
        discriminant = self.rate * self.rate + 2 * self.slope * missing
        if discriminant < 0:
            return math.inf  # a falling rate ends before that many have come
        # The form of the quadratic's root that stays exact for small slopes, and for none.
        speed = self.rate + math.sqrt(discriminant)
        if not speed:
            return self.start_ns if missing <= 0 else math.inf
        return self.start_ns + 2 * missing / speed


class Plan:
    """How many arrivals are to have come by an instant.

    Args:
        stages: the total rate.
        start_ns: of the first stage.
        share: which part of the total is this process's.
    """

    def __init__(self, stages: Sequence[Stage], start_ns: int, share: float) -> None:
        self._share = share
        self._pieces = self._lay(stages, start_ns, 0.0)
        self._at = 0

    def instant_of(self, count: float) -> float:
        """When so many are to have come (ns); infinite when they never are.  For counts that do not fall."""
        pieces = self._pieces
        while self._at + 1 < len(pieces) and pieces[self._at + 1].began <= count:
            self._at += 1
        instant_ns = pieces[self._at].instant_of(count)
        # A piece never outlasts the start of the next, whatever the rounding of a rate that falls to nothing.
        return min(instant_ns, pieces[self._at + 1].start_ns) if self._at + 1 < len(pieces) else instant_ns

    def flat_from(self, count: float) -> tuple[float, float]:
        """From the `count`-th arrival on: how many keep the same interval, and the interval in ns.

        A short cut for the constant rates of which there are so many: (0, 0) where the rate changes.
        """
        self.instant_of(count)
        piece = self._pieces[self._at]
        if piece.slope or not piece.rate * piece.share:
            return 0.0, 0.0
        after = self._pieces[self._at + 1].began if self._at + 1 < len(self._pieces) else math.inf
        return after - count, 1 / (piece.rate * piece.share)

    def remaining(self, now_ns: int) -> tuple[tuple[Stage, ...], int]:
        """The stages from now on, and when they begin: now, or at the plan's start if that is still to come."""
        start_ns = self._begun(now_ns)
        current = self._current(start_ns)
        pieces = [current._replace(start_ns=start_ns, rate=current.rate_at(start_ns))]
        pieces += [piece for piece in self._pieces if piece.start_ns > start_ns]
        stages = []
        for at, piece in enumerate(pieces):
            end_ns = pieces[at + 1].start_ns if at + 1 < len(pieces) else None
            low = piece.rate * 1e9
            high = low if end_ns is None else piece.rate_at(end_ns) * 1e9
            stages.append(Stage(low, high, 0.0 if end_ns is None else (end_ns - piece.start_ns) / 1e9))
        return tuple(stages), start_ns

    def set_rate(self, now_ns: int, rate: float) -> None:
        """From now on, this total rate; what was due before stays due.

        The rate that is in force already changes nothing: a shape may ask for it at every tick.
        """
        now_ns = self._begun(now_ns)
        current = self._current(now_ns)
        if current is self._pieces[-1] and not current.slope and current.rate == rate / 1e9:
            return
        count = self._cut(now_ns)
        self._pieces += self._lay([Stage(rate, rate, 0)], now_ns, count)

    def set_share(self, now_ns: int, share: float) -> None:
        """From now on, this part of the total."""
        now_ns = self._begun(now_ns)
        self._share = share
        current, after = self._current(now_ns), [piece for piece in self._pieces if piece.start_ns > now_ns]
        pieces = [_Piece(now_ns, self._cut(now_ns), current.rate_at(now_ns), current.slope, share)]
        for piece in after:
            pieces.append(piece._replace(began=pieces[-1].count_at(piece.start_ns), share=share))
        self._pieces += pieces

    def _lay(self, stages: Sequence[Stage], start_ns: float, count: float) -> list[_Piece]:
        pieces = []
        for stage in stages:
            length_ns = stage.seconds * 1e9
            slope = (stage.high - stage.low) / 1e9 / length_ns if length_ns else 0.0
            pieces.append(_Piece(start_ns, count, stage.low / 1e9, slope, self._share))
            start_ns, count = start_ns + length_ns, pieces[-1].count_at(start_ns + length_ns)
        if stages[-1].seconds:
            pieces.append(_Piece(start_ns, count, stages[-1].high / 1e9, 0.0, self._share))
        return pieces

    def _begun(self, now_ns: int) -> int:
        return max(now_ns, math.ceil(self._pieces[0].start_ns))  # a plan that has not begun begins as planned

    def _current(self, now_ns: int) -> _Piece:
        return next((piece for piece in reversed(self._pieces) if piece.start_ns <= now_ns), self._pieces[0])

    def _cut(self, now_ns: int) -> float:
        """Forget what comes after now, and what lies before the last arrival; how many are to have come."""
        count = max(self._current(now_ns).count_at(now_ns), 0.0)
        self._pieces = [piece for piece in self._pieces[self._at :] if piece.start_ns < now_ns]
        self._at = 0
        return count


class Counts(NamedTuple):
    """What became of the arrivals: `due = started + dropped + given_back` at the end of a run.

    Attributes:
        due: how many the plan wanted by the end.
        started: how many began.
        dropped: how many nobody took within the patience, or by the end.
        given_back: how many a user took and did not begin, because it was stopped, and nobody took after it.
    """

    due: int = 0
    started: int = 0
    dropped: int = 0
    given_back: int = 0


class Schedule:
    """Arrivals, handed out one by one.

    Args:
        plan: how many there are to be.
        process: CONSTANT or POISSON.
        patience_ns: an arrival that nobody took this long after it was due is dropped, and counted.
        uniform: returns a random number from 0 to 1.
        phase: which part of an interval (0 to 1) passes before the first one: workers take turns by it.
    """

    def __init__(
        self, plan: Plan, process: str, patience_ns: int, uniform: Callable[[], float], phase: float = 0.0
    ) -> None:
        self._due = self._taken = self._dropped = self._given_back_at_end = 0
        self._plan = plan
        self._poisson = process == POISSON
        self._patience_ns = patience_ns
        self._uniform = uniform
        self._count = 0.0 if self._poisson else phase - 1.0
        self._next_ns = self._due_ns = self._interval_ns = self._flat = 0.0
        self._given_back: list[int] = []
        self._advance()

    @property
    def counts(self) -> Counts:
        """What became of the arrivals so far; those that are due and not yet taken count at `close` only."""
        return Counts(self._due, self._taken, self._dropped, self._given_back_at_end + len(self._given_back))

    def next_ns(self) -> float:
        """The intended start of the next arrival: past when it is overdue, infinite when there is none."""
        return self._given_back[0] if self._given_back else self._next_ns

    def set_rate(self, now_ns: int, rate: float) -> None:
        """From now on, this total rate; what was due before stays due."""
        self._plan.set_rate(now_ns, rate)
        self._replan(now_ns)

    def set_share(self, now_ns: int, share: float) -> None:
        """From now on, this part of the total rate."""
        self._plan.set_share(now_ns, share)
        self._replan(now_ns)

    def take(self, now_ns: int) -> int | None:
        """The intended start of the next arrival if it is due; else None, and nothing is taken."""
        while True:
            intended_ns = self.next_ns()
            if intended_ns > now_ns:
                return None
            if self._given_back:
                heapq.heappop(self._given_back)
            else:
                self._due += 1
                self._advance()
            if intended_ns >= now_ns - self._patience_ns:
                self._taken += 1
                return int(intended_ns)
            self._dropped += 1

    def give_back(self, intended_ns: int) -> None:
        """Whoever took this arrival will not start it: the next taker does."""
        self._taken -= 1
        heapq.heappush(self._given_back, intended_ns)

    def close(self, now_ns: int) -> Counts:
        """Hand out no more: what was due by now and never started is dropped, or was given back."""
        while self._given_back:
            heapq.heappop(self._given_back)
            self._given_back_at_end += 1
        while self.take(now_ns) is not None:
            self._taken -= 1
            self._dropped += 1
        return self.counts

    def _advance(self) -> None:
        if self._poisson:
            self._count += -math.log(1.0 - self._uniform())
            self._next_ns = self._plan.instant_of(self._count)
            return
        self._count += 1.0
        self._flat -= 1.0
        if self._flat > 0:
            self._due_ns += self._interval_ns
        else:
            self._due_ns = self._plan.instant_of(self._count)
            flat, self._interval_ns = self._plan.flat_from(self._count)
            self._flat = min(flat, RECOMPUTE_EVERY)
        half_interval_ns = self._interval_ns / 2 or self._half_interval_ns()
        self._next_ns = self._due_ns + self._uniform() * min(DITHER_NS, half_interval_ns)

    def _half_interval_ns(self) -> float:
        return self._plan.instant_of(self._count + 0.5) - self._due_ns if self._due_ns < math.inf else 0.0

    def _replan(self, now_ns: int) -> None:
        self._flat = 0.0
        if self._next_ns > now_ns:  # what is overdue keeps its time
            self._next_ns = self._plan.instant_of(self._count)
