"""One run in one process: made ready before the first user, drained and settled after the last.

STARTING → OPEN → DRAINING → CLOSED, or STARTING → FAILED → CLOSED.  Each step runs in a greenlet of the run's own:
Locust kills the greenlets that fire its events.  This is the one place that puts the parts together.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from time import perf_counter_ns

import gevent
from gevent.event import Event

from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Stage
from locust_kafka.core.traceparent import TraceIds
from locust_kafka.errors import KafkaPluginError, NotReady, RunInvalid, RunOver
from locust_kafka.exchange.engine import ExchangeEngine
from locust_kafka.exchange.exchange import Exchange
from locust_kafka.exchange.matching import rule, rule_of
from locust_kafka.exchange.observer import Rows
from locust_kafka.exchange.recorder import Recorder
from locust_kafka.kafka.pool import ProducerPool, warm_ns
from locust_kafka.run.arrivals import Arrivals
from locust_kafka.run.drain import Drain
from locust_kafka.run.flusher import Flusher
from locust_kafka.run.observers import open_log, open_telemetry
from locust_kafka.run.own_topics import OwnTopics
from locust_kafka.run.process import ProcessTuning, warm_inspect
from locust_kafka.run.readiness import Connection, connect
from locust_kafka.run.sampler import Sampler
from locust_kafka.run.selfcheck import SelfCheck
from locust_kafka.run.spec import RunSpec, State, measure_time, note_counts, run_all
from locust_kafka.run.watch import ClusterWatch
from locust_kafka.telemetry.tracer import Tracer

logger = logging.getLogger("locust_kafka")

STARTUP_NS = 1_000_000_000
"""The self-check leaves out the beginning: users are made, producers connect."""
LISTENER_PATIENCE_S = 5.0
"""How long a listener of Locust's request event may keep the end of a run waiting."""


