"""Users that send now and then: each its first request at once, and then one every WAIT_S seconds."""

import os
from time import monotonic

import psutil
from locust import constant, events, task
from locust.env import Environment

from locust_kafka import KafkaUser

BEGAN_S = monotonic()
WAIT_S = float(os.environ["WAIT_S"])


class Guest(KafkaUser):
    producers = "shared"
    wait_time = constant(WAIT_S)
    answered = 0
    """Users that have had their first reply."""

    def on_start(self) -> None:
        self.kafka.request(b"x" * 200, name="first")
        Guest.answered += 1
        if Guest.answered == self.environment.parsed_options.num_users:
            say("ANSWERED", Guest.answered)

    @task
    def exchange(self) -> None:
        self.kafka.request(b"x" * 200, name="echo")


def say(what: str, users: int) -> None:
    """How many, how long after this file was read (s), and this process's memory (MB)."""
    print(what, users, f"{monotonic() - BEGAN_S:.1f} {psutil.Process().memory_info().rss / 1e6:.0f}", flush=True)


@events.init.add_listener
def listen(environment: Environment, **_kwargs: object) -> None:
    """Hear of the end of the spawning."""
    environment.events.spawning_complete.add_listener(lambda user_count, **_kwargs: say("SPAWNED", user_count))
