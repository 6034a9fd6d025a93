"""Laws of what is traced, and of what is shown as an example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from locust_kafka.core.examples import EXAMPLES_PER_KIND, SLOWEST, Example, Examples
from locust_kafka.core.sampling import SECOND_NS, Budget, Reason, Sampling
from locust_kafka.core.traceparent import TraceIds

INSTANTS = st.lists(st.integers(0, 3 * SECOND_NS), max_size=300).map(
    lambda gaps: [sum(gaps[:n]) for n in range(len(gaps))]
)


@given(INSTANTS, st.floats(0.1, 1000))
def test_a_budget_is_never_overdrawn(instants: list[int], per_second: float) -> None:
    """In any stretch of time no more pass than the rate allows in it and one second more, and one at least."""
    start = 5 * SECOND_NS
    budget = Budget(per_second)
    passed = [at for at in instants if budget.take(start + at)]
    for first in range(0, len(passed), 7):
        for last in range(first, len(passed), 5):
            stretch_s = (passed[last] - passed[first]) / SECOND_NS
            assert last - first + 1 <= per_second * (stretch_s + 1) + 1 + 1e-6
    assert bool(passed) == bool(instants)


def test_no_budget_lets_nothing_pass() -> None:
    """A cap of zero is a switch."""
    assert not any(Budget(0).take(at * SECOND_NS) for at in range(5))


@given(st.binary(min_size=12, max_size=12), st.floats(0, 1))
def test_the_ratio_is_opentelemetrys(tail: bytes, ratio: float) -> None:
    """Every service that samples by the same ratio keeps the same traces as we do."""
    trace_id = b"01020304" + tail.hex().encode()
    theirs = TraceIdRatioBased(ratio).should_sample(None, int(trace_id, 16), "x").decision
    assert Sampling(ratio, 1e9, 0).sample(trace_id, 0) == (theirs is Decision.RECORD_AND_SAMPLE)


def test_what_the_caps_leave_out_is_counted() -> None:
    """Kept and left out add up to what was offered, each under its reason."""
    sampling = Sampling(1, per_second=2, keep_per_second=3)
    sampled = sum(sampling.sample(TraceIds().new()[0], 0) for _ in range(10))
    kept = sum(sampling.keep(Reason.LATE, 0) for _ in range(10))
    assert (sampled, kept) == (2, 3)
    assert sampling.suppressed[Reason.SAMPLED] == 8
    assert (sampling.kept[Reason.LATE], sampling.suppressed[Reason.LATE]) == (3, 7)


@given(st.lists(st.tuples(st.sampled_from([SLOWEST, "timed out"]), st.integers(1, 10**9)), max_size=50))
def test_examples_are_the_slowest_and_the_first(offers: list[tuple[str, int]]) -> None:
    """Of the slowest the slowest, of the others the first; skipping what is not slower than the last changes nothing."""
    examples, skipping = Examples(), Examples()
    for number, (kind, latency) in enumerate(offers):
        example = Example(kind, "n", latency, f"{number}")
        examples.add(example)
        if kind != SLOWEST or latency > skipping.slower_than_ns:
            skipping.add(example)
    slowest = sorted((latency for kind, latency in offers if kind == SLOWEST), reverse=True)[:EXAMPLES_PER_KIND]
    assert [e.latency_ns for e in examples.all() if e.kind == SLOWEST] == slowest
    assert [e.latency_ns for e in skipping.all() if e.kind == SLOWEST] == slowest
    others = [f"{number}" for number, (kind, _latency) in enumerate(offers) if kind != SLOWEST][:EXAMPLES_PER_KIND]
    assert [e.trace_id for e in examples.all() if e.kind != SLOWEST] == others
