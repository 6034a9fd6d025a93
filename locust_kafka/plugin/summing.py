"""The sum of what workers reported, with those that died accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from locust_kafka.core.results import RunResults


def add_up(
    workers: Collection[str],
    results: Mapping[str, RunResults | None],
    *,
    opened: Collection[str],
    finished: Collection[str],
    unreadable: Collection[str],
    allow_lost: bool = False,
) -> RunResults:
    """Add up; whoever ended without a last report has lost what it had pending.

    Args:
        workers: all that were there.
        results: the last report of each; None or missing for one that never had the run, or never reported.
        opened: those whose users could send.
        finished: those that answered at the end.
        unreadable: those that sent what cannot be read.
        allow_lost: whether the run is valid although a worker died.
    """
    total = RunResults()
    for worker in sorted(workers):
        one = results.get(worker)
        if worker in unreadable:
            total.invalid.append(f"worker {worker} sent a report that cannot be read: see its version")
        if one is None:
            if worker in opened or worker not in finished:
                total.invalid.append(f"worker {worker} ended without any report: what it did is not known")
            continue
        if worker not in finished:
            lost = one.total.pending
            one.lose_pending()
            if allow_lost:
                total.note("workers that ended without a last report")
            else:
                one.invalid.append(f"worker {worker} ended without a last report: {lost} pending requests are LOST")
        total.add(one)
        if one.bottleneck:
            total.bottleneck[-len(one.bottleneck) :] = [f"at worker {worker} {words}" for words in one.bottleneck]
    if total.routing.sentence:
        total.invalid.append(total.routing.sentence)
    if not total.balanced(closed=True):
        total.invalid.append("the books do not balance")
    return total
