"""The command `waiter-service`, also `python -m waiter_service`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException

from waiter_service.kafka.causes import setting_refused
from waiter_service.kafka.cluster import KafkaUnavailable
from waiter_service.kafka.config import log_librdkafka
from waiter_service.kafka.properties import mask
from waiter_service.kafka.tokens import TokenError
from waiter_service.observe.prometheus import PortTaken
from waiter_service.observe.tracing import TracingUnavailable, tracing_from_environment
from waiter_service.service import Service
from waiter_service.settings import parse

_logger = logging.getLogger("waiter_service")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT; exit 0 then, 1 after a failure, 2 for a refused option."""
    settings = parse(arguments)
    clients = settings.clients
    _start_logging(clients.file.values)
    log_librdkafka(clients)
    for note in settings.notes:
        _logger.info("%s", note)
    for warning in settings.warnings:
        _logger.warning("%s", warning)
    try:
        service = Service(settings, tracing_from_environment(os.environ, clients.group))
    except (KafkaUnavailable, TokenError, TracingUnavailable, PortTaken) as error:
        _logger.error("%s", error)
        sys.exit(1)
    except KafkaException as error:
        _logger.error("%s", setting_refused(error.args[0].str(), clients.file.lines, clients.path or "the options"))
        sys.exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: service.request_stop())
    service.start()
    service.watch()
    signal.signal(signal.SIGINT, lambda _number, _frame: sys.exit(130))  # a second Ctrl-C does not wait
    service.stop()
    if service.crash is not None:
        _logger.error("stopped by a failure: %s", service.crash_text)
        sys.exit(1)


class _MaskingFormatter(logging.Formatter):
    """Puts *** for the values of secret settings, whoever wrote the sentence."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record), self._secrets)


def _start_logging(secrets: Mapping[str, str]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MaskingFormatter(secrets))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # A traceback may quote a setting: it goes through the formatter, too.
    sys.excepthook = lambda kind, error, trace: _logger.critical("a bug", exc_info=(kind, error, trace))


if __name__ == "__main__":
    main()
