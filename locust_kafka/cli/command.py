"""The command `locust-kafka`: a doctor, a broker to test against, two demonstrations, the plugin's options."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from locust_kafka.cli.doctor.arguments import add_arguments as doctor_arguments
from locust_kafka.cli.lag import add_arguments as lag_arguments
from locust_kafka.cli.watch import add_arguments as watch_arguments
from locust_kafka.embedded import EmbeddedKafkaError
from locust_kafka.errors import SettingsError
from locust_kafka.options import OPTIONS


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse and run; exits 1 with a sentence when something is missing, 2 for a refused option."""
    chosen = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        sys.exit(_COMMANDS[chosen.command](chosen))
    except (EmbeddedKafkaError, SettingsError) as error:
        sys.exit(f"locust-kafka: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="locust-kafka", description="Companions of the Locust plugin locust_kafka.")
    commands = parser.add_subparsers(dest="command", required=True)
    broker = commands.add_parser(
        "broker", help="run a real Apache Kafka, in the foreground or --detach; its data goes with it"
    )
    broker.add_argument("--port", type=int, default=9092, help="of the first broker; 0 takes a free one [9092]")
    broker.add_argument("--brokers", type=int, default=1, choices=(1, 3), help="how many [1]")
    broker.add_argument("--detach", action="store_true", help="return when it is up, and leave it running")
    demo = commands.add_parser("demo", help="Kafka, the waiter and Locust together, with the result explained")
    demo.add_argument("--locustfile", required=True, help="such as locustfiles/closed.py")
    demo.add_argument("--seconds", type=int, default=60, help="how long the load lasts [60]")
    demo.add_argument("--web", action="store_true", help="leave Locust's web UI running instead of a timed run")
    batching = commands.add_parser("batching", help="what the producer's batches do to everybody else, with a picture")
    batching.add_argument("--locustfile", required=True, help="such as locustfiles/batching.py")
    batching.add_argument("--picture", default="batching.svg", help="where to draw it [batching.svg]")
    scaling = commands.add_parser("scaling", help="a service that is scaled under load: lag, rebalances, latency")
    scaling.add_argument("--locustfile", required=True, help="such as locustfiles/open.py")
    scaling.add_argument("--report", default="scaling", help="folder for the report [scaling]")
    doctor = commands.add_parser(
        "doctor", help="look at a cluster and this machine before a load test", allow_abbrev=False
    )  # fmt: skip
    doctor_arguments(doctor)
    watch = commands.add_parser(
        "watch", help="measure requests and replies that others send; it produces nothing", allow_abbrev=False
    )  # fmt: skip
    watch_arguments(watch)
    lag = commands.add_parser("lag", help="how far behind a consumer group is, a line a second", allow_abbrev=False)
    lag_arguments(lag)
    report = commands.add_parser("report", help="make a report again from what runs have left, also of several runs")
    report.add_argument("paths", nargs="+", metavar="PATH", help="folders of --kafka-report, or exchange logs")
    report.add_argument("--out", default="report.html", help="where it goes [report.html]")
    report.add_argument("--reply-timeout", type=float, help="seconds at which the timeouts of exchange logs count")
    commands.add_parser("options", help="explain the --kafka-… options (locust --help does not load the locustfile)")
    return parser


# Each imports what it needs when it is asked for: `locust-kafka options` need not wait for everything else.


def _broker(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli import broker

    return (broker.detach if chosen.detach else broker.run)(chosen.brokers, chosen.port)


def _demo(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.demo import run_demo

    return run_demo(chosen.locustfile, chosen.seconds, web=chosen.web)


def _batching(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.batching import run_lesson

    return run_lesson(chosen.locustfile, chosen.picture)


def _scaling(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.scaling import run_scaling

    return run_scaling(chosen.locustfile, chosen.report)


def _doctor(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.doctor.examine import run_doctor

    return run_doctor(chosen)


def _report(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.report import run_report

    return run_report(chosen.paths, chosen.out, chosen.reply_timeout)


def _watch(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.watch import run_watch

    return run_watch(chosen, _ended_by_signals())


def _lag(chosen: argparse.Namespace) -> int:
    from locust_kafka.cli.lag import run_lag

    return run_lag(chosen, _ended_by_signals())


def _ended_by_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopping.set())
    return stopping


def _options(_chosen: argparse.Namespace) -> int:
    try:
        for option in OPTIONS:
            print(f"{option.flag} {option.metavar}  ({option.env})\n    {option.help} [{option.default or 'none'}]")
        sys.stdout.flush()
    except BrokenPipeError:  # `locust-kafka options | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "broker": _broker, "demo": _demo, "batching": _batching, "scaling": _scaling,
    "doctor": _doctor, "watch": _watch, "lag": _lag,
    "report": _report, "options": _options,
}  # fmt: skip
