"""Closed model: each user sends a request, waits for its reply, and sends the next.

locust -f locustfiles/closed.py --headless -u 50 -t 30s
"""

from locust import task

from locust_kafka import KafkaUser


class ClosedGuest(KafkaUser):
    """Somebody who has the waiter wait for them."""

    @task
    def wait_for_ada(self) -> None:
        """One exchange; a timeout is a failed row, no exception."""
        self.kafka.request("Ada", name="wait")
