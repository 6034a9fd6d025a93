"""Laws of the open model's plan: it is never re-based, and no arrival is forgotten."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.schedule import CONSTANT, DITHER_NS, POISSON, Plan, Schedule, Stage, parse_rate

S = 10**9
NEVER = 10**18
RATES = st.floats(0, 1000).filter(lambda rate: rate == 0 or rate > 0.01)
STAGES = st.lists(st.builds(Stage, RATES, RATES, st.floats(0.5, 20)), min_size=1, max_size=4)


def due_by(stages: list[Stage], now_s: float) -> float:
    """The oracle: the area under the rate, stage by stage."""
    area = 0.0
    for low, high, seconds in stages:
        if not seconds:
            break
        inside = min(now_s, seconds)
        area += (low + low + (high - low) * inside / seconds) / 2 * inside
        now_s -= inside
    return area + stages[-1].high * now_s


def taken(schedule: Schedule, now_ns: int) -> list[int]:
    found = []
    while (intended := schedule.take(now_ns)) is not None:
        found.append(intended)
    return found


@given(STAGES, st.floats(0.1, 30))
def test_the_nth_arrival_is_due_when_n_are_to_have_come(stages: list[Stage], until_s: float) -> None:
    """However late they are taken, constant arrivals lie where the area under the rate is a whole number."""
    schedule = Schedule(Plan(stages, 0, 1.0), CONSTANT, NEVER, lambda: 0.0)
    instants = taken(schedule, int(until_s * S))
    for n, intended_ns in enumerate(instants):
        assert due_by(stages, intended_ns / S) == pytest.approx(n, abs=1e-3)
    assert len(instants) == pytest.approx(math.floor(due_by(stages, until_s)) + 1, abs=1)


@given(st.floats(0.5, 5000), st.integers(1, 300), st.floats(0, 0.999))
def test_dither_delays_by_a_millisecond_at_most_and_keeps_the_order(rate: float, count: int, u: float) -> None:
    """Each arrival lies at n / rate or up to 1 ms later, and never after the next."""
    draws = [u, 1 - u] * count
    schedule = Schedule(Plan([Stage(rate, rate, 0)], 1000, 1.0), CONSTANT, NEVER, lambda: draws.pop())
    instants = [schedule.next_ns()]
    for _ in range(count - 1):
        schedule.take(NEVER)
        instants.append(schedule.next_ns())
    assert instants == sorted(instants)
    for n, intended_ns in enumerate(instants):
        assert -1e-3 <= intended_ns - 1000 - n * S / rate <= DITHER_NS + 1e-3


@given(
    st.lists(st.tuples(st.floats(0.1, 5), RATES, st.one_of(st.just(0.0), st.floats(0.05, 1))), min_size=1, max_size=6)
)
def test_a_new_rate_or_share_counts_from_its_instant(changes: list[tuple[float, float, float]]) -> None:
    """What was due before stays due, and from then on arrivals come by the new rate: the areas add up."""
    schedule = Schedule(Plan([Stage(100, 100, 0)], 0, 1.0), CONSTANT, NEVER, lambda: 0.0)
    now_s, area, rate, share = 0.0, 0.0, 100.0, 1.0
    for after_s, new_rate, new_share in changes:
        area += after_s * rate * share
        now_s += after_s
        rate, share = new_rate, new_share
        schedule.set_rate(int(now_s * S), rate)
        schedule.set_share(int(now_s * S), share)
    area += 10 * rate * share
    assert len(taken(schedule, int((now_s + 10) * S))) == pytest.approx(math.floor(area) + 1, abs=1)


@given(STAGES, st.lists(st.floats(0, 0.999), min_size=1, max_size=100))
def test_poisson_arrivals_are_exponential_in_what_is_to_have_come(stages: list[Stage], draws: list[float]) -> None:
    """From one arrival to the next the area under the rate grows by -ln(1 - u), so ramps keep the process Poisson."""
    left = list(reversed(draws))
    schedule = Schedule(Plan(stages, 0, 1.0), POISSON, NEVER, lambda: left.pop())
    expected = 0.0
    for u in draws[:-1]:
        expected -= math.log(1 - u)
        intended_ns = schedule.next_ns()
        if intended_ns == math.inf:
            break
        assert due_by(stages, intended_ns / S) == pytest.approx(expected, abs=1e-3)
        schedule.take(NEVER)


@given(st.integers(1, 7), st.floats(1, 1000), st.floats(0.5, 5))
def test_workers_take_turns(workers: int, rate: float, until_s: float) -> None:
    """Equal shares with their phases make together the plan of one process."""
    now_ns = int(until_s * S)
    one = taken(Schedule(Plan([Stage(rate, rate, 0)], 0, 1.0), CONSTANT, NEVER, lambda: 0.0), now_ns)
    several = sorted(
        intended
        for index in range(workers)
        for intended in taken(
            Schedule(Plan([Stage(rate, rate, 0)], 0, 1 / workers), CONSTANT, NEVER, lambda: 0.0, index / workers),
            now_ns,
        )
    )
    assert abs(len(one) - len(several)) <= 1
    for alone, together in zip(one, several, strict=False):
        assert abs(alone - together) <= 10


@given(st.integers(1, 60), st.integers(1, 10))
def test_no_arrival_is_forgotten(due_s: int, patience_s: int) -> None:
    """Due = started + dropped + given back, whatever was taken when; one given back is the next taken."""
    schedule = Schedule(Plan([Stage(2, 2, 0)], 0, 1.0), CONSTANT, patience_s * S, lambda: 0.0)
    now_ns = due_s * S
    first = schedule.take(now_ns)
    assert first is not None
    assert now_ns - patience_s * S <= first <= now_ns
    schedule.give_back(first)
    assert schedule.take(now_ns) == first
    schedule.give_back(first)
    counts = schedule.close(now_ns)
    assert counts.due == 2 * due_s + 1 == counts.started + counts.dropped + counts.given_back
    assert (counts.started, counts.given_back) == (0, 1)


@given(st.lists(st.tuples(st.sampled_from("trgs"), st.integers(1, 3_000)), max_size=60), st.integers(1, 5))
def test_arrivals_balance_whatever_happens(steps: list[tuple[str, int]], patience_s: int) -> None:
    """Taking, giving back, other rates and shares in any order: due = started + dropped + given back, and none twice."""
    schedule = Schedule(Plan([Stage(20, 20, 0)], 0, 1.0), CONSTANT, patience_s * S, lambda: 0.5)
    now_ns, held = 0, []
    for what, step in steps:
        now_ns += step * 1_000_000
        if what == "t" and (taken_ns := schedule.take(now_ns)) is not None:
            held.append(taken_ns)
        elif what == "g" and held:
            schedule.give_back(held.pop())
        elif what == "r":
            schedule.set_rate(now_ns, step % 50)
        elif what == "s":
            schedule.set_share(now_ns, (step % 10) / 10)
    counts = schedule.close(now_ns)
    assert counts.due == counts.started + counts.dropped + counts.given_back
    assert counts.started == len(held)


def test_a_shape_that_sets_the_rate_at_every_tick_stays_cheap() -> None:
    """The plan keeps no pieces that lie behind its last arrival: an hour of ticks is no longer than a minute's."""
    plan = Plan([Stage(20, 20, 0)], 0, 1.0)
    schedule = Schedule(plan, CONSTANT, NEVER, lambda: 0.0)
    for second in range(1, 3601):
        schedule.set_rate(second * S, 20 + second % 2)
        while schedule.take(second * S) is not None:
            pass
    assert len(plan._pieces) < 10


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 20))
def test_the_rest_of_a_plan_is_the_plan(low: int, high: int, joined_s: int) -> None:
    """A worker that joins late begins where the others are: the remaining stages want what the whole plan wants."""
    plan = Plan([Stage(low, high, 10), Stage(high, high, 0)], 0, 1.0)
    stages, start_ns = plan.remaining(joined_s * S)
    assert start_ns == joined_s * S
    rest = Plan(stages, start_ns, 1.0)
    until_ns = (joined_s + 15) * S
    before = plan._current(joined_s * S).count_at(joined_s * S)
    wanted = plan._current(until_ns).count_at(until_ns) - before
    assert rest._current(until_ns).count_at(until_ns) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@given(st.integers(1, 9), st.integers(1, 2000), st.integers(1, 20))
