"""A service that answers in transactions, and aborts one in five: its replies count at commit, the aborted never."""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, Producer

ABORT_EACH = 5


def main() -> None:
    """Read, answer, commit offsets and replies together; an aborted batch is answered anew."""
    bootstrap, requests, replies = sys.argv[1:]
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": requests, "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    consumer.subscribe([requests])
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": requests})
    producer.init_transactions(30)
    print("ready", flush=True)
    number = 0
    while True:
        messages = [message for message in consumer.consume(50, 0.05) if message.error() is None]
        if not messages:
            continue
        number += 1
        if number % ABORT_EACH == 0:
            _answer(producer, replies, messages)
            producer.flush(10)
            producer.abort_transaction(30)
        _answer(producer, replies, messages)
        positions = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 30)
        producer.commit_transaction(30)


def _answer(producer: Producer, topic: str, messages: list[object]) -> None:
    producer.begin_transaction()
    for message in messages:
        headers = dict(message.headers())  # type: ignore[attr-defined]
        producer.produce(topic, b"answered", headers={"traceparent": headers["traceparent"]})
        producer.poll(0)


if __name__ == "__main__":
    main()
