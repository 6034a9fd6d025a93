"""What master and workers say to each other: typed, versioned, with the run's id, and bounded.

A message of another version, of another run, or of another form is not acted on.  Reports go with Locust's own, every
three seconds, without latency series; those follow at the end, or with every report when the master serves metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from locust_kafka.core import wire
from locust_kafka.core.bounds import bounded
from locust_kafka.core.schedule import MAX_RATE, MAX_SECONDS, Stage

VERSION = 1
LOOK_S = 10.0
"""How long a look lasts; whoever looks on looks again."""
MAX_WORDS = 2_000
"""Characters of a sentence that a worker sends."""


class BadMessage(ValueError):
    """It is not of the form that this version knows."""


@dataclass(frozen=True)
class Message:
    """One message; `run` is the id of the run that it is about."""

    run: str

    type: ClassVar[str] = ""

    def to_wire(self) -> dict[str, Any]:
        """Plain values for Locust's transport."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        """The inverse of `to_wire`.

        Raises:
            BadMessage: another version, a value missing or of another type.
        """
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            raise BadMessage(f"{cls.type}: not of version {VERSION}")
        known = {}
        for field in fields(cls):
            try:
                if field.name in data:
                    known[field.name] = bounded(data[field.name])
            except (TypeError, ValueError) as error:
                raise BadMessage(f"{cls.type}: {field.name} is {error}") from None
        try:
            return cls(**known)
        except (TypeError, ValueError) as error:
            raise BadMessage(f"{cls.type}: {error}") from None

    def __post_init__(self) -> None:
        """Check the types that arrive from another process."""
        for field in fields(self):
            wanted = _TYPES[str(field.type)]
            value = getattr(self, field.name)
            if not isinstance(value, wanted):
                raise TypeError(f"{field.name} is a {type(value).__name__}")
            if not _within(field.name, value):
                raise ValueError(f"{field.name} is {value}, beyond 0 to {_HIGHEST[field.name]:g}")


def _within(name: str, value: Any) -> bool:
    # What is not a number lies nowhere; what is nearly 0 would make intervals infinite.
    return name not in _HIGHEST or value == 0 or wire.MIN_MAGNITUDE <= value <= _HIGHEST[name]


_HIGHEST: dict[str, float] = {"rate": MAX_RATE, "share": 1.0, "phase": 1.0, "delay_s": MAX_SECONDS}
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "float": (int, float),
    "dict[str, Any] | None": (dict, type(None)),
    "list[list[float]]": (list, tuple),
    "list[dict[str, Any]]": (list, tuple),
}


@dataclass(frozen=True)
class Opened(Message):
    """Worker → master: users may send here."""

    type: ClassVar[str] = "kafka_opened"


@dataclass(frozen=True)
class BeginPlan(Message):
    """Master → worker: begin the open model's plan.

    Attributes:
        stages: the total rate from `delay_s` after the receipt on, as [low, high, seconds].
        delay_s: until the plan's start, in seconds.
        share: which part of it is this worker's.
        phase: which part of an interval passes before its first arrival.
    """

    stages: list[list[float]]
    delay_s: float
    share: float
    phase: float

    type: ClassVar[str] = "kafka_plan"

    def __post_init__(self) -> None:
        """Check the stages as well."""
        super().__post_init__()
        if not self.plan():
            raise ValueError("there are no stages")

    def plan(self) -> tuple[Stage, ...]:
        """The stages as the plan takes them.

        Raises:
            TypeError, ValueError: one of them is none.
        """
        return tuple(_stage(*stage) for stage in self.stages)


def _stage(low: Any, high: Any, seconds: Any) -> Stage:
    # What is left of a ramp may pass its ends by a rounding error.
    low, high = (min(max(wire.number(end, -1.0, MAX_RATE + 1.0), 0.0), MAX_RATE) for end in (low, high))
    return Stage(low, high, wire.number(seconds, 0.0, MAX_SECONDS))


@dataclass(frozen=True)
class SetRate(Message):
    """Master → worker, and worker → master: so many arrivals a second in total from now on."""

    rate: float

    type: ClassVar[str] = "kafka_rate"


@dataclass(frozen=True)
class SetShare(Message):
    """Master → worker: your part of the total rate from now on."""

    share: float

    type: ClassVar[str] = "kafka_share"


@dataclass(frozen=True)
class Reset(Message):
    """Master → worker: reset the latency series."""

    since: str

    type: ClassVar[str] = "kafka_reset"


@dataclass(frozen=True)
class Finish(Message):
    """Master → worker: stop your users, drain, report, and answer; with `cut`, at once."""

    cut: bool

    type: ClassVar[str] = "kafka_finish"


@dataclass(frozen=True)
class Finishing(Message):
    """Worker → master: still draining."""

    type: ClassVar[str] = "kafka_finishing"


@dataclass(frozen=True)
class Finished(Message):
    """Worker → master: the run is closed here.

    Attributes:
        results: everything; None from a worker that never had this run.
    """

    results: dict[str, Any] | None

    type: ClassVar[str] = "kafka_finished"


@dataclass(frozen=True)
class Failed(Message):
    """Worker → master: the run cannot begin or go on here.

    Attributes:
        reason: a sentence.
        invalid: whether it had begun.
    """

    reason: str
    invalid: bool

    type: ClassVar[str] = "kafka_failed"


@dataclass(frozen=True)
class Look(Message):
    """Master → worker: somebody looks, so reports have the latency series for the next LOOK_S."""

    type: ClassVar[str] = "kafka_look"


@dataclass(frozen=True)
class Seconds(Message):
    """Worker → master, with each of Locust's reports: the seconds of its history since the last one.

    Attributes:
        seconds: `core.history.Second`, as plain values.
    """

    seconds: list[dict[str, Any]]

    type: ClassVar[str] = "locust_kafka_seconds"


@dataclass(frozen=True)
class Report(Message):
    """Worker → master, with each of Locust's reports: the counts so far."""

    results: dict[str, Any] | None

    type: ClassVar[str] = "locust_kafka"
