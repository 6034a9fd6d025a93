"""A real Apache Kafka without Docker and without an installed Java (extra `embedded`)."""

from locust_kafka.embedded.broker import EmbeddedKafka, EmbeddedKafkaError

__all__ = ["EmbeddedKafka", "EmbeddedKafkaError"]
