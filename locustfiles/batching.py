"""What batching does: the same load, sent with linger.ms 0, 5, 100, and with large batches to one partition.

`make batching` starts a real Kafka and the waiter, runs the four, and draws the picture.  One of them by hand:
locust -f locustfiles/batching.py --headless -u 20 -t 20s --kafka-rate 400 --kafka-config linger.properties
"""

import os

from locust import task

from locust_kafka import DefaultKey, KafkaUser

ONE_KEY = "always-the-same" if os.environ.get("ONE_PARTITION") else DefaultKey.UUID


class BatchingGuest(KafkaUser):
    """Sends without waiting, as a busy client does: what waits is the producer."""

    producers = "shared"

    @task
    def send_for_ada(self) -> None:
        """With one key for all, all go to one partition, and one consumer thread serves them."""
        self.kafka.send("Ada", key=ONE_KEY, name="wait", wait_for_ack=False)
