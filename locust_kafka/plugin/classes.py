"""Locust's user classes that are ours, and what their attributes say: they go before the options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from locust_kafka.errors import SettingsError
from locust_kafka.exchange.matching import Match
from locust_kafka.gates import read_checks
from locust_kafka.options import OPTIONS
from locust_kafka.plugin.payloads import Hook, hook
from locust_kafka.settings import MAX_TIMEOUT_S, Settings, same_cluster
from locust_kafka.values import Given, number, one_of, rate, topic

OWN, SHARED = "own", "shared"


class KafkaAttributes:
    """What a user class can say of Kafka, as class attributes; None leaves it to the option."""

    tasks: Any
    """Locust's."""

    bootstrap: str | None = None
    """Brokers, `host:port,...`; one cluster in a run.  Option --kafka-bootstrap."""

    request_topic: Any = None
    """Where its requests go.  Option --kafka-request-topic."""

    reply_topic: Any = None
    """Where the replies to them come; sent along as `reply-to`.  Option --kafka-reply-topic."""

    reply_timeout: Any = None
    """How long a reply may take, in seconds.  Option --kafka-reply-timeout."""

    rate: float | str | None = None
    """Arrivals per second in total (open model); text as in --kafka-rate."""

    producers: ClassVar[str] = "own"
    """`own`: a producer per user, as a service instance each would have; `shared`: one for the whole process."""

    checks: ClassVar[str | Sequence[str]] = ()
    """What must hold at the end of a run, as in --kafka-check; those of all classes and of the option count."""

    match: ClassVar[Match | None] = None
    """Two extractors, request → id and reply → id, for services that --kafka-match cannot describe."""

    serializer: ClassVar[Any] = None
    """Makes bytes of each request's value: confluent-kafka's own, or `(value, context)` → bytes, text or None."""

    deserializer: ClassVar[Any] = None
    """Makes `reply.value` of each reply's bytes: confluent-kafka's own, or `(bytes, context)` → anything."""


class ClassSettings(NamedTuple):
    """What holds for the users of one class."""

    request_topic: str
    reply_topic: str
    reply_timeout_s: float
    shared_producer: bool
    serializer: Hook | None = None
    deserializer: Hook | None = None


def kafka_users(user_classes: Iterable[Any]) -> list[type[KafkaAttributes]]:
    """Those of Locust's user classes that are ours."""
    return [c for c in user_classes if issubclass(c, KafkaAttributes)]


def class_settings(settings: Settings, user_class: type[KafkaAttributes]) -> ClassSettings:
    """One class's attributes over the settings.

    Raises:
        SettingsError: an attribute was refused.
    """
    name = user_class.__name__
    request_topic, reply_topic, timeout_s = user_class.request_topic, user_class.reply_topic, user_class.reply_timeout
    return ClassSettings(
        settings.request_topic if request_topic is None else topic(request_topic, f"{name}.request_topic"),
        settings.reply_topic if reply_topic is None else topic(reply_topic, f"{name}.reply_topic"),
        settings.reply_timeout_s
        if timeout_s is None
        else number(timeout_s, f"{name}.reply_timeout", 0.001, MAX_TIMEOUT_S),
        one_of(user_class.producers, f"{name}.producers", OWN, SHARED) == SHARED,
        _hook(user_class, "serializer"),
        _hook(user_class, "deserializer"),
    )


def _hook(user_class: type[KafkaAttributes], attribute: str) -> Hook | None:
    given = getattr(user_class, attribute)
    try:
        return None if given is None else hook(given, f"{user_class.__name__}.{attribute}")
    except TypeError as refused:
        raise SettingsError(str(refused)) from None


def passed_over(given: Mapping[str, Given], classes: Iterable[type[KafkaAttributes]]) -> Iterable[str]:
    """Sentences about options that somebody gave, and that a class attribute goes before."""
    defaults = {option.dest: option.default for option in OPTIONS}
    for user_class in classes:
        for attribute in ("request_topic", "reply_topic", "reply_timeout", "rate"):
            dest, own = f"kafka_{attribute}", getattr(user_class, attribute)
            option = given.get(dest)
            if own is None or option is None or str(option.value) in (str(own), defaults[dest]):
                continue
            yield (
                f"{option.source} {option.value} is passed over for {user_class.__name__}: its class attribute "
                f"{attribute} = {own!r} goes first"
            )


def settings_for(settings: Settings, user_classes: Iterable[type[KafkaAttributes]]) -> Settings:
    """The settings with all class attributes over the options.

    Raises:
        SettingsError: an attribute was refused, a class has no task, the classes name several clusters or rates, or a
            topic is used for requests and for replies.
    """
    classes = list(user_classes)
    each = [class_settings(settings, user_class) for user_class in classes]
    for user_class in classes:
        if not user_class.tasks:
            raise SettingsError(
                f"the user class {user_class.__name__} has no task to run: decorate a method with @task"
                " (or look whether --tags leaves any)"
            )
    if len({user_class.match for user_class in classes}) > 1:
        raise SettingsError("the user classes name several ways to match replies (match): a run has one")
    settings = _one_cluster(settings, classes)
    rates = {rate(c.rate, f"{c.__name__}.rate"): str(c.rate) for c in classes if c.rate is not None}
    if len(rates) > 1:
        raise SettingsError(f"the user classes name several rates ({', '.join(sorted(rates.values()))}): a run has one")
    requests = frozenset(one.request_topic for one in each) or settings.request_topics
    replies = frozenset(one.reply_topic for one in each) or settings.reply_topics
    refuse_same_topic(requests, replies)
    checks = (check for c in classes for check in read_checks(c.checks, f"{c.__name__}.checks"))
    return replace(
        settings,
        checks=tuple(dict.fromkeys((*settings.checks, *checks))),
        rate=next(iter(rates), settings.rate),
        request_topics=requests,
        reply_topics=replies,
        longest_timeout_s=max((one.reply_timeout_s for one in each), default=settings.reply_timeout_s),
    )


def refuse_same_topic(requests: Iterable[str], replies: Iterable[str]) -> None:
    """Refuse to send to a topic that is read for replies: every request would be taken for its own reply.

    Raises:
        SettingsError: a topic is in both.
    """
    both = sorted(set(requests) & set(replies))
    if both:
        raise SettingsError(
            f"the topic {both[0]!r} is used for requests and for replies: each request would be read as its own reply; "
            "use two topics"
        )


def _one_cluster(settings: Settings, classes: list[type[KafkaAttributes]]) -> Settings:
    named = {user_class.__name__: user_class.bootstrap for user_class in classes if user_class.bootstrap is not None}
    for name, servers in named.items():
        if not isinstance(servers, str) or not servers.strip():
            raise SettingsError(f"{name}.bootstrap {servers!r} names no broker: give host:port,...")
    first = next(iter(named), None)
    if first is None:
        return settings
    servers = named[first]
    others = [f"{other} by {name}.bootstrap" for name, other in named.items() if not same_cluster(other, servers)]
    given = settings.bootstrap_source != "the default"
    if (given or len(named) < len(classes)) and not same_cluster(settings.bootstrap, servers):
        others.append(f"{settings.bootstrap} by {settings.bootstrap_source}")
    if others:
        raise SettingsError(
            f"several clusters are named: {servers} by {first}.bootstrap and {', '.join(others)}; "
            "a run has one: use one run for each"
        )
    return replace(settings, bootstrap=servers, bootstrap_source=f"{first}.bootstrap")