class Run:
    """One run.

    Args:
        spec: what it is to be.
        rows: Locust's rows of this run.
        on_open: is called when users may send.
        on_failure: is called when the run cannot begin or go on.
        previous: the run before in this process; it is waited for.
        refusal: why this one cannot begin, when that is known already.
    """

    def __init__(
        self,
        spec: RunSpec,
        rows: Rows,
        on_open: Callable[[], None],
        on_failure: Callable[[KafkaPluginError], None],
        previous: Run | None = None,
        refusal: KafkaPluginError | None = None,
    ) -> None:
        settings = self.settings = spec.settings
        self.spec = spec
        self.state = State.STARTING
        self.ids = TraceIds(spec.run_id)
        self.rule = rule(settings.match) if spec.match is None else rule_of(spec.match)
        self.arrivals: Arrivals | None = None
        """Those of the open model; None in the closed one, and until its plan has begun."""
        self.has_plan = settings.rate is not None
        """Whether arrivals are planned: users then wait for the plan to begin."""
        self.is_open = False
        """Whether users may send without further questions."""
        self.users = 0
        """How many there are now."""
        self.failure: KafkaPluginError | None = None
        """Why it could not begin or go on."""
        self.ending = False
        """Locust has begun to stop it: the next `test_start` is another run's."""
        self.tracer: Tracer | None = None
        self.self_check: SelfCheck | None = None
        """Watches this process while the run is open."""
        self.topics = set(settings.request_topics)
        """Request topics that are known to exist."""
        self.connection: Connection | None = None
        self.recorder = Recorder(rows, self.rule.text, settings.error_header)
        self.routing = spec.routing(self.ids, ours=self.rule.ours)
        self.own_topics = OwnTopics(settings, self.ids.generation.decode())
        self.recorder.results.routing = self.routing.results
        self.engine = ExchangeEngine(self.rule, self.routing, self.recorder, self._fail)
        self.pool: ProducerPool[Exchange] = ProducerPool(settings, self.engine.delivery_reports, self._fail)
        self.recorder.results.total = self.engine.correlator.books
        self.sampler = Sampler(lambda: self.results, lambda: self.users, self._longest_hub_lag)
        self._on_open, self._on_failure = on_open, on_failure
        self._previous, self._refusal = previous, refusal
        self._tuning = ProcessTuning()
        self._watch: ClusterWatch | None = None
        self._opened_ns = self._stopping_ns = 0
        self._requested_rate: float | None = None
        self._started, self._plan_begun = Event(), Event()
        self._drain = Drain(self.engine, self.recorder)
        self._finisher: gevent.Greenlet | None = None
        self._flusher: Flusher | None = None
        self._starter = gevent.spawn(self._start)

    @property
    def results(self) -> RunResults:
        """Counts and latencies up to now."""
        self.recorder.aggregate()
        results, from_ns = self.recorder.results, self.recorder.measure.measure_from_ns
        self.pool.note_waits(results.before_wire, from_ns)
        if self._opened_ns and self.state is not State.CLOSED:
            self._measure_time(results)
        return results

    def await_started(self) -> None:
        """Wait until it is open or has failed."""
        self._started.wait()

    def await_may_send(self) -> None:
        """For whoever wants to send while the run is not plainly open: wait for its start, or learn that it is over.

        Raises:
            RunOver: it has ended, or could not begin.  While it drains, sending goes on for a while: `on_stop` and
                `on_reply` may send.
        """
        self._started.wait()
        if self.state is State.OPEN or (self.state is State.DRAINING and self._drain.accepts(perf_counter_ns())):
            return
        logger.info("a request came after the end of its run: it is not sent, and its greenlet ends")
        raise RunOver

    def cut(self) -> None:
        """Second Ctrl-C: end now; what is pending is UNFINISHED.  So does the run before, if this one waits for it."""
        if self._previous is not None:
            self._previous.cut()
        self._drain.cut()

    def note_stopping(self) -> None:
        """Locust begins to stop it: no arrival is missed from here on, and the next `test_start` is another run's."""
        self.ending = True
        self._stopping_ns = self._stopping_ns or perf_counter_ns()

    def set_rate(self, rate: float) -> None:
        """From now on, so many arrivals a second in total; a closed model becomes an open one."""
        if self.arrivals is not None:
            self.arrivals.set_rate(rate)
        elif self.is_open and self.spec.plans_itself:
            self.begin_plan((Stage(rate, rate, 0.0),), perf_counter_ns())
        else:
            self._requested_rate = rate

    def begin_plan(self, stages: tuple[Stage, ...], start_ns: int, share: float = 1.0, phase: float = 0.0) -> None:
        """Begin the open model: arrivals by this plan, unless there is one already.

        Args:
            stages: the total rate.
            start_ns: of the first stage.
            share: which part of it is this process's.
            phase: which part of an interval passes before this process's first arrival.
        """
        if self.arrivals is None and self.state is State.OPEN and not self.ending:
            self.recorder.results.open_model = self.has_plan = True
            self.arrivals = Arrivals.planned(self.settings, stages, start_ns, share, phase)
            self._plan_begun.set()

    def await_plan(self) -> Arrivals:
        """Wait for the plan to begin: on a worker the master says when."""
        self._plan_begun.wait()
        assert self.arrivals is not None
        return self.arrivals

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
            self.note_stopping()
            self._drain.cut()
            self._conclude(was_open=True)

    def _start(self) -> None:
        if self._previous is not None:
            self._previous.finish()
            self._previous = None
        try:
            self._connect()
        except KafkaPluginError as error:
            self._refuse(error)
        except Exception as error:
            self._refuse(NotReady(f"unexpected: {error!r}"))
        else:
            self._open()

    def _refuse(self, error: KafkaPluginError) -> None:
        self.failure, self.ending = error, True
        run_all([self._tuning.restore, self.own_topics.delete])
        self._started.set()
        self._on_failure(error)

    def _open(self) -> None:
        self._opened_ns = perf_counter_ns()
        measure, results, settings = self.recorder.measure, self.recorder.results, self.settings
        if settings.warmup_s:
            measure.measure_from_ns = self._opened_ns + int(settings.warmup_s * 1e9)
            results.since = f"without the first {settings.warmup_s:g} s"
        from_ns = max(self._opened_ns + STARTUP_NS, measure.measure_from_ns)
        self.self_check = SelfCheck(results.health, from_ns)
        self.recorder.observe(self.sampler)
        self.sampler.start()
        self.state, self.is_open = State.OPEN, True
        requested = self._requested_rate
        stages = settings.rate if requested is None else (Stage(requested, requested, 0.0),)
        if stages is not None and self.spec.plans_itself:
            # Arrivals before its users' producers can be used (see warm_ns) would all start together after it.
            self.begin_plan(stages, self._opened_ns + warm_ns(settings))
        self._flusher = Flusher(self.recorder, self._closed_users, self._fail)
        self._started.set()
        self._on_open()

    def _connect(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        recorder = self.recorder
        open_log(self.spec.log_path, recorder)
        if self.routing.own_topics:
            self.settings = self.own_topics.make()
        settings = self.settings
        self.connection = connect(settings, self.engine.reply_batches, self.routing)
        self.pool.brokers, recorder.results.cluster = self.connection.view.brokers, self.connection.view.words
        warm_inspect()
        if settings.tuning:
            self._tuning.apply()
        share, ours = 1 / self.spec.share.workers, self.rule.ours
        self.tracer = open_telemetry(settings, share, recorder, lambda: self.results, ours=ours)
        self.engine.start(self.connection.consumer)
        self._watch = ClusterWatch(settings, self.connection, self.engine, recorder)

    def _finish(self) -> None:
        self.await_started()
        was_open, self.state, self.is_open = self.state is State.OPEN, State.DRAINING, False
        if self.self_check is not None:
            self.self_check.stop()
        try:
            if was_open:
                if self.arrivals is not None:
                    self.arrivals.close(self._stopping_ns)
                self._drain.run(self.settings.longest_timeout_s, self.settings.settle_s)
        except Exception as error:
            self.recorder.results.invalid.append(f"the drain failed: {error!r}")
        finally:
            self._conclude(was_open=was_open)

    def _conclude(self, *, was_open: bool) -> None:
        """Stop everything; whatever fails here makes the run invalid, and never keeps it open."""
        results, invalid = self.recorder.results, self.recorder.results.invalid
        steps: list[Callable[[], object]] = [lambda: self._measure_time(results)] if was_open else []
        steps += [one.stop for one in (self.self_check, self._flusher) if one is not None]
        if (watch := self._watch) is not None:
            steps.append(lambda: invalid.extend(watch.stop()))
        steps += [
            lambda: self.engine.close(self.pool.stop), lambda: note_counts(results, self.engine),
            lambda: invalid.extend(self.recorder.close(LISTENER_PATIENCE_S)), self._tuning.restore,
            self.own_topics.delete,
        ]  # fmt: skip
        invalid.extend(run_all(steps))
        invalid += [str(self.failure)] if isinstance(self.failure, RunInvalid) else []
        if not results.balanced(closed=True):
            invalid.append("the books do not balance")
        self.state, self.is_open = State.CLOSED, False

    def _longest_hub_lag(self) -> int:
        return 0 if self.self_check is None else self.self_check.take_longest_lag()

    def _closed_users(self) -> int:
        return self.users if self.arrivals is None and self.is_open else 0

    def _measure_time(self, results: RunResults) -> None:
        measure_time(results, self.arrivals, self.recorder.first_ns or self._opened_ns, self._stopping_ns)

    def _fail(self, error: KafkaPluginError) -> None:
        if self.failure is None:
            self.failure = error
            self._drain.cut()
            self._on_failure(error)
