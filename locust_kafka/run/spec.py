"""What a run is to be, where it stands, and how long it lasted."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter_ns

from locust_kafka.core.results import RunResults
from locust_kafka.core.routing import Share
from locust_kafka.core.traceparent import TraceIds
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.matching import Match
from locust_kafka.exchange.routing import ALONE, ReplyRouting
from locust_kafka.run.arrivals import Arrivals
from locust_kafka.settings import Settings


class State(enum.Enum):
    """Where a run stands."""

    STARTING = "starting"
    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


@dataclass(frozen=True)
class RunSpec:
    """What a run is to be.

    Attributes:
        settings: validated.
        match: a locustfile's own extractors; None for the rule of the settings.
        run_id: the same in all processes of a distributed run; "" for a local one.
        share: which of the workers this process is.
        log_path: of the exchange log; "" for none.
        plans_itself: whether the open model's plan begins with the run; else the master says when.
    """

    settings: Settings
    match: Match | None = None
    run_id: str = ""
    share: Share = ALONE
    log_path: str = ""
    plans_itself: bool = True

    def routing(self, ids: TraceIds, *, ours: bool) -> ReplyRouting:
        """Its reply routing.

        Args:
            ids: the trace ids of this process and run.
            ours: whether replies are known by them.
        """
        wanted, reply_to = self.settings.reply_routing, self.settings.reply_to_header
        return ReplyRouting(ids.generation, ids.run_prefix, wanted, self.share, ours=ours, reply_to=reply_to)


def measure_time(results: RunResults, arrivals: Arrivals | None, first_ns: int, stopping_ns: int) -> None:
    """Note how long the load and the whole run have lasted, and what rate was offered.

    Args:
        results: where it is noted.
        arrivals: of the open model, which begins with its plan; None for the closed one, with its first request.
        first_ns: when the first request was sent.
        stopping_ns: when the stop began; 0 when it has not.
    """
    now_ns = perf_counter_ns()
    began_ns = first_ns if arrivals is None else arrivals.start_ns
    results.load_s = max(0, (stopping_ns or now_ns) - began_ns) / 1e9
    results.duration_s = max(0, now_ns - began_ns) / 1e9
    if arrivals is not None:
        results.arrivals = arrivals.counts
        results.offered = results.arrivals.due / results.load_s if results.load_s else 0.0


def note_counts(results: RunResults, engine: ExchangeEngine) -> None:
    """Note at the end of a run what is no outcome and no verdict.

    Args:
        results: where it is noted.
        engine: of the run, closed.
    """
    correlator = engine.correlator
    if correlator.evicted:
        results.note("ended requests evicted early: memory limit of 1,000,000 reached", correlator.evicted)
    if correlator.failed_after_end:
        results.note("delivery failures of requests that had ended", correlator.failed_after_end)
    if engine.disconnected_since_ns:
        results.invalid.append("the reply consumer had no broker at the end: replies may be missing")


def run_all(steps: Iterable[Callable[[], object]]) -> list[str]:
    """Take every step, also after one that failed; what went wrong, in sentences."""
    trouble = []
    for step in steps:
        try:
            step()
        except Exception as error:
            trouble.append(f"the end of the run failed: {error!r}")
    return trouble
