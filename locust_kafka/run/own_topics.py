"""Reply topics of this process's own, for `--kafka-reply-routing topic`: made before the run, deleted after it."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

import gevent
from gevent import subprocess

from locust_kafka.core import wire
from locust_kafka.errors import KafkaPluginError, NotReady
from locust_kafka.kafka.own_topics import COMMAND, TIMEOUT_S, asked_by
from locust_kafka.kafka.properties import mask
from locust_kafka.kafka.ready import see_ready
from locust_kafka.settings import Settings
from locust_kafka.values import topic

logger = logging.getLogger("locust_kafka")


class OwnTopics:
    """The own reply topics of one process and run.

    Args:
        settings: the run's; each of its reply topics gets one of its own.
        generation: what the process's trace ids begin with, which makes the names its own.
    """

    def __init__(self, settings: Settings, generation: str) -> None:
        self._settings = settings
        self._generation = generation
        self._names: dict[str, str] = {}

    def topic_for(self, name: str) -> str:
        """The topic that replies come to instead; the same one when there are no own ones."""
        return self._names.get(name, name)

    def make(self) -> Settings:
        """Make them; the settings that read them.

        Raises:
            NotReady: a broker refused, or none answered; a topic that they are to be like is missing.
            SettingsError: librdkafka refused a setting, or a name would be too long.
        """
        settings = self._settings
        own = {topic(f"{one}-{self._generation}", "a worker's own reply topic"): one for one in settings.reply_topics}
        refusal = gevent.get_hub().threadpool.apply(_unready, (settings,))
        if refusal is not None:
            raise refusal
        trouble = _run_child(settings, own)
        if trouble:
            raise NotReady(
                f"the reply topic {', '.join(sorted(own))} of this worker's own could not be made: {trouble}; "
                "--kafka-reply-routing topic needs CREATE, DESCRIBE, READ and DELETE on it, and DESCRIBE on the one "
                "that it is like"
            )
        self._names = {like: name for name, like in own.items()}
        return replace(settings, reply_topics=frozenset(own))

    def delete(self) -> None:
        """Delete them; what could not be deleted is named in the log."""
        names, self._names = sorted(self._names.values()), {}
        trouble = _run_child(self._settings, {}, names) if names else ""
        if trouble:
            logger.warning("the topics %s could not be deleted: %s", ", ".join(names), trouble)


def _unready(settings: Settings) -> KafkaPluginError | None:
    """Why a run could not begin; returned, for gevent's thread pool prints the traceback of what is raised."""
    try:
        see_ready(settings)
    except KafkaPluginError as refusal:
        return refusal
    return None


def _run_child(settings: Settings, make: Mapping[str, str], delete: Collection[str] = ()) -> str:
    """Have a child process do it; what went wrong, in words, and "" for nothing."""
    try:
        child = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            said, _ = child.communicate(asked_by(settings, make, delete), timeout=TIMEOUT_S)
        finally:
            child.kill()
        answer = json.loads(said)
        return mask(wire.text(answer["words"]), settings.config) if answer else ""
    except (OSError, ValueError, LookupError, TypeError, subprocess.TimeoutExpired) as error:
        return mask(repr(error), settings.config)
