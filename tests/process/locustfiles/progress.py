"""Users that note each of their tasks in a file, for whoever wants to see that they go on."""

from __future__ import annotations

import os
from pathlib import Path

from locust import task

from locust_kafka import KafkaUser


class Guest(KafkaUser):
    """Waits for a reply, then notes a byte."""

    @task
    def wait(self) -> None:
        self.kafka.request("Ada")
        with Path(os.environ["PROGRESS"]).open("ab") as progress:
            progress.write(b".")
