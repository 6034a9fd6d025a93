"""Requests whose names, keys and headers are meant for whoever shows them."""

from locust import task

from locust_kafka import KafkaUser

NAMES = [
    "<script>window.hacked=1</script>", "<img src=x onerror='window.hacked=1'>", "\"quoted\" 'names' & more", "x" * 10_000,
    "control \x00\x1b[31m\r\n\u2028", "</script><script>window.hacked=1</script>",
]  # fmt: skip


class Guest(KafkaUser):
    producers = "shared"

    @task
    def exchange(self) -> None:
        for name in NAMES:
            self.kafka.request("Ada", key=f"<b>{len(name)}", headers={"x-<i>": name}, name=name)
