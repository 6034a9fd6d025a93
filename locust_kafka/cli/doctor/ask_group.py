"""Asks which consumer group reads the request topic, and how far behind it is."""

from __future__ import annotations

from confluent_kafka import KafkaException

from locust_kafka.cli.doctor.facts import GroupFacts
from locust_kafka.core.group import GroupSample
from locust_kafka.kafka.causes import BrokerError
from locust_kafka.kafka.config import cluster_config
from locust_kafka.kafka.lag import GroupReader
from locust_kafka.options import AUTO, OFF
from locust_kafka.settings import Settings


def ask_group(settings: Settings) -> GroupFacts | None:
    """Look once, as a run would each second.

    Args:
        settings: the run's.

    Returns:
        None when --kafka-group is off.
    """
    if settings.group == OFF:
        return None
    reader = GroupReader(cluster_config(settings), sorted(settings.request_topics))
    try:
        names = reader.find() if settings.group == AUTO else [settings.group]
        sample = GroupSample.from_wire(reader.look(names[0])) if len(names) == 1 else None
    except LookupError as error:
        return GroupFacts(trouble=BrokerError("", str(error.args[0])))
    except (KafkaException, TimeoutError) as error:
        what = error.args[0] if isinstance(error, KafkaException) else None
        said = BrokerError("_TIMED_OUT", "no answer in time") if what is None else BrokerError(what.name(), what.str())
        return GroupFacts(trouble=said)
    return GroupFacts(tuple(names), sample)
