"""librdkafka's settings for our clients: the user's over ours, except what the books depend on."""

from __future__ import annotations

import re
from typing import Any

from locust_kafka.kafka.login import login_config
from locust_kafka.kafka.presets import PRESETS
from locust_kafka.settings import Settings

MIN_MESSAGE_TIMEOUT_S = 1.0
MAX_IDEMPOTENT_IN_FLIGHT = 5
FETCH_QUEUE_BACKOFF_MS = 10
"""How long the reply consumer's full queue keeps it from fetching."""
WINDOW_MS = 1_000
"""How often a watched producer gives its statistics, unless the user says otherwise."""
_ALL_REPLICAS = (None, "all", "-1")


def producer_config(
    settings: Settings, *, shared: bool, longest_timeout_s: float, watched: bool = False
) -> dict[str, Any]:
    """For a request producer.

    It sends as a client does by default (`presets`); the user's own settings go before that.
    `message.timeout.ms` lies a second before the longest reply timeout (librdkafka looks once a second): otherwise
    nothing would ever be UNDELIVERED; before a shorter one it would say so of records that still may arrive.

    Args:
        settings: the run's.
        shared: whether all users of the process send with it.
        longest_timeout_s: the longest reply timeout of the requests it will send.
        watched: whether somebody takes its statistics; where nobody does it makes none, which costs time.
    """
    users, preset = login_config(settings, "producer"), PRESETS[settings.producer_like]
    idempotent, in_flight = not_idempotent(settings) == "", int(preset["max.in.flight"])
    return {
        **preset,
        "enable.idempotence": idempotent,
        "max.in.flight": min(in_flight, MAX_IDEMPOTENT_IN_FLIGHT) if idempotent else in_flight,
        "message.timeout.ms": int(max(MIN_MESSAGE_TIMEOUT_S, longest_timeout_s - 1) * 1000),
        "queue.buffering.max.messages": 1_000_000 if shared else 10_000,
        "socket.nagle.disable": True,
        "log_level": 0,  # its lines would go to stderr from C; errors reach us through callbacks
        # Topics are looked for by a consumer: a producer's own look would create a misspelt one.
        "allow.auto.create.topics": False,
        "statistics.interval.ms": WINDOW_MS,
        **users,
        **({} if watched else {"statistics.interval.ms": 0}),
    }


def has_own_message_timeout(settings: Settings) -> bool:
    """Whether the user has set how long a record may wait for its delivery: then we leave it alone."""
    return "message.timeout.ms" in settings.client_config("producer")


def not_idempotent(settings: Settings) -> str:
    """Why the producer is not idempotent, as who decides it is known to the user; "" when it is.

    The generator must make no duplicates itself: without idempotence it may, after an error.
    """
    users = settings.client_config("producer")
    asked = str(users.get("enable.idempotence", "")).lower()
    if asked:
        return f"enable.idempotence={asked}" if asked in ("false", "0") else ""
    preset = "" if PRESETS[settings.producer_like]["enable.idempotence"] else settings.producer_like
    return gives_up_idempotence(users) or (preset and f"--kafka-producer-like {preset}")


def gives_up_idempotence(config: dict[str, Any]) -> str:
    """The setting of the user's that an idempotent producer cannot have; "" for none.

    The reader of the file has put the names that librdkafka has two of into one form.
    The Java client does the same: idempotence is its default, and gives way to `acks=1` unless it was asked for.
    """
    if "enable.idempotence" in config:
        return ""
    if config.get("acks") not in _ALL_REPLICAS:
        return f"acks={config['acks']}"
    if config.get("retries") == "0":
        return "retries=0"
    in_flight = str(config.get("max.in.flight", "1"))
    most = int(in_flight) if re.fullmatch("[0-9]{1,9}", in_flight) else 0  # what is no number, librdkafka refuses
    return f"max.in.flight={in_flight}" if most > MAX_IDEMPOTENT_IN_FLIGHT else ""


def consumer_config(settings: Settings) -> dict[str, Any]:
    """For the reply consumer: partitions are assigned by hand, so its group is a name without members or offsets."""
    return {
        "group.id": "locust-kafka",
        "fetch.wait.max.ms": 100,
        # librdkafka fetches no more for a whole second once its queue is full: a second that the service never took.
        "fetch.queue.backoff.ms": FETCH_QUEUE_BACKOFF_MS,
        "socket.nagle.disable": True,
        "log_level": 0,
        **login_config(settings, "consumer"),
        "enable.auto.commit": False,
        "enable.partition.eof": False,
        # Offsets are explicit; one out of range means that replies are gone, which must not pass in silence.
        "auto.offset.reset": "error",
        # Topics are looked at before any produce, and a look must not create a misspelt one.
        "allow.auto.create.topics": False,
    }


def probe_config(settings: Settings) -> dict[str, Any]:
    """For the consumer that tries whether replies can be read: it reports when it has reached a partition's end."""
    return {**consumer_config(settings), "enable.partition.eof": True, "fetch.wait.max.ms": 10}


def cluster_config(settings: Settings) -> dict[str, Any]:
    """For the consumer that asks about topics: it sees a log's end also where a transaction is open."""
    return {**consumer_config(settings), "isolation.level": "read_uncommitted"}
