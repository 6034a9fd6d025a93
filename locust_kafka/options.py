"""The table of the plugin's options: what the command line, the environment and the web UI can say."""

from __future__ import annotations

from dataclasses import dataclass

from locust_kafka.core.schedule import CONSTANT

FAIL, SHOW = "fail", "show"
ON, OFF = "on", "off"
AUTO = "auto"
SYNCHRONOUS, JAVA, LIBRDKAFKA = "synchronous", "java", "librdkafka"
SHARED, PARTITION, TOPIC = "shared", "partition", "topic"
DEFAULT_BOOTSTRAP = "localhost:9092"
OAUTH_CALLBACK = "--kafka-oauth-callback"


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option.

    Attributes:
        name: without the `--kafka-` in front, with dashes.
        default: as text; "" for none.
        metavar: the placeholder for its value in the help.
        help: one phrase.
        frozen: whether only the command line decides (paths, brokers, credentials), never the web UI.
        for_workers: whether workers go by it too; files of the whole run are the master's alone.
        repeated: whether it may be given several times, and all of them count.
    """

    name: str
    default: str
    metavar: str
    help: str
    frozen: bool = False
    for_workers: bool = True
    repeated: bool = False

    @property
    def flag(self) -> str:
        """As typed on the command line."""
        return f"--kafka-{self.name}"

    @property
    def dest(self) -> str:
        """As an attribute of Locust's parsed options."""
        return f"kafka_{self.name.replace('-', '_')}"

    @property
    def env(self) -> str:
        """As an environment variable."""
        return f"LOCUST_{self.dest.upper()}"


OPTIONS = (
    Option("bootstrap", DEFAULT_BOOTSTRAP, "SERVERS", "brokers, host:port,...", frozen=True),
    Option(
        "config", "", "FILE", "client settings, librdkafka's or Java's; producer. and consumer. for one of them",
        frozen=True,
    ),
    Option(
        "oauth-callback", "", "MODULE:FUNCTION", "gives tokens for SASL OAUTHBEARER, as an oauth_cb does", frozen=True,
    ),
    Option("request-topic", "Waiter-Requests", "TOPIC", "topic the requests go to"),
    Option("reply-topic", "Waiter-Responses", "TOPIC", "topic the replies are read from"),
    Option("reply-timeout", "10", "SECONDS", "how long a reply may take; a request can have its own"),
    Option("ready-timeout", "8", "SECONDS", "how long to wait for brokers at the start; above 8, for topics as well"),
    Option("settle", "2", "SECONDS", "how long to listen on for late and duplicate replies at the end"),
    Option("warmup", "0", "SECONDS", "leave requests of the first seconds out of the latency figures"),
    Option("rate", "", "RATE", "open model: arrivals per second in total, 100:2000/60s for a ramp"),
    Option("arrivals", CONSTANT, "PROCESS", "how they come: constant or poisson"),
    Option("self-check", FAIL, "MODE", "a run whose generator was the bottleneck: fail it, or only show it"),
    Option("tuning", ON, "on|off", "switch threads and collect garbage as measuring needs it, until the run's end"),
    Option("allow-lost", OFF, "on|off", "whether a run is valid although a worker died; its requests are LOST",
           for_workers=False),
    Option("group", AUTO, "GROUP", "the service's consumer group, whose lag is watched; auto: the only one; or off"),
    Option("producer-like", SYNCHRONOUS, "CLIENT",
           "send as this client does by default: synchronous, java or librdkafka"),
    Option("match", "traceparent", "RULE", "how a reply names its request: traceparent, key or header:NAME"),
    Option("reply-to-header", "reply-to", "NAME", "header that names the reply topic; kafka_replyTopic for Spring"),
    Option("reply-routing", AUTO, "ROUTING",
           "which replies each worker reads: shared (all), partition or topic (its own), or auto"),
    Option("error-header", "", "NAME", "a reply with this header is a failed row; the waiter's is called error"),
    Option("trace-rate", "10", "PER_SECOND", "the most exchanges a second that are traced from their start"),
    Option("trace-keep", "10", "PER_SECOND", "the most slow, failed, late or duplicate ones a second kept besides"),
    Option("trace-slow", "", "MS", "from when on an exchange is slow; default: its name's running p99"),
    Option("trace-url", "", "URL", "link to a trace, with {trace_id} in it, for the summary", frozen=True),
    Option("metrics-port", "", "PORT", "serve /metrics for Prometheus (of all workers, at the master)", frozen=True),
    Option("check", "", "CHECK", "what must hold, as 'e2e.p99 < 250ms', or @FILE; may be given several times",
           frozen=True, for_workers=False, repeated=True),
    Option("baseline", "", "DIR", "report of an earlier run to compare with", frozen=True, for_workers=False),
    Option("regression", "10%", "SHARE", "how much slower than the baseline a run may be", frozen=True,
           for_workers=False),
    Option("report", "", "DIR", "write summary, report.html, junit.xml, history and percentiles there", frozen=True,
           for_workers=False),
    Option("summary", "", "FILE", "write the summary as JSON", frozen=True, for_workers=False),
    Option("exchange-log", "", "FILE.csv[.gz]", "write a row per exchange and per later reply", frozen=True),
)  # fmt: skip
