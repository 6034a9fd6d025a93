"""A plain oracle of the correlator: it sees all events at once, in order of time, and owes nothing to the product."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import ModuleType
from typing import Any

GENERATION = b"abcd1234"
REMEMBER_NS = 60


@dataclass(frozen=True)
class Event:
    """`kind` is register, reply, fail or close; `deadline` belongs to register."""

    at: int
    kind: str
    id: bytes = b""
    deadline: int = 0


def random_events(seed: int) -> list[Event]:
    """Requests with replies in time, at the deadline, late, twice, never; failures; strangers; one close."""
    rng = random.Random(seed)
    times = iter(sorted(rng.sample(range(1, 400), 120)))
    events: list[Event] = []
    sent: list[Event] = []
    close_at = rng.randrange(60, 115)
    for index, at in enumerate(times):
        if index == close_at:
            events.append(Event(at, "close"))
            continue
        draw = rng.random()
        deadlines = [event for event in sent if event.deadline == at]
        if deadlines:  # a reply exactly at the deadline is in time
            events.append(Event(at, "reply", deadlines[0].id))
        elif (draw < 0.4 or not sent) and index < close_at:
            request = Event(at, "register", GENERATION + b"%04d" % index, at + rng.choice((5, 30, 30, 30, 90)))
            sent.append(request)
            events.append(request)
        elif draw < 0.85 and sent:
            events.append(Event(at, "reply", rng.choice(sent[-6:]).id))
        elif draw < 0.93 and sent:
            events.append(Event(at, "fail", rng.choice(sent[-4:]).id))
        else:
            events.append(Event(at, "reply", rng.choice((GENERATION + b"none", b"stranger"))))
    return events


def expected(events: list[Event]) -> tuple[dict[bytes, tuple[str, int]], list[str]]:
    """Outcome and end of every request; verdict of every reply, in order."""
    close_at = next(event.at for event in events if event.kind == "close")
    outcomes: dict[bytes, tuple[str, int]] = {}
    for request in (event for event in events if event.kind == "register"):
        end = ("TIMED_OUT", request.deadline) if request.deadline < close_at else ("UNFINISHED", close_at)
        for event in events:
            if event.id == request.id and request.at < event.at <= min(request.deadline, close_at):
                if event.kind == "reply":
                    end = ("MATCHED", event.at)
                    break
                if event.kind == "fail":
                    end = ("UNDELIVERED", event.at)
                    break
        outcomes[request.id] = end
    verdicts: list[str] = []
    answered: set[bytes] = set()
    for event in (event for event in events if event.kind == "reply"):
        outcome, ended = outcomes.get(event.id, ("", 0))
        if not outcome or event.at > ended + REMEMBER_NS:
            verdicts.append("ORPHAN" if event.id.startswith(GENERATION) else "FOREIGN")
        elif event.id in answered:
            verdicts.append("DUPLICATE")
        else:
            answered.add(event.id)
            verdicts.append({"MATCHED": "MATCH", "UNDELIVERED": "UNEXPECTED"}.get(outcome, "LATE"))
    return outcomes, verdicts


def observed(module: ModuleType, events: list[Event], expire_seed: int) -> tuple[Any, list[str], list[Any]]:
    """The same from the correlator in `module`, expiring at random instants."""
    rng = random.Random(expire_seed)
    often = rng.choice((0.0, 0.1, 0.5, 1.0))
    correlator = module.Correlator(GENERATION, remember_ns=REMEMBER_NS)
    if rng.random() < 0.5:
        correlator.accept_other_ids()  # strangers stay strangers
    outcomes: dict[bytes, tuple[str, int]] = {}
    verdicts: list[str] = []
    laws: list[Any] = []
    exchanges: dict[bytes, Any] = {}

    def note(exchange: Any) -> None:
        laws.append(exchange.correlation_id not in outcomes)  # it ends once
        outcomes[exchange.correlation_id] = (exchange.outcome.name, exchange.ended_ns)

    for event in events:
        if rng.random() < often:
            for exchange in correlator.expire(event.at):
                note(exchange)
            # whoever is still pending has time left
            laws.append(all(pending.deadline_ns >= event.at for pending in _pending(correlator)))
        if event.kind == "register":
            exchanges[event.id] = module.Pending(event.id, "name", event.at, event.at, event.deadline)
            correlator.register(exchanges[event.id])
        elif event.kind == "reply":
            verdict, exchange, _past = correlator.reply(event.id, event.at)
            verdicts.append(verdict.name)
            if exchange is not None:
                note(exchange)
        elif event.kind == "fail":
            failed = exchanges[event.id]
            if correlator.undelivered(failed, event.at):
                note(failed)
        else:
            for exchange in correlator.close(event.at):
                note(exchange)
        books = correlator.books
        laws.append(books.registered == books.pending + sum(books.outcomes))
        laws.append(books.pending == len(_pending(correlator)))
        first = min((pending.deadline_ns for pending in _pending(correlator)), default=None)
        laws.append(correlator.next_deadline_ns() == first)
        laws.append(books.verdicts[0] == books.outcomes[0])
        laws.append(sum(books.verdicts) == len(verdicts))
        laws.append(sum(books.outcomes) == len(outcomes))
    return outcomes, verdicts, laws


def _pending(correlator: Any) -> list[Any]:
    return [exchange for exchange in correlator._live.values() if exchange.outcome is None]
