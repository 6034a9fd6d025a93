"""The command `waiter-service`, also `python -m waiter_service`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

from confluent_kafka import KafkaException

from waiter_service.kafka.topics import KafkaUnavailable
from waiter_service.observe import tracing
from waiter_service.observe.counters import logger
from waiter_service.observe.prometheus import PortTaken
from waiter_service.service import Service
from waiter_service.settings import parse


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; exit 0 then, 1 after a failure, 2 for a refused option."""
    settings = parse(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    try:
        service = Service(settings, tracing.start(os.environ, settings.group))
    except (KafkaUnavailable, tracing.TracingUnavailable, PortTaken) as error:
        logger.error("%s", error)
        sys.exit(1)
    except KafkaException as error:
        logger.error("librdkafka refused a setting: %s", error.args[0].str())
        sys.exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: service.request_stop())
    service.start()
    service.watch()
    signal.signal(signal.SIGINT, lambda _number, _frame: sys.exit(130))  # a second Ctrl-C does not wait
    service.stop()
    if service.crash is not None:
        logger.error("stopped by a failure: %s", service.crash)
        sys.exit(1)


if __name__ == "__main__":
    main()
