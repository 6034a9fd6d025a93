"""A real Apache Kafka without Docker and without an installed Java (extra `embedded`)."""

from locust_kafka.embedded.broker import EmbeddedKafka
from locust_kafka.embedded.errors import EmbeddedKafkaError
from locust_kafka.embedded.node import Listener

__all__ = ["EmbeddedKafka", "EmbeddedKafkaError", "Listener"]
