"""A minimal echo: one thread, key, value and headers back on the reply topic.  echo.py BOOTSTRAP REQUESTS REPLIES."""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, Producer, TopicPartition


def main() -> None:
    bootstrap, requests, replies = sys.argv[1:]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "echo", "fetch.wait.max.ms": 50})
    numbers = consumer.list_topics(requests, timeout=10).topics[requests].partitions
    consumer.assign([TopicPartition(requests, number, 0) for number in numbers])
    config = {"linger.ms": 0, "max.in.flight": 1, "acks": 1, "queue.buffering.max.messages": 1_000_000}
    producer = Producer({"bootstrap.servers": bootstrap, **config})
    print("ready", flush=True)
    while True:
        first = consumer.poll(0.1)
        if first is not None:
            for message in (first, *consumer.consume(1000, 0)):
                producer.produce(replies, message.value(), key=message.key(), headers=message.headers())
        producer.poll(0)


if __name__ == "__main__":
    main()
