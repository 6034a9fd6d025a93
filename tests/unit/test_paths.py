"""Files are written where they were told to be, and never through a symbolic link."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from locust_kafka.cli.report import run_report
from locust_kafka.core.results import RunResults
from locust_kafka.errors import SettingsError
from locust_kafka.exchange.measure import Measure
from locust_kafka.paths import LINK, PIPE, make_folder, open_output, writable_file, writable_folder, write_output
from locust_kafka.report import folder, summary
from locust_kafka.report.exchange_log import ExchangeLog
from locust_kafka.settings import parse
from locust_kafka.values import Given

PRECIOUS = "precious"
FILES = (folder.SUMMARY, folder.REPORT, folder.JUNIT, folder.HISTORY, folder.PERCENTILES)
WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_output(path, "x"),
    "added text": lambda path: write_output(path, "x", os.O_APPEND),
    "summary": lambda path: summary.write(RunResults(), str(path)),
    "exchange log": lambda path: ExchangeLog(str(path), Measure(RunResults())),
    **{name: lambda path: folder.write(path.parent, RunResults(), [], [], {}) for name in FILES},
}


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_is_not_followed(writer: str, tmp_path: Path) -> None:
    """Whoever may write into the folder cannot make a run overwrite what the link leads to; the error says why."""
    victim, link = tmp_path / "victim", tmp_path / "out" / (writer if writer in FILES else "log.csv")
    victim.write_text(PRECIOUS)
    link.parent.mkdir()
    link.symlink_to(victim)
    with pytest.raises(OSError, match=LINK):
        WRITERS[writer](link)
    assert victim.read_text() == PRECIOUS


@pytest.mark.parametrize("reader", [False, True])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, *, reader: bool) -> None:
    """Opening one for writing waits for a reader, perhaps for ever: it is an error at once, before a run and after."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if reader else -1
    with pytest.raises(OSError, match=PIPE):
        write_output(path, "x")
    with pytest.raises(SettingsError, match=PIPE):
        writable_file(str(path), "--kafka-summary")
    if reader:
        os.close(descriptor)


def test_a_text_is_whole_or_not_there(tmp_path: Path) -> None:
    """Where the disk is full half a document would be taken for one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_output(tmp_path / "large", "x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "large").exists()


def test_no_file_serves_two_purposes(tmp_path: Path) -> None:
    """A summary over an exchange log, or over the client settings, would destroy it: refused, however it is written."""
    one = {"kafka_summary": Given(str(tmp_path / "a"), "--kafka-summary")}
    for dest, path in (("kafka_exchange_log", tmp_path / "a"), ("kafka_config", tmp_path / "b" / ".." / "a")):
        (tmp_path / "b").mkdir(exist_ok=True)
        with pytest.raises(SettingsError, match="are the same file"):
            parse({**one, dest: Given(f" {path}", "--other")})
    assert parse({**one, "kafka_exchange_log": Given(str(tmp_path / "c"), "--other")}).summary == str(tmp_path / "a")


def test_a_link_that_leads_nowhere_makes_no_file(tmp_path: Path) -> None:
    """Nothing is created at its end, as a plain open would."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=LINK):
        open_output(tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_a_link_is_not_filled(tmp_path: Path) -> None:
    """The report's own folder is its last component too."""
    (tmp_path / "other").mkdir()
    (tmp_path / "report").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=LINK):
        folder.write(tmp_path / "report", RunResults(), [], [], {})
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("option", ["kafka_report", "kafka_summary", "kafka_exchange_log"])
def test_a_link_is_refused_before_the_run(option: str, tmp_path: Path) -> None:
    """The sentence names the option, the path, and what to give instead."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError) as refused:
        parse({option: Given(str(link), "--the-option")})
    assert str(refused.value) == f"--the-option '{link}' is refused: {LINK}; give the path that it leads to"


@pytest.mark.parametrize(("check", "place"), [
    (writable_file, "no/such/file"), (writable_file, "folder"), (writable_file, "\0"), (writable_file, "x" * 300),
    (writable_folder, "file"), (writable_folder, "no/such/folder"), (writable_folder, "\0"), (writable_folder, "x" * 300),
])  # fmt: skip
def test_a_refusal_is_one_sentence(check: Callable[[str, str], str], place: str, tmp_path: Path) -> None:
    """It names the option once, whatever is wrong with the place."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as refused:
        check(f"{tmp_path}/{place}", "--the-option")
    assert str(refused.value).count("--the-option") == 1


def test_the_command_that_makes_reports_again_refuses_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`locust-kafka report --out LINK`: exit code 3, one sentence, and nothing is written."""
    folder.write(tmp_path / "run", RunResults(), [], [], {})
    (tmp_path / "victim").write_text(PRECIOUS)
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    assert run_report([str(tmp_path / "run")], str(tmp_path / "link"), None) == 3
    assert LINK in capsys.readouterr().err
    assert (tmp_path / "victim").read_text() == PRECIOUS


def test_permissions_are_the_umasks(umask: int, tmp_path: Path) -> None:
    """Files and folders that a run makes can be read by whom the user's umask lets read them."""
    folder.write(tmp_path / "report", RunResults(), [], [], {})
    log = ExchangeLog(str(tmp_path / "log.csv.gz"), Measure(RunResults()))
    log.close()
    for path in [*(tmp_path / "report").iterdir(), tmp_path / "log.csv.gz"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask, path
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o777 & ~umask
    assert gzip.decompress((tmp_path / "log.csv.gz").read_bytes()).startswith(b"trace_id,")


def test_a_file_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    """A shorter text leaves nothing of a longer one; an added text leaves all of it."""
    path = tmp_path / "file"
    for text in ("a long text", "short"):
        write_output(path, text)
        assert path.read_text() == text
    write_output(path, "er", os.O_APPEND)
    assert path.read_text() == "shorter"
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
