"""Checks for CI: `e2e.p99 < 250ms`, `timeout_ratio < 0.1%`, `duplicates == 0`; one name, one operator, one value.

A check is read before the run and judged on its results.  What has no value fails: a run in which every request timed
out has no `e2e_matched.p95`, and that is no success.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn

from locust_kafka.core.books import Books, Outcome, Verdict
from locust_kafka.core.group import GroupResults
from locust_kafka.core.latency import LatencySeries
from locust_kafka.core.name_results import LEGS, PAYLOAD_LEGS, SHOWN, NameResults
from locust_kafka.core.results import RunResults

MS = 1e6
NO_VALUE = "no value"
TASK_ERRORS = "tasks that raised an exception"
"""A note of the results."""
ABORT = "abort"
ABORT_AFTER_S = 10.0
"""A check with `abort` ends the run when it has failed for so long without a break."""

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
LATENCIES = (*SHOWN, *LEGS, "ack", *PAYLOAD_LEGS)
STATISTICS = ("mean", "min", "max")
TIME_UNITS = {"us": 0.001, "µs": 0.001, "ms": 1.0, "s": 1000.0}
"""In ms."""


def _outcome(outcome: Outcome) -> Callable[[Books], int]:
    return lambda books: books.outcomes[outcome]


def _verdict(verdict: Verdict) -> Callable[[Books], int]:
    return lambda books: books.verdicts[verdict]


COUNTS: dict[str, Callable[[Books], int]] = {
    "requests": lambda books: books.registered,
    "matched": _outcome(Outcome.MATCHED),
    "timeouts": _outcome(Outcome.TIMED_OUT),
    "undelivered": _outcome(Outcome.UNDELIVERED),
    "unfinished": _outcome(Outcome.UNFINISHED),
    "lost": _outcome(Outcome.LOST),
    "failures": lambda books: books.registered - books.outcomes[Outcome.MATCHED],
    "late_replies": _verdict(Verdict.LATE),
    "duplicates": _verdict(Verdict.DUPLICATE),
    "unexpected": _verdict(Verdict.UNEXPECTED),
}
"""Of one request name, or of all."""
RUN_COUNTS: dict[str, Callable[[RunResults], int | None]] = {
    "orphans": lambda results: results.total.verdicts[Verdict.ORPHAN],
    "malformed": lambda results: results.total.verdicts[Verdict.MALFORMED],
    "dropped": lambda results: results.arrivals.dropped,
    "rebalances": lambda results: results.group.rebalances if results.group and results.group.exists else None,
    "task_errors": lambda results: results.notes.get(TASK_ERRORS, 0),
}
"""Of the run alone: they belong to no request name."""
LAG = "lag"
LAGS: dict[str, Callable[[GroupResults], int | None]] = {
    "max": lambda group: group.lag_max, "end": lambda group: group.lag_end,
}  # fmt: skip
"""In records."""
RATIOS = {
    "timeout_ratio": "timeouts", "undelivered_ratio": "undelivered", "failure_ratio": "failures",
    "late_ratio": "late_replies", "duplicate_ratio": "duplicates",
}  # fmt: skip
"""Shares of the requests, and the count that each is the share of."""
OTHER_RATIOS = ("rejected_ratio", "dropped_ratio")
RATES = ("rate", "offered_rate")


class Check(NamedTuple):
    """One check.

    Attributes:
        text: as it was written.
        metric: what is measured: a latency, a count, a ratio or a rate.
        name: the request name; None for all.
        statistic: of a latency: mean, min, max, or a percentile such as p99.9; of the lag: max or end; "" for others.
        operator: one of OPERATORS.
        limit: in ms for latencies, 0 to 1 for ratios, per second for rates.
        unit: in which the limit was written.
        abort: whether it ends the run early.
    """

    text: str
    metric: str
    name: str | None
    statistic: str
    operator: str
    limit: float
    unit: str
    abort: bool

    def shown(self, value: float) -> str:
        """A value in the unit of the limit."""
        scale = TIME_UNITS.get(self.unit, 0.01 if self.unit == "%" else 1.0)
        return f"{value / scale:.6g}{self.unit}"


class Judged(NamedTuple):
    """What was asked of a run, and what the run showed.

    Attributes:
        text: what was asked: a check as it was written, or a comparison with an earlier run.
        found: what was measured, with its unit; "no value" when there is nothing to measure.
        passed: whether it holds.
        reason: more words, such as why there is no value; "" for none.
        value: what was measured, in the base unit of a check; None when there is none.
    """

    text: str
    found: str
    passed: bool
    reason: str = ""
    value: float | None = None

    @property
    def words(self) -> str:
        """A sentence: what was expected and what was found."""
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.text}: {self.found}{why}"


def parse_check(text: str) -> Check:
    """Read one check.

    Raises:
        ValueError: names the column, what stands there, and what may.
    """
    return _Reader(text.strip()).check()


def judge(checks: Iterable[Check], results: RunResults) -> list[Judged]:
    """Hold checks against a run's results, as they are now."""
    whole = results.whole()
    checks = list(checks)
    if checks and not results.total.registered:
        return [Judged(check.text, NO_VALUE, passed=False, reason="no request was sent") for check in checks]
    return [_judge(check, whole if check.name is None else results.names.get(check.name), results) for check in checks]


def _judge(check: Check, entry: NameResults | None, results: RunResults) -> Judged:
    if entry is None:
        return Judged(check.text, NO_VALUE, passed=False, reason=f"no request was called {check.name!r}")
    value = _value(check, entry, results)
    if value is None:
        return Judged(check.text, NO_VALUE, passed=False, reason=_why_none(check, results))
    return Judged(check.text, check.shown(value), OPERATORS[check.operator](value, check.limit), value=value)


