"""Avro with a schema registry: the request's value is a dict, and so is the reply's (docs/payloads.md).

REGISTRY_URL=http://localhost:8081 locust -f docs/examples/avro.py --headless -u 50 -t 30s
"""

import os

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from locust import task

from locust_kafka import KafkaUser

ORDER = """{
  "type": "record", "name": "Order",
  "fields": [{"name": "guest", "type": "string"}, {"name": "item", "type": "int"}]
}"""

# Made once and shared by all users: the schema is registered once, and the replies' schemas are remembered.
registry = SchemaRegistryClient({"url": os.environ.get("REGISTRY_URL", "http://localhost:8081"), "timeout": 5})


class AvroGuest(KafkaUser):
    """Somebody whose service speaks Avro."""

    serializer = AvroSerializer(registry, ORDER)
    deserializer = AvroDeserializer(registry)

    @task
    def order(self) -> None:
        """One exchange; a reply that cannot be deserialized is a failed row."""
        with self.kafka.request({"guest": "Ada", "item": 7}, name="order", catch_response=True) as reply:
            if reply and reply.value["guest"] != "Ada":
                reply.failure("not the reply to this order")
