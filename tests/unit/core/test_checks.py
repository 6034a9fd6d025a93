"""Laws of the checks that gate a CI job."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core import checks
from locust_kafka.core.books import Books, Outcome, Verdict
from locust_kafka.core.checks import Check, judge, parse_check
from locust_kafka.core.group import GroupResults
from locust_kafka.core.results import RunResults
from locust_kafka.core.schedule import Counts

MS = 1_000_000
NAMES = st.text(st.characters(blacklist_characters="[]", blacklist_categories=("Cs",)), min_size=1, max_size=8).map(
    lambda name: name.strip() or "n"
)
STATISTICS = st.sampled_from(["mean", "min", "max"]) | st.integers(1, 999).map(lambda n: f"p{n / 10:g}")
OPERATORS = st.sampled_from(list(checks.OPERATORS))
LIMITS = st.decimals(0, 10_000, places=3).map(lambda limit: f"{limit:f}")


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, str | None, str, str, float, bool]:
    """A check as somebody writes it, with what it means."""
    kind = draw(st.sampled_from(["latency", "count", "ratio", "rate"]))
    name = draw(st.none() | NAMES)
    digits, space = draw(LIMITS), draw(st.sampled_from(["", " ", "  "]))
    symbol, abort = draw(OPERATORS), draw(st.booleans())
    statistic, unit, scale = "", "", 1.0
    if kind == "latency":
        metric, statistic = draw(st.sampled_from(checks.LATENCIES)), draw(STATISTICS)
        unit = draw(st.sampled_from(list(checks.TIME_UNITS)))
        scale = checks.TIME_UNITS[unit]
    elif kind == "count":
        metric = draw(st.sampled_from([*checks.COUNTS, "rejected"]))
    elif kind == "ratio":
        metric = draw(st.sampled_from(list(checks.RATIOS)))
        unit = draw(st.sampled_from(["%", ""]))
        scale = 0.01 if unit else 1.0
    else:
        metric, unit = "rate", "/s"
    text = metric + (f"[{name}]" if name else "") + (f".{statistic}" if statistic else "")
    text += f"{space}{symbol}{space}{digits}{space}{unit}{' abort' if abort else ''}"
    return text, metric, name, statistic, symbol, float(digits) * scale, abort


@given(written())
def test_what_is_written_is_what_is_read(case: tuple[str, str, str | None, str, str, float, bool]) -> None:
    """Metric, name, statistic, operator, limit in its base unit and abort come back, however it is spaced."""
    text, metric, name, statistic, symbol, limit, abort = case
    check = parse_check(f" {text} ")
    assert (check.metric, check.name, check.statistic, check.operator, check.abort) == (
        metric, name, statistic, symbol, abort,
    )  # fmt: skip
    assert math.isclose(check.limit, limit, abs_tol=1e-12)
    assert parse_check(check.text) == check


@given(written(), st.data())
def test_a_refusal_names_its_column(
    case: tuple[str, str, str | None, str, str, float, bool], data: st.DataObject
) -> None:
    """Whatever stands where it does not belong is refused at its column, never later than where it stands."""
    text = case[0]
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + "§" + text[at:]
    if "[" in text and text.index("[") < at <= text.index("]"):
        assert parse_check(broken).name  # a name may hold anything
        return
    with pytest.raises(ValueError, match="column") as refused:
        parse_check(broken)
    column = int(str(refused.value).split("column ")[1].split(" ")[0])
    assert 1 <= column <= at + 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("latency.p99 < 3ms", "'latency.p99' stands in column 1 of 'latency.p99 < 3ms', where there should be one of e2e,"),
        ("e2e < 5ms", "'<' stands in column 5 of 'e2e < 5ms', where there should be a statistic"),
        ("e2e.p100 < 4ms", "column 5 of 'e2e.p100 < 4ms', where there should be mean, min, max, or a percentile from p0.1"),
        ("e2e.p99 = 3ms", "'=' stands in column 9 of 'e2e.p99 = 3ms', where there should be one of <= >= == != < >"),
        ("e2e.p99 < 3", "nothing stands in column 12 of 'e2e.p99 < 3', where there should be a unit: us, ms or s"),
        ("rate > 4", "where there should be the unit /s"),
        ("dropped[x] < 1", "'[x]' stands in column 8 of 'dropped[x] < 1', where there should be no name"),
        ("duplicates == 0 please", "'please' stands in column 17 of 'duplicates == 0 please', where there should be the end"),
        ("", "nothing stands in column 1"),
    ],
)  # fmt: skip
def test_refusals_say_what_should_stand_there(text: str, sentence: str) -> None:
    """The sentence has the word, the column and what is accepted."""
    with pytest.raises(ValueError, match="stands in column") as refused:
        parse_check(text)
    assert sentence in str(refused.value)


def results_of(latencies: list[int], timed_out: int, duplicates: int, name: str = "n") -> RunResults:
    results = RunResults()
    results.total = Books(len(latencies) + timed_out)
    entry = results.name(name)
    entry.books.registered = results.total.registered
    for books in (results.total, entry.books):
        books.outcomes[Outcome.MATCHED], books.outcomes[Outcome.TIMED_OUT] = len(latencies), timed_out
        books.verdicts[Verdict.DUPLICATE] = duplicates
    entry.e2e_matched.extend(latencies)
    entry.timed_out.extend([1000 * MS] * timed_out)
    results.load_s = 2.0
    return results


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(0, 20), st.integers(0, 20), OPERATORS,
    st.integers(0, 1000),
)  # fmt: skip
def test_a_check_is_arithmetic(values: list[int], timed_out: int, duplicates: int, symbol: str, limit: int) -> None:
    """Each kind of check says what Python says of the same figures."""
    results = results_of([value * MS for value in values], timed_out, duplicates)
    whole = sorted([*values, *[1000] * timed_out])
    p90 = whole[math.ceil(0.9 * len(whole)) - 1]
    for text, value, bound in (
        (f"e2e.max {symbol} {limit}ms", max(whole), limit),
        (f"e2e_matched[n].min {symbol} {limit}ms", min(values), limit),
        (f"duplicates {symbol} {limit}", duplicates, limit),
        (f"timeout_ratio {symbol} {limit / 10}%", timed_out / len(whole), limit / 1000),
        (f"rate {symbol} {limit}/s", len(whole) / 2.0, limit),
    ):
        (judged,) = judge([parse_check(text)], results)
        assert judged.value == pytest.approx(value)
        if not math.isclose(value, bound):
            assert judged.passed == checks.OPERATORS[symbol](value, bound), text
    (judged,) = judge([parse_check("e2e.p90 < 1s")], results)
    assert judged.value == pytest.approx(p90, rel=0.001)


@given(written())
def test_what_has_no_value_fails(case: tuple[str, str, str | None, str, str, float, bool]) -> None:
    """A run without a single request holds nothing, whatever the check: even no duplicates are none that were seen."""
    check = parse_check(case[0])._replace(name=None)
    (judged,) = judge([check], RunResults())
    assert (judged.value, judged.found, judged.passed) == (None, "no value", False)
    assert "no value" in judged.words
    assert judge([], RunResults()) == []


def test_everything_timed_out_is_no_success() -> None:
    """e2e has the timeouts; e2e_matched has nothing, and says so."""
    results = results_of([], 5, 0)
    e2e, matched = judge([parse_check("e2e.p95 < 2s"), parse_check("e2e_matched.p95 < 2s")], results)
    assert (e2e.passed, e2e.words) == (True, "e2e.p95 < 2s: 1s")
    assert (matched.passed, matched.words) == (False, "e2e_matched.p95 < 2s: no value (the run has none of it)")


def test_an_unknown_name_fails_in_words() -> None:
    """A name that no request had is no silent pass."""
    (judged,) = judge([parse_check("duplicates[order] == 0")], results_of([MS], 0, 0))
    assert not judged.passed
    assert "no request was called 'order'" in judged.words


def test_figures_of_the_whole_run() -> None:
    """Dropped arrivals, orphans and malformed replies, the offered rate, and legs that are not known."""
    results = results_of([MS], 0, 0)
    results.total.verdicts[Verdict.ORPHAN] = 3
    results.legs_unavailable = "the topics have CreateTime"
    results.note(checks.TASK_ERRORS, 2)
    assert [one.value for one in judge([parse_check("task_errors == 0")], results)] == [2]
    texts = ("orphans == 3", "malformed == 0", "offered_rate > 0/s", "service.p95 < 1s", "dropped_ratio < 1%")
    assert [one.passed for one in judge(map(parse_check, texts), results)] == [True, True, False, False, False]
    results.open_model, results.offered, results.arrivals = True, 50.0, Counts(100, 99, 1, 0)
    texts = ("offered_rate == 50/s", "dropped == 1", "dropped_ratio <= 1%", "rate == 49.5/s")
    assert all(one.passed for one in judge(map(parse_check, texts), results))
    (service,) = judge([parse_check("service.p95 < 1s")], results)
    assert "CreateTime" in service.words


def test_a_value_is_shown_in_the_unit_of_its_limit() -> None:
    """Who writes seconds reads seconds."""
    for text, value, shown in (
        ("e2e.p99 < 1s", 250.0, "0.25s"), ("e2e.p99 < 1us", 0.25, "250us"), ("late_ratio < 1%", 0.125, "12.5%"),
        ("late_ratio < 0.1", 0.125, "0.125"), ("rate > 1/s", 3.0, "3/s"), ("duplicates == 0", 4.0, "4"),
    ):  # fmt: skip
        check: Check = parse_check(text)
        assert check.shown(value) == shown


def test_a_percentile_has_its_decimal() -> None:
    """p99.9 is neither p99 nor the maximum."""
    results = results_of([MS] * 1980 + [5 * MS] * 18 + [9 * MS] * 2, 0, 0)
    values = [one.value for one in judge(map(parse_check, ("e2e.p99 < 1s", "e2e.p99.9 < 1s", "e2e.max < 1s")), results)]
    assert values == pytest.approx([1, 5, 9], rel=0.001)


def test_lag_and_rebalances_are_of_the_services_group() -> None:
    """In records and in counts; without a group, or with a lag that nobody knows, there is no value and so no pass."""
    results = results_of([MS], 0, 0)
    wanted = [parse_check("lag.max < 1000"), parse_check("lag.end == 0"), parse_check("rebalances == 0")]
    assert [one.passed for one in judge(wanted, results)] == [False] * 3
    assert "see --kafka-group" in judge(wanted, results)[0].reason
    results.group = GroupResults("g", 999, 0, 1, exists=True)
    assert [(one.passed, one.found) for one in judge(wanted, results)] == [(True, "999"), (True, "0"), (False, "1")]
    results.group = GroupResults("g", exists=True)
    assert [one.passed for one in judge(wanted, results)] == [False, False, True]
    results.group = GroupResults("g")
    assert [one.passed for one in judge(wanted, results)] == [False] * 3
    assert judge(wanted, results)[2].reason == "the consumer group 'g' does not exist"
    for text, where in (("lag < 3", "column 5"), ("lag.p99 < 3", "column 5"), ("lag[n].max < 3", "column 4")):
        with pytest.raises(ValueError, match=where):
            parse_check(text)


@pytest.mark.parametrize("digits", ["9" * 16, "9" * 400])
def test_a_limit_that_nothing_can_reach_is_refused(digits: str) -> None:
    """A check against infinity would always pass."""
    with pytest.raises(ValueError, match="a number of at most 15 digits"):
        parse_check(f"e2e.p99 < {digits}ms")
