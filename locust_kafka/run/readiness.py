"""Before the first user: settings that librdkafka takes, a broker that answers, topics that exist."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent
from confluent_kafka import KafkaException, Producer

from locust_kafka.errors import NotReady, SettingsError
from locust_kafka.hub.queue import HubQueue
from locust_kafka.kafka.config import consumer_config, producer_config
from locust_kafka.kafka.consumer import ReplyBatch, ReplyConsumer
from locust_kafka.settings import Settings

if TYPE_CHECKING:
    from locust_kafka.plugin.user import KafkaUser

# A native thread's stamp waits for the GIL: with the default of 5 ms it came 2.9 ms late at the median, with this 0.65.
SWITCH_INTERVAL_S = 0.0005
GC_THRESHOLDS = (5_000, 50, 50)
"""Requests under way are young objects: the collector's usual 700 would have it look at them again and again."""


def prepare_process() -> None:
    """Have the interpreter switch threads soon, and collect seldom and little.

    Also have `inspect` make up its mind now about all modules: Locust asks it who stops the run, before it tells
    anybody, and the first answer held the hub for 20 ms and more, while arrivals were still due.
    """
    inspect.stack()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.unfreeze()  # an earlier run may be garbage by now
    gc.collect()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()  # what is loaded by now is never garbage: each collection is spared the look (hub lag 48 → 9 ms)


def connected(settings: Settings, classes: Iterable[type[KafkaUser]], heard: HubQueue[ReplyBatch]) -> ReplyConsumer:
    """A reply consumer at the reply topics' end offsets, not listening yet.

    Args:
        settings: the run's.
        classes: the user classes, for their topics.
        heard: where it will hand over what it hears.

    Raises:
        SettingsError: librdkafka refused a setting.
        NotReady: no broker answers, or a topic is missing.
    """
    try:
        consumer = ReplyConsumer(consumer_config(settings), heard)
        Producer(producer_config(settings, shared=True))  # a refused setting is refused before any user starts
    except KafkaException as error:
        raise SettingsError(f"librdkafka refused a setting: {settings.masked(error.args[0].str())}") from error
    requests = {c.request_topic or settings.request_topic for c in classes}
    replies = {c.reply_topic or settings.reply_topic for c in classes}
    # In a real thread: a broker that does not answer must stop neither the web UI nor a worker's heartbeat.
    refusal = gevent.get_hub().threadpool.apply(_refusal, (consumer, requests, replies))
    if refusal is not None:
        raise refusal
    return consumer


def _refusal(consumer: ReplyConsumer, request_topics: set[str], reply_topics: set[str]) -> NotReady | None:
    """Connect; an error is returned, for gevent's thread pool prints the traceback of one that is raised."""
    try:
        consumer.connect(request_topics, reply_topics)
    except NotReady as refusal:
        return refusal
    return None
