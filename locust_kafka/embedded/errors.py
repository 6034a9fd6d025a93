"""The one error of this room."""


class EmbeddedKafkaError(RuntimeError):
    """The broker could not be fetched or started; the message says why and what to do."""
