"""One run in one process: made ready before the first user, drained and settled after the last.

STARTING → OPEN → DRAINING → CLOSED, or STARTING → FAILED → CLOSED.  Each step runs in a greenlet of the run's own:
Locust kills the greenlets that fire its events.
"""

from __future__ import annotations

import contextlib
import enum
import logging
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event

from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Stage
from locust_kafka.core.traceparent import TraceIds
from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.matching import rule
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.kafka.pool import WARM_NS, ProducerPool
from locust_kafka.plugin.rows import FLUSH_S, LocustRows
from locust_kafka.run.arrivals import Arrivals
from locust_kafka.run.readiness import connected, prepare_process
from locust_kafka.run.selfcheck import SelfCheck
from locust_kafka.settings import Settings

if TYPE_CHECKING:
    from locust_kafka.plugin.user import KafkaUser

logger = logging.getLogger("locust_kafka")

STARTUP_NS = 1_000_000_000
"""The self-check leaves out the beginning: users are made, producers connect."""


class State(enum.Enum):
    """Where a run stands."""

    STARTING = "starting"
    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


class Run:
    """One run.

    Args:
        settings: validated.
        statistics: Locust's rows of this run.
        user_classes: the KafkaUser classes that take part.
        share: which part of the total rate is this process's (0 to 1).
        phase: its place among the processes (0 to 1), so that they take turns.
        log_path: of the exchange log; "" for none.
        on_failure: is called when the run cannot begin or go on.
        after: the run before in this process; it is waited for.
        problem: why it cannot begin, when that is known already.
    """

    def __init__(
        self,
        settings: Settings,
        statistics: LocustRows,
        user_classes: Iterable[type[KafkaUser]],
        share: float,
        phase: float,
        log_path: str,
        on_failure: Callable[[KafkaPluginError], None],
        after: Run | None,
        problem: KafkaPluginError | None = None,
    ) -> None:
        self.settings = settings
        self.state = State.STARTING
        self.ids = TraceIds()
        self.rule = rule(settings.match)
        self.arrivals: Arrivals | None = None
        """Those of the open model; None in the closed one."""
        self.is_open = False
        """Whether users may send."""
        self.users = 0
        """How many there are now."""
        self.failure: KafkaPluginError | None = None
        """Why it could not begin or go on."""
        self.name = ""
        """Given by the master, so that no report is taken for another run's."""
        self.ending = False
        """Locust has begun to stop it: the next `test_start` is another run's."""
        self.recorder = Recorder(statistics, settings.match)
        self.exchanges = ExchangeEngine(self.rule, self.ids.generation, self.recorder, self._fail)
        self.producers = ProducerPool(settings, self.exchanges.delivery_reports, self._fail)
        self.recorder.ledger.total = self.exchanges.correlator.books
        self._classes = list(user_classes)
        self._share, self._phase = share, phase
        self._log_path = log_path
        self._problem = problem
        self._on_failure = on_failure
        self._after = after
        self._opened_ns = 0
        self._asked: tuple[Stage, ...] | None = None
        self._stopping_ns = 0
        self._started = Event()
        self._open = Event()
        self._cut = Event()
        self._finisher: gevent.Greenlet | None = None
        self._starter = gevent.spawn(self._start)
        self._flusher: gevent.Greenlet | None = None
        self.check: SelfCheck | None = None
        """Watches this process while the run is open."""

    @property
    def ledger(self) -> RunResults:
        """Counts and latencies up to now."""
        self.recorder.aggregate()
        ledger = self.recorder.ledger
        if self._opened_ns and self.state is not State.CLOSED:
            ledger.duration_s = (perf_counter_ns() - self._opened_ns) / 1e9
        return ledger

    def wire(self) -> dict[str, Any]:
        """Its ledger for the master, with its name."""
        return {"run": self.name, **self.ledger.to_wire()}

    @property
    def began(self) -> bool:
        """Whether users could ever send."""
        return self._opened_ns > 0

    def await_started(self) -> None:
        """Wait until it is open or has failed."""
        self._started.wait()

    def await_open(self) -> None:
        """For users: at once while the run is open; else wait, for it is over and its users are about to be stopped."""
        if self.state is not State.OPEN:
            self._open.wait()

    def cut(self) -> None:
        """Second Ctrl-C: end now; what is pending is UNFINISHED."""
        self._cut.set()

    def note_stopping(self) -> None:
        """Locust begins to stop it: no arrival is missed from here on, and the next `test_start` is another run's."""
        self.ending = True
        self._stopping_ns = self._stopping_ns or perf_counter_ns()

    def set_rate(self, rate: float) -> None:
        """From now on, so many arrivals a second in total; a closed model becomes an open one."""
        if self.arrivals is not None:
            self.arrivals.set_rate(rate)
        elif self.is_open:
            self._plan((Stage(rate, rate, 0.0),), perf_counter_ns())
        else:
            self._asked = (Stage(rate, rate, 0.0),)

    def set_share(self, share: float) -> None:
        """From now on, this part of the total rate is this process's."""
        self._share = share
        if self.arrivals is not None:
            self.arrivals.set_share(share)

    def _plan(self, stages: tuple[Stage, ...], start_ns: int) -> None:
        self.recorder.ledger.open_model = True
        self.arrivals = Arrivals.planned(self.settings, stages, start_ns, self._share, self._phase)

    def finish(self) -> None:
        """Drain, settle, close; waits for the end.  Any number of callers, any number of times."""
        if self._finisher is None:
            self.note_stopping()
            self._finisher = gevent.spawn(self._finish)
        while not self._finisher.ready():
            # A task may call runner.quit(): Locust then marks that user's greenlet to be killed and goes on stopping
            # in it.  Were the kill let through here, the quit would end half done.
            with contextlib.suppress(gevent.GreenletExit):
                self._finisher.join()

    def abandon(self) -> None:
        """The process is about to end without a stop (run_single_user): end now, pending requests UNFINISHED."""
        if self.state is State.OPEN:
            self.recorder.ledger.duration_s = self.ledger.duration_s
            self.state, self.is_open = State.CLOSED, False
            self.exchanges.close(self.producers.stop)
            self._conclude(consumer_disconnected=False)

    def _start(self) -> None:
        if self._after is not None:
            self._after.finish()
            self._after = None
        try:
            self._connect()
        except KafkaPluginError as error:
            self.failure = error
            self._started.set()
            self._on_failure(error)
            return
        except Exception as error:
            self.failure = NotReady(f"unexpected: {error!r}")
            self._started.set()
            self._on_failure(self.failure)
            return
        self._opened_ns = perf_counter_ns()
        stages = self._asked or self.settings.rate
        if stages is not None:
            # Arrivals before its users' producers can be used (see WARM_NS) would all start together after it.
            self._plan(stages, self._opened_ns + WARM_NS)
        if self.settings.warmup_s:
            self.recorder.measure.measure_from_ns = self._opened_ns + int(self.settings.warmup_s * 1e9)
            self.recorder.ledger.since = f"without the first {self.settings.warmup_s:g} s"
        from_ns = max(self._opened_ns + STARTUP_NS, self.recorder.measure.measure_from_ns)
        self.check = SelfCheck(self.recorder.ledger.health, from_ns)
        self.state, self.is_open = State.OPEN, True
        self._flusher = gevent.spawn(self._flush)
        self._started.set()
        self._open.set()

    def _connect(self) -> None:
        if self._problem is not None:
            raise self._problem
        if self._log_path:
            self.recorder.open_log(self._log_path)
        consumer = connected(self.settings, self._classes, self.exchanges.reply_batches)
        prepare_process()
        self.recorder.open_telemetry(self.settings, self._share, ours=self.rule.ours)
        self.exchanges.start(consumer)

    def _flush(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            if self.arrivals is None and self.is_open:
                self.recorder.ledger.user_s += self.users * FLUSH_S
            try:
                self.recorder.flush()
            except OSError as error:
                self._fail(RunInvalid(f"the exchange log could not be written: {error}"))
                return

    def _finish(self) -> None:
        self.await_started()
        was_open = self.state is State.OPEN
        self.state, self.is_open = State.DRAINING, False
        self._open.clear()
        if self.check is not None:
            self.check.stop()
        if was_open:
            if self.arrivals is not None and (missed := self.arrivals.close(self._stopping_ns)):
                self.recorder.ledger.note("arrivals dropped: nobody was free in time, or by the end", missed)
            self._drain()
            self.recorder.ledger.duration_s = (perf_counter_ns() - self._opened_ns) / 1e9
        if self._flusher is not None:
            self._flusher.kill()
        consumer_disconnected = self.exchanges.disconnected_since_ns
        self.exchanges.close(self.producers.stop)
        self._conclude(consumer_disconnected=bool(consumer_disconnected))
        self.state = State.CLOSED

    def _drain(self) -> None:
        pending = self.exchanges.correlator.books.pending
        if pending:
            logger.info("draining: %d requests are pending; each ends by its deadline (Ctrl-C: end now)", pending)
        waiting = gevent.spawn(self.exchanges.await_nothing_pending)
        gevent.wait([waiting, self._cut], count=1)
        waiting.kill()
        if not self._cut.is_set() and self.settings.settle_s:
            logger.info("settling: listening %g s for late and duplicate replies", self.settings.settle_s)
            self._cut.wait(self.settings.settle_s)

    def _conclude(self, *, consumer_disconnected: bool) -> None:
        self.recorder.aggregate()
        ledger, correlator = self.recorder.ledger, self.exchanges.correlator
        if correlator.evicted:
            ledger.note("ended requests forgotten early, for want of room", correlator.evicted)
        if correlator.failed_after_end:
            ledger.note("delivery failures of requests that had ended", correlator.failed_after_end)
        if consumer_disconnected:
            ledger.invalid.append("the reply consumer had lost every broker at the end: replies may have gone unheard")
        if isinstance(self.failure, RunInvalid):
            ledger.invalid.append(str(self.failure))
        if not ledger.balanced(closed=True):
            ledger.invalid.append("the books do not balance")
        try:
            self.recorder.close()
        except OSError as error:
            ledger.invalid.append(f"the exchange log could not be written: {error}")

    def _fail(self, error: KafkaPluginError) -> None:
        if self.failure is None:
            self.failure = error
            self._cut.set()
            self._on_failure(error)
