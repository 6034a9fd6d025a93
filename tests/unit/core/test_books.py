"""Laws of the books, and of the results that travel from worker to master."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.books import Books, Outcome, Verdict, equations
from locust_kafka.core.examples import Example
from locust_kafka.core.legs import Legs
from locust_kafka.core.results import RunResults

COUNTS = st.integers(0, 10**6)


@given(st.lists(COUNTS, min_size=5, max_size=5), st.lists(COUNTS, min_size=7, max_size=7), COUNTS)
def test_books_survive_the_wire_and_add_up(outcomes: list[int], verdicts: list[int], pending: int) -> None:
    """to_dict and from_dict are inverse, adding twice doubles, and losing the pending leaves none."""
    books = Books(sum(outcomes) + pending, outcomes, verdicts)
    assert Books.from_dict(books.to_dict()) == books
    twice = Books()
    twice.add(books)
    twice.add(books)
    assert twice.registered == 2 * books.registered
    assert twice.pending == 2 * pending
    twice.lose_pending()
    assert twice.pending == 0


def test_each_equation_can_fail() -> None:
    """A wrong count anywhere breaks at least one law."""

    def books() -> Books:
        return Books(3, [2, 1, 0, 0, 0], [2, 0, 0, 0, 0, 1, 0])

    assert all(law.holds for law in equations(books(), [books_of_names()], 3, closed=True))
    for spoil in (
        lambda b: setattr(b, "registered", 4), lambda b: setattr(b, "registered", 2),
        lambda b: b.outcomes.__setitem__(Outcome.MATCHED, 1), lambda b: b.verdicts.__setitem__(Verdict.LATE, 1),
        lambda b: b.verdicts.__setitem__(Verdict.MATCH, 3),
    ):  # fmt: skip
        spoiled = books()
        spoil(spoiled)
        assert not all(law.holds for law in equations(spoiled, [books_of_names()], 3, closed=True))
    assert not all(law.holds for law in equations(books(), [], 3, closed=True))
    assert not all(law.holds for law in equations(books(), [books_of_names()], 4, closed=True))


def books_of_names() -> Books:
    return Books(3, [2, 1, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0])


def test_a_ledger_survives_the_wire() -> None:
    """What a worker sends, the master reads: counts, latencies, notes and sentences."""
    ledger = RunResults()
    ledger.total = Books(2, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0])
    ledger.replies_read = 1
    ledger.name("n").books = Books(2, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0])
    ledger.name("n").e2e_matched.record(5_000_000)
    ledger.examples.add(Example("slowest", "n", 5_000_000, "0" * 32, Legs(1, 2, None, 4, 5)))
    ledger.clocks["1"] = (0.5, 0.25)
    ledger.note("dropped", 3)
    ledger.invalid.append("because")
    copy = RunResults.from_wire(ledger.to_wire())
    assert copy.to_wire() == ledger.to_wire()
    assert copy.balanced(closed=False)
    assert not copy.balanced(closed=True)
    copy.lose_pending()
    assert copy.balanced(closed=True)


def test_a_copy_is_of_its_own() -> None:
    """It says the same, and what happens afterwards does not reach it: the page is computed from it in a thread."""
    results = RunResults()
    results.total = Books(1, [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0])
    results.name("n").e2e_matched.record(5_000_000)
    results.note("dropped")
    copy = results.copy()
    before = copy.to_wire()
    assert before == results.to_wire()
    results.total.registered += 1
    results.name("n").e2e_matched.record(9)
    results.name("m").books.registered += 1
    results.note("dropped")
    results.invalid.append("because")
    assert copy.to_wire() == before