def test_a_rate_that_falls_to_nothing_does_not_end_the_plan(workers: int, high: int, seconds: int) -> None:
    """After a ramp down to 0 the next stage comes, whatever the shares make of the roundings."""
    stages = [Stage(high, 0, seconds), Stage(50, 50, 0)]
    share = 1 / workers
    schedule = Schedule(Plan(stages, 0, share), CONSTANT, NEVER, lambda: 0.0)
    until_s = seconds + 60
    expected = due_by(stages, until_s) * share
    assert len(taken(schedule, until_s * S)) == pytest.approx(expected, abs=2)


@given(st.floats(0, 4.9), st.floats(0.1, 1), RATES)
def test_changes_before_the_beginning_wait_for_it(change_s: float, share: float, rate: float) -> None:
    """Nothing is due before the plan begins, and from then on the new rate and share count."""
    schedule = Schedule(Plan([Stage(100, 1000, 5)], 5 * S, 1.0), CONSTANT, NEVER, lambda: 0.0)
    schedule.set_share(int(change_s * S), share)
    assert schedule.next_ns() >= 5 * S - 1
    schedule.set_rate(int(change_s * S), rate)
    assert schedule.take(5 * S - 2) is None
    assert len(taken(schedule, 15 * S)) == pytest.approx(10 * rate * share, abs=1.01)


