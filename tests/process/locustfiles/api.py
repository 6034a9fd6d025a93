"""Every way to call the client, each result printed as `name: repr`."""

from locust import task

from locust_kafka import KafkaUser, Reply


class Guest(KafkaUser):
    def show(self, name: str, value: object) -> None:
        print(f"<{name}: {value!r}>", flush=True)

    @task
    def everything(self) -> None:
        kafka = self.kafka
        reply = kafka.request("Ada", key="a-key", headers={"x": "y"}, name="plain")
        self.show("plain", (reply.ok, bool(reply), reply.outcome.name, reply.value, reply.key, len(reply.trace_id)))
        self.show("headers", sorted(name for name, _ in reply.headers))
        self.show("no-key", len(kafka.request(b"Ada", name="plain").key or b""))
        silent = kafka.request("Ada", name="silent", topic=self.request_topic + "-silent", timeout=0.3)
        self.show("silent", (silent.ok, bool(silent), silent.outcome.name, silent.value, round(silent.latency_ms)))
        large = kafka.request(b"x" * 2_000_000, name="large")
        self.show("large", (large.ok, large.outcome.name))
        with kafka.request("Ada", name="checked", catch_response=True) as checked:
            if checked.value != b"something else":
                checked.failure("not what was expected")
        with kafka.request("Ada", name="asserted", catch_response=True) as asserted:
            assert asserted.value == b"other", "an assertion"
        with kafka.request("Ada", name="forgiven", topic=self.request_topic + "-silent", timeout=0.3,
                           catch_response=True) as forgiven:  # fmt: skip
            forgiven.success()
        sent = kafka.send("Ada", name="sent", on_reply=lambda r: None if r.ok else "bad")
        self.show("sent", (sent.ok, sent.latency_ms is not None and sent.latency_ms > 0))
        self.show("unwaited", kafka.send("Ada", name="unwaited", wait_for_ack=False).ok)
        self.show("refused", bool(kafka.send(b"x" * 2_000_000, name="large")))
        kafka.send("Ada", name="complained", on_reply=self.complain)
        kafka.send("Ada", name="raised", on_reply=lambda r: 1 // 0)
        self.environment.runner.quit()

    def complain(self, reply: Reply) -> str:
        return "this reply is wrong"
