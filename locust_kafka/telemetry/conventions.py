"""Names of attributes and events.

Source: OpenTelemetry semantic conventions 1.44, messaging spans and Kafka.  Kept as our own constants, for the
conventions package moves them between modules while they are in development.
"""

from __future__ import annotations

SYSTEM = "messaging.system"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
KEY = "messaging.kafka.message.key"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
CONVERSATION = "messaging.message.conversation_id"
ERROR_TYPE = "error.type"
SERVICE_NAME = "service.name"
SERVICE_INSTANCE = "service.instance.id"
HOST_NAME = "host.name"
IP = "ip"

# Our own, under our own name.
OUTCOME = "locust_kafka.outcome"
VERDICT = "locust_kafka.verdict"
KEPT = "locust_kafka.kept"
LATENCY_MS = "locust_kafka.latency_ms"
LEG_MS = {leg: f"locust_kafka.leg.{leg}_ms" for leg in ("schedule", "request", "service", "reply", "ack")}
SERVER_TIMING_MS = "server_timing.dur_ms"

SEND_START = "send start"
PRODUCE_RETURNED = "produce returned"
BROKER_ACK = "broker ack"
LOG_APPEND = "log append"
FIRST_REPLY = "first reply"