def test_nothing_is_taken_before_its_time() -> None:
    """An arrival that is not due yet is not given away."""
    schedule = Schedule(Plan([Stage(1, 1, 0)], 5 * S, 1.0), CONSTANT, NEVER, lambda: 0.0)
    assert schedule.take(5 * S - 1) is None
    assert schedule.take(5 * S) == 5 * S
    assert schedule.take(5 * S) is None


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("200", [(200, 200, 0)]),
        ("0.5", [(0.5, 0.5, 0)]),
        ("0", [(0, 0, 0)]),
        ("100:2000/60s", [(100, 2000, 60)]),
        ("100/30s, 100:2000/2m,2000", [(100, 100, 30), (100, 2000, 120), (2000, 2000, 0)]),
        ("0/5,10", [(0, 0, 5), (10, 10, 0)]),
        ("1:2/1h", [(1, 2, 3600)]),
    ],
)
def test_rates_as_text(text: str, stages: list[tuple[float, float, float]]) -> None:
    """Constant rates, ramps, and stages one after the other."""
    assert list(parse_rate(text)) == stages


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "1e3", "1:2/0s", "1:2", "1,2", "99999999", "1/5x", "1/5s,"])
def test_refused_rates(text: str) -> None:
    """What is no rate is refused in a sentence."""
    with pytest.raises(ValueError, match=r"is no rate|needs a duration|give a rate"):
        parse_rate(text)


@pytest.mark.parametrize(
    "text", ["9" * 90_000 + "x", "5:" + "9" * 90_000 + "x", "0/" + "9" * 400, "5/" + "9" * 400 + "x"]
)
def test_many_digits_are_refused_as_fast_as_few(text: str) -> None:
    """A rate of any length is read once: no digit can be read in two ways, and no duration is without an end."""
    with pytest.raises(ValueError, match=r"is no rate|at most 10000000 s"):
        parse_rate(text)
