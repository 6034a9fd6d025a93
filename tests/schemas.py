"""The three formats that confluent-kafka has with a schema registry, each as a pair of serializer and deserializer."""

from __future__ import annotations

from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

AVRO = """{"type": "record", "name": "Answer", "fields": [
  {"name": "guest", "type": "string"}, {"name": "table", "type": "int"}]}"""
JSON = """{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Order", "type": "object",
  "properties": {"guest": {"type": "string"}}, "required": ["guest"]}"""

PROTOBUF_SUBJECT = "Order-protobuf"


def _protobuf_class() -> Any:
    """`message Order { string guest = 1; }`, as protoc would make it."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package="waiter", syntax="proto3")
    field = file.message_type.add(name="Order").field.add(name="guest", number=1)
    field.type, field.label = field.TYPE_STRING, field.LABEL_OPTIONAL
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("waiter.Order"))


Order: Any = _protobuf_class()


def client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url, "timeout": 5})


def json_schema(registry: SchemaRegistryClient) -> tuple[JSONSerializer, JSONDeserializer]:
    return JSONSerializer(JSON, registry), JSONDeserializer(JSON, schema_registry_client=registry)


def protobuf(registry: SchemaRegistryClient) -> tuple[ProtobufSerializer, ProtobufDeserializer]:
    # Apicurio 3.3.3 takes a Protobuf schema in confluent-kafka's form, and cannot give it back to another client.  Under
    # one subject the client that has registered it finds it in its own cache.
    conf = {"use.deprecated.format": False, "subject.name.strategy": lambda _context, _record: PROTOBUF_SUBJECT}
    return ProtobufSerializer(Order, registry, conf), ProtobufDeserializer(Order, conf, registry)


def avro(registry: SchemaRegistryClient) -> tuple[AvroSerializer, AvroDeserializer]:
    return AvroSerializer(registry, AVRO), AvroDeserializer(registry)
