"""`locust-kafka lag`: how far behind a consumer group is, a line a second."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

from locust_kafka.cli.given import MAX_SECONDS, add_options, given_settings, seconds_of
from locust_kafka.core import wire
from locust_kafka.core.group import GroupSample, GroupTracker
from locust_kafka.errors import EXIT_NOT_STARTED, KafkaPluginError, SettingsError
from locust_kafka.kafka.lag import COMMAND, asked_by
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.ready import see_ready
from locust_kafka.options import OFF
from locust_kafka.settings import Settings

FLAGS = ("bootstrap", "config", "oauth-callback", "request-topic", "group")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Put the command's options into its parser."""
    add_options(parser, FLAGS)
    parser.add_argument("--seconds", type=float, metavar="S", help="how long to look [until Ctrl-C]")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, as it was read")


def run_lag(chosen: argparse.Namespace, stopping: threading.Event) -> int:
    """Print looks until `stopping` is set or the time is over; the exit code: 0, or 3 when there is nothing to look at.

    Args:
        chosen: the parsed command line.
        stopping: ends it.
    """
    try:
        seconds = seconds_of(chosen)
        settings, _notes = given_settings(chosen, os.environ)
        if settings.group == OFF:
            raise SettingsError("--kafka-group off leaves nothing to look at: give the group's name, or auto")
        see_ready(replace(settings, reply_topics=frozenset()))
    except KafkaPluginError as error:
        print(f"locust-kafka lag: {error}", file=sys.stderr)
        return EXIT_NOT_STARTED
    child = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    assert child.stdin is not None
    child.stdin.write(asked_by(settings))
    child.stdin.flush()
    printer = threading.Thread(target=_print_all, args=(child, settings, chosen.json), daemon=True)
    printer.start()
    until_s = time.monotonic() + (MAX_SECONDS if seconds is None else seconds)
    while printer.is_alive() and not stopping.wait(0.1) and time.monotonic() < until_s:
        pass
    over = not printer.is_alive()
    child.kill()
    child.wait()
    return EXIT_NOT_STARTED if over else 0


def _print_all(child: subprocess.Popen[str], settings: Settings, as_json: bool) -> None:
    assert child.stdout is not None
    watch = GroupTracker("")
    for line in child.stdout:
        try:
            watch = print_line(line, watch, settings, as_json=as_json)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            print(
                f"locust-kafka lag: the group's reader said what cannot be read: {error}", file=sys.stderr, flush=True
            )


def print_line(line: str, watch: GroupTracker, settings: Settings, *, as_json: bool) -> GroupTracker:
    """Print what one line of the reader says; the tracker for the next one.

    Raises:
        LookupError, TypeError, ValueError, AttributeError, RecursionError: it is not of the reader's form.
    """
    data = json.loads(line)
    if "trouble" in data:
        print(f"locust-kafka lag: {mask(wire.text(data['trouble']), settings.config)}", file=sys.stderr, flush=True)
    elif as_json:
        print(line.rstrip(), flush=True)
    elif "group" in data:
        name = wire.text(data["group"])
        print(f"consumer group {name} on {settings.request_topic}", flush=True)
        return GroupTracker(name)
    else:
        look, said = GroupSample.from_wire(data), len(watch.results.events)
        watch.add_sample(look)
        for event in watch.results.events[said:]:
            print(f"{_time(event.at_s)}  {event.words}", flush=True)
        lag = "not known: nothing was ever committed" if look.lag is None else f"{look.lag} records"
        count = len(look.members)
        members = "1 member" if count == 1 else f"{count} members"
        print(f"{_time(look.at_s)}  lag {lag}, {members}, {look.state.lower()}", flush=True)
    return watch


def _time(at_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_s))
