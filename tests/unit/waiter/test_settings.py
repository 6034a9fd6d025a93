"""Options: flags, variables, the file, and sentences for what is refused."""

from __future__ import annotations

import pytest

from waiter_service.settings import parse


def test_options_are_flags_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag beats its WAITER_* variable, which beats the default."""
    monkeypatch.setenv("WAITER_WAITERS", "7")
    monkeypatch.setenv("WAITER_LATE", "5%:3s")
    settings = parse(["--producers", "2"])
    assert (settings.waiters, settings.producers, settings.consumers) == (7, 2, 1)
    assert (settings.behaviour.late, settings.behaviour.late_s) == (0.05, 3.0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--wait", "500"], "'500' is not a duration: write a number and a unit, such as 500ms or 3s"),
        (["--wait", "uniform:5ms"], "names no range"),
        (["--wait", "uniform:9ms-5ms"], "the lower end is above the upper one"),
        (["--wait", "lognormal:5ms:x"], "sigma is a number from 0 to 5"),
        (["--drop", "150%"], "'150%' is not a share: write 0% to 100%, or 0 to 1"),
        (["--late", "5%"], "says no delay"),
        (["--waiters", "0"], "'0' is not a whole number from 1 to 10000"),
        (["--config", "no/such"], "'no/such' cannot be read"),
        (["--wiaters", "5"], "unrecognized arguments: --wiaters"),
    ],
)
def test_refused_options_get_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused value is named with what is accepted, and the exit code is 2."""
    with pytest.raises(SystemExit) as exit_info:
        parse(arguments)
    assert exit_info.value.code == 2
    assert sentence in capsys.readouterr().err
