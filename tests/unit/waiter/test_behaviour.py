"""The plan of a request: a pure function of trace id and seed."""

from __future__ import annotations

import statistics
from types import SimpleNamespace

import pytest

from waiter_service.core import behaviour as module
from waiter_service.core.behaviour import Behaviour, Wait


def test_the_plan_is_a_pure_function_of_trace_id_and_seed() -> None:
    """The same id and seed always give the same plan; another seed gives other victims."""
    one = Behaviour(Wait("uniform", 1, 9), 0.1, 0.1, 0.1, 3.0, 0.1, seed=1)
    other = Behaviour(Wait("uniform", 1, 9), 0.1, 0.1, 0.1, 3.0, 0.1, seed=2)
    ids = [b"%032x" % number for number in range(300)]
    assert [one.plan(i) for i in ids] == [one.plan(i) for i in ids]
    assert [one.plan(i) for i in ids] != [other.plan(i) for i in ids]


def test_shares_are_met() -> None:
    """Over many ids each fault strikes its share, independently of the others."""
    behaviour = Behaviour(Wait("fixed", 1), drop=0.2, duplicate=0.3, late=0.1, late_s=3.0, error=0.4)
    plans = [behaviour.plan(b"%032x" % number) for number in range(20_000)]
    kept = [plan for plan in plans if plan.replies]
    assert len(kept) / len(plans) == pytest.approx(0.8, abs=0.02)
    assert sum(plan.replies == 2 for plan in kept) / len(kept) == pytest.approx(0.3, abs=0.02)
    assert sum(plan.late_s == 3.0 for plan in plans) / len(plans) == pytest.approx(0.1, abs=0.02)
    assert sum(plan.error and plan.late_s > 0 for plan in plans) / len(plans) == pytest.approx(0.04, abs=0.01)


def test_waits_follow_their_distribution() -> None:
    """Uniform stays in its range with the mean in the middle; lognormal has the given median."""
    ids = [b"%032x" % number for number in range(10_000)]
    uniform = [Behaviour(Wait("uniform", 100, 900)).plan(i).wait_ms for i in ids]
    assert 100 <= min(uniform) <= max(uniform) <= 900
    assert statistics.mean(uniform) == pytest.approx(500, abs=15)
    lognormal = [Behaviour(Wait("lognormal", 50, 0.5)).plan(i).wait_ms for i in ids]
    assert statistics.median(lognormal) == pytest.approx(50, rel=0.05)


def test_a_distributions_far_end_can_be_waited() -> None:
    """No draw is 1, where a normal distribution has no value, and no wait is longer than a day."""
    behaviour = Behaviour(Wait("lognormal", 50.0, 5.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "blake2b", lambda *_args, **_kwargs: SimpleNamespace(digest=lambda: b"\xff" * 40))
        assert behaviour.plan(b"0" * 32).wait_ms == 86_400_000.0
