"""Hands the schedule's arrivals to idle users, each at its time."""

from __future__ import annotations

import math
import os
import random
from collections import deque
from time import perf_counter_ns
from typing import Self

import gevent
from gevent.hub import Waiter

from locust_kafka.core.schedule import Counts, Plan, Schedule, Stage
from locust_kafka.hub.queue import wake_all
from locust_kafka.hub.timer import HubTimer
from locust_kafka.settings import Settings

SAME_WAKEUP_NS = 200_000
"""Arrivals so close to each other are handed out together: each wake-up costs the hub."""


class _Ticket:
    """One idle user's wait."""

    __slots__ = ("intended_ns", "waiter")

    def __init__(self) -> None:
        self.waiter: Waiter[None] = Waiter()
        self.intended_ns: int | None = None


class Arrivals:
    """One run's arrivals in this process: one timer for all, instead of one for every waiting user.

    Args:
        schedule: when they are due.
        start_ns: of the plan.
    """

    def __init__(self, schedule: Schedule, start_ns: int) -> None:
        self.start_ns = start_ns
        self._schedule = schedule
        self._idle: deque[_Ticket] = deque()
        self._timer = HubTimer()
        self._closed = False
        self._greenlet = gevent.spawn(self._dispatch)

    @classmethod
    def planned(cls, settings: Settings, stages: tuple[Stage, ...], start_ns: int, share: float, phase: float) -> Self:
        """By the run's settings.

        Args:
            settings: the run's; an arrival is dropped that nobody took within the longest reply timeout.
            stages: the total rate.
            start_ns: of the first stage.
            share: this process's part of it.
            phase: which part of an interval passes before its first arrival.
        """
        uniform = random.Random(os.urandom(16)).random
        plan, patience_ns = Plan(stages, start_ns, share), int(settings.longest_timeout_s * 1e9)
        return cls(Schedule(plan, settings.arrivals, patience_ns, uniform, phase), start_ns)

    @property
    def counts(self) -> Counts:
        """What became of the arrivals so far."""
        return self._schedule.counts

    def take(self) -> int | None:
        """An arrival that is overdue and nobody waits for, if there is one; its intended start."""
        return self._schedule.take(perf_counter_ns()) if not self._idle and not self._closed else None

    def wait(self) -> int:
        """Wait for the next arrival; its intended start.  The longest waiting user gets it."""
        ticket = _Ticket()
        self._idle.append(ticket)
        if len(self._idle) == 1:
            self._timer.notify()
        try:
            ticket.waiter.get()
        except BaseException:
            if ticket.intended_ns is None:
                self._idle.remove(ticket)
            else:
                self.give_back(ticket.intended_ns)
            raise
        assert ticket.intended_ns is not None
        return ticket.intended_ns

    def give_back(self, intended_ns: int) -> None:
        """Whoever took this arrival will not start it."""
        self._schedule.give_back(intended_ns)
        self._timer.notify()

    def set_rate(self, rate: float) -> None:
        """From now on, this total rate (per second)."""
        self._schedule.set_rate(perf_counter_ns(), rate)
        self._timer.notify()

    def set_share(self, share: float) -> None:
        """From now on, this part of the total rate."""
        self._schedule.set_share(perf_counter_ns(), share)
        self._timer.notify()

    def close(self, now_ns: int) -> Counts:
        """Hand out no more; what became of those that were due by now."""
        if not self._closed:
            self._closed = True
            self._greenlet.kill()
            self._timer.close()
        return self._schedule.close(now_ns)

    def _dispatch(self) -> None:
        schedule, idle, timer = self._schedule, self._idle, self._timer
        handed_ns = 0
        while True:
            next_ns = schedule.next_ns() if idle else math.inf
            timer.wait_until(max(next_ns, handed_ns + SAME_WAKEUP_NS) if idle else next_ns)
            handed_ns = perf_counter_ns()
            waiters = []
            while idle and (intended_ns := schedule.take(handed_ns)) is not None:
                ticket = idle.popleft()
                ticket.intended_ns = intended_ns
                waiters.append(ticket.waiter)
            wake_all(waiters)
