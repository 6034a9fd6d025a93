"""The floor: the same clients with nothing around them; no books, no statistics, no Locust.

bare.py BOOTSTRAP REQUESTS REPLIES USERS WARM_S MEASURE_S

Closed model, one shared producer, replies matched by a dict, latencies in a list.  What a full generator costs more than
this is what its accounting costs.  It sends until it is ended.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402 - gevent patches first
import os  # noqa: E402
import sys  # noqa: E402
from collections import deque  # noqa: E402
from time import perf_counter_ns  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from gevent.hub import Waiter  # noqa: E402

from benchmarks.cases import VALUE  # noqa: E402

start_new_thread = monkey.get_original("_thread", "start_new_thread")


def main() -> None:
    bootstrap, requests, replies, users = *sys.argv[1:4], int(sys.argv[4])
    warm_s, measure_s = map(float, sys.argv[5:7])
    sys.setswitchinterval(0.0005)
    pending: dict[bytes, tuple[int, Any]] = {}
    latencies: list[int] = []
    inbox: deque[tuple[int, list[bytes]]] = deque()
    wake = gevent.get_hub().loop.async_()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bare", "enable.auto.commit": False})
    numbers = consumer.list_topics(replies, timeout=10).topics[replies].partitions
    places = [TopicPartition(replies, number) for number in numbers]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=5)[1]
    consumer.assign(places)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 0, "enable.idempotence": True, "max.in.flight": 1}
    )

    def listen() -> None:
        while True:
            first = consumer.poll(0.2)
            if first is not None:
                now = perf_counter_ns()
                messages = [first, *consumer.consume(1000, 0)]
                inbox.append((now, [message.headers()[0][1][3:35] for message in messages]))
                wake.send()

    def hear() -> None:
        while True:
            producer.poll(0.1)

    def match() -> None:
        while inbox:
            now, ids = inbox.popleft()
            for trace_id in ids:
                sent, waiter = pending.pop(trace_id)
                latencies.append(now - sent)
                waiter.switch(None)

    def user() -> None:
        while True:
            trace_id = os.urandom(16).hex().encode()
            waiter: Waiter[None] = Waiter()
            pending[trace_id] = perf_counter_ns(), waiter
            headers = [("traceparent", b"00-" + trace_id + b"-0000000000000001-00")]
            producer.produce(requests, VALUE, key=trace_id, headers=headers, on_delivery=lambda _e, _m: None)
            waiter.get()

    wake.start(match)
    start_new_thread(listen, ())
    start_new_thread(hear, ())
    for _ in range(users):
        gevent.spawn(user)
    gevent.sleep(warm_s)
    latencies.clear()
    print("BENCH begin", flush=True)
    gevent.sleep(measure_s)
    ordered = list(latencies)
    print("BENCH end", flush=True)
    ordered.sort()
    count = len(ordered)
    figures = {"count": count, "p50": ordered[count // 2] / 1e6, "p99": ordered[count * 99 // 100] / 1e6}
    print("BENCH", json.dumps(figures), flush=True)
    gevent.sleep(600)  # whoever started it ends it


if __name__ == "__main__":
    main()
