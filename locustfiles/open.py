"""Open model: requests start at their intended times, whether earlier replies came or not.

locust -f locustfiles/open.py --headless -u 50 -t 30s --kafka-rate 200
"""

from locust import task

from locust_kafka import KafkaUser


class OpenGuest(KafkaUser):
    """One of those who take the arrivals; their number caps how many sends are under way."""

    producers = "shared"

    @task
    def send_for_ada(self) -> None:
        """Returns at the broker's ack; the reply is tracked all the same."""
        self.kafka.send("Ada", name="wait")
