"""Laws of a run as a whole, before it has a broker."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from locust_kafka.errors import KafkaPluginError, NotReady
from locust_kafka.run import run as run_module
from locust_kafka.run.run import Run
from locust_kafka.run.spec import RunSpec, State
from locust_kafka.settings import parse
from tests.unit.records import CountedRows


class Draining:
    """A run before, whose drain lasts until it is cut."""

    def __init__(self) -> None:
        self.is_cut = Event()

    def cut(self) -> None:
        self.is_cut.set()

    def finish(self) -> None:
        self.is_cut.wait()


def test_a_cut_reaches_the_run_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C while a run waits for the drain of the one before ends both, not the later one alone."""

    def refuse(*_args: object) -> None:
        raise NotReady("no broker")

    monkeypatch.setattr(run_module, "connect", refuse)
    refused: list[KafkaPluginError] = []
    before = Draining()
    run = Run(RunSpec(parse({})), CountedRows(), lambda: None, refused.append, previous=before)  # type: ignore[arg-type]
    gevent.sleep(0)
    assert run.state is State.STARTING
    run.cut()
    run.finish()
    assert before.is_cut.is_set()
    assert [str(error) for error in refused] == ["no broker"]