def _value(check: Check, entry: NameResults, results: RunResults) -> float | None:
    books = results.total if check.name is None else entry.books
    metric = check.metric
    if metric in LATENCIES:
        return _statistic(getattr(entry, "send" if metric == "ack" else metric), check.statistic)
    if metric in COUNTS:
        return COUNTS[metric](books)
    if metric == LAG:
        return LAGS[check.statistic](results.group) if results.group else None
    if metric in RUN_COUNTS:
        return RUN_COUNTS[metric](results)
    if metric == "rejected":
        return entry.rejected
    if metric == "dropped_ratio":
        return _share(results.arrivals.dropped, results.arrivals.due)
    if metric == "rejected_ratio":
        return _share(entry.rejected, books.outcomes[Outcome.MATCHED])
    if metric in RATIOS:
        return _share(COUNTS[RATIOS[metric]](books), books.registered)
    if metric == "offered_rate":
        return results.offered if results.open_model else None
    started = results.arrivals.started if results.open_model and check.name is None else books.registered
    return started / results.load_s if results.load_s else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _statistic(series: LatencySeries, statistic: str) -> float | None:
    if not series.count:
        return None
    if statistic == "mean":
        return series.sum_ns / series.count / MS
    if statistic in ("min", "max"):
        return (series.min_ns if statistic == "min" else series.max_ns) / MS
    return series.percentiles_ns((round(float(statistic[1:]) * 10),))[0] / MS


def _why_none(check: Check, results: RunResults) -> str:
    if check.metric in LEGS and results.legs_unavailable:
        return results.legs_unavailable
    if check.metric in (LAG, "rebalances") and results.group is not None:
        what = "never committed anything" if results.group.exists else "does not exist"
        return f"the consumer group {results.group.name!r} {what}"
    if check.metric in (LAG, "rebalances"):
        return "the service's consumer group was not watched: see --kafka-group"
    if check.metric in PAYLOAD_LEGS:
        return f"no payload went through a {check.metric}r"
    if check.metric == "offered_rate":
        return "there was no --kafka-rate"
    return "the run has none of it"


class _Reader:
    """Reads one check from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def check(self) -> Check:
        metric, name, statistic = self._metric(), None, ""
        if self._skip(r"\["):
            name = self._take(r"[^]]+", "the name of a request, and ]")
            self._skip(r"\]") or self._refuse("]")
        if metric in LATENCIES:
            self._skip(r"\.") or self._refuse("a statistic: .mean, .min, .max, or a percentile as .p50, .p99 or .p99.9")
            statistic = self._statistic()
        if metric == LAG:
            self._skip(r"\.") or self._refuse("a statistic: .max or .end")
            statistic = self._word(tuple(LAGS), "max or end")
        if name is not None and metric in (*RUN_COUNTS, LAG, "dropped_ratio", "offered_rate"):
            self._at = self._text.index("[")
            self._refuse(f"no name: {metric} is of the whole run")
        symbol = self._take("|".join(OPERATORS), f"one of {' '.join(OPERATORS)}")
        limit, unit = self._limit(metric)
        abort = self._skip(rf"{ABORT}\b")
        if self._at < len(self._text):
            self._refuse(f"the end, or the word {ABORT}")
        return Check(self._text, metric, name, statistic, symbol, limit, unit, abort)

    def _metric(self) -> str:
        known = (*LATENCIES, *COUNTS, *RUN_COUNTS, LAG, "rejected", *RATIOS, *OTHER_RATIOS, *RATES)
        return self._word(known, f"one of {', '.join(known)}")

    def _statistic(self) -> str:
        at = self._at
        word = self._take(r"[a-z0-9]+(\.[0-9]+)?", "a statistic")
        percentile = re.fullmatch(r"p([0-9]{1,2}(\.[0-9])?)", word)
        if word not in STATISTICS and not (percentile and float(percentile[1]) > 0):
            self._at = at
            self._refuse("mean, min, max, or a percentile from p0.1 to p99.9")
        return word

    def _limit(self, metric: str) -> tuple[float, str]:
        digits = self._take(r"[0-9]{1,15}(\.[0-9]{1,15})?(?![0-9])", "a number of at most 15 digits")
        if metric in LATENCIES:
            unit = self._word(tuple(TIME_UNITS), "a unit: us, ms or s")
            return float(digits) * TIME_UNITS[unit], unit
        if metric in (*RATIOS, *OTHER_RATIOS):
            return (float(digits) / 100, "%") if self._skip("%") else (float(digits), "")
        if metric in RATES:
            self._skip("/s") or self._refuse("the unit /s")
            return float(digits), "/s"
        return float(digits), ""

    def _word(self, known: tuple[str, ...], wanted: str) -> str:
        at = self._at
        word = self._take(r"[^\W\d]\w*", wanted)
        if word not in known:
            self._at = at
            self._refuse(wanted)
        return word

    def _take(self, pattern: str, wanted: str) -> str:
        found = re.compile(rf"\s*({pattern})\s*").match(self._text, self._at)
        if found is None:
            self._refuse(wanted)
        self._at = found.end()
        return found[1]

    def _skip(self, pattern: str) -> bool:
        found = re.compile(rf"\s*({pattern})\s*").match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found is not None

    def _refuse(self, wanted: str) -> NoReturn:
        rest = self._text[self._at :]
        at = self._at + len(rest) - len(rest.lstrip())
        stands = f"{rest.split()[0]!r} stands" if rest.strip() else "nothing stands"
        raise ValueError(f"{stands} in column {at + 1} of {self._text!r}, where there should be {wanted}")
