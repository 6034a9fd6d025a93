"""What librdkafka's errors mean for a run that is under way."""

from __future__ import annotations

from confluent_kafka import KafkaError

# librdkafka's own codes begin with an underscore; they are public all the same.
DOUBTFUL = {
    KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART,  # noqa: SLF001
}  # fmt: skip
"""Errors that may pass: somebody has to ask the cluster."""
FINAL = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET, KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_MSG, KafkaError._BAD_MSG,  # noqa: SLF001
    KafkaError._BAD_COMPRESSION, KafkaError.UNSUPPORTED_VERSION,  # noqa: SLF001
}  # fmt: skip
"""Errors after which replies are missing, or will be.  (A group is only a name here: it may be forbidden.)"""


def words_of(error: KafkaError | BaseException | None) -> str:
    """Librdkafka's words of an error, in whatever it was wrapped."""
    while isinstance(error, BaseException):
        if error.args and isinstance(error.args[0], KafkaError):
            error = error.args[0]
        elif error.__cause__ is not None:
            error = error.__cause__
        else:
            return repr(error)
    return "" if error is None else str(error.str())
