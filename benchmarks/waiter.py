"""`make bench`: replies a second and CPU a reply of the waiter, 1 consumer, 4 waiter threads, 1 producer, no wait."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from locust_kafka.embedded import EmbeddedKafka
from tests.support import Process, Waiter, free_port

REQUESTS = 100_000
TOPICS = ("waiter-requests", "waiter-replies")


def main() -> None:
    port = free_port()
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    print("| waiter | replies/s | CPU µs a reply |\n|---|--:|--:|", flush=True)
    with (
        Process([sys.executable, "-m", "benchmarks.collector", "ok", str(port)]) as collector,
        EmbeddedKafka(for_load=True) as kafka,
        Waiter(kafka.bootstrap, TOPICS) as waiter,
    ):
        collector.await_line("ready")
        for what, environment, flags, count in (
            ("no tracing", {}, "00", REQUESTS),
            ("tracing, request not sampled", endpoint, "00", REQUESTS),
            ("tracing, request sampled (the SDK's own three spans)", endpoint, "01", REQUESTS // 5),
        ):
            process = waiter.start("--waiters", "4", **environment)
            run(kafka.bootstrap, process.pid, count // 5, flags)  # warms the broker up
            rate, cpu_us = run(kafka.bootstrap, process.pid, count, flags)
            print(f"| {what} | {rate:.0f} | {cpu_us:.0f} |", flush=True)
            process.signal(signal.SIGTERM)
            process.wait()


def run(bootstrap: str, pid: int, count: int, flags: str) -> tuple[float, float]:
    """Send requests as fast as they go, read every reply."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})
    places = [TopicPartition(TOPICS[1], number) for number in range(4)]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=10)[1]
    consumer.assign(places)
    service = psutil.Process(pid)
    cpu, began, seen = sum(service.cpu_times()[:2]), time.perf_counter(), 0
    for number in range(count):
        trace_id = os.urandom(16).hex()
        headers: list[tuple[str, str | bytes | None]] = [
            ("traceparent", f"00-{trace_id}-0000000000000001-{flags}"),
            ("reply-to", TOPICS[1]),
        ]
        producer.produce(TOPICS[0], b"Ada", key=trace_id, headers=headers)
        if number % 100 == 0:
            producer.poll(0)
    producer.flush(30)
    while seen < count:
        seen += len(consumer.consume(1000, 0.2))
    elapsed = time.perf_counter() - began
    return count / elapsed, (sum(service.cpu_times()[:2]) - cpu) / count * 1e6


if __name__ == "__main__":
    main()
