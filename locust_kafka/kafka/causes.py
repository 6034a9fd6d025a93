"""One sentence for the user from what librdkafka said: its words, what they mean, and the remedy.

Pure: texts in, text out.  It imports only its tables (`cause_texts`), so that another package can copy both.
The texts are those of librdkafka 2.16; an unknown text is quoted, with a remedy that is general.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Relative, so that a copy of both files works in another package.
from . import cause_texts as tables

DEFAULT_BOOTSTRAP = "localhost:9092"
CERTIFICATE = "SSLCertVerificationError"
"""Name of a `BrokerError` that holds the `verify_message` of Python's `ssl.SSLCertVerificationError`.

librdkafka has one text for every certificate that it does not accept.  A caller that has looked itself adds the reason
in this form."""

_QUOTE_LENGTH = 170
_GENERIC = {"_ALL_BROKERS_DOWN", "_TIMED_OUT"}
_LOG_PREFIX = re.compile(r"^.*?\[thrd:.*?\]: ")
_STATE = re.compile(r" \(after \d+ms(?: in state [A-Z_]+)?[^)]*\)| in state [A-Z_]+")
_BROKER = re.compile(
    r"^(?:\w+://)?(?P<host>\S{1,253}:\d{1,5})/(?P<node>bootstrap|\d+): "
    r"|^GroupCoordinator: (?P<group>\S{1,253}:\d{1,5}): "
)
_UNREACHABLE = re.compile(
    r"Connect to .* failed|Failed to resolve|Connection setup timed out|ApiVersionRequest failed: Local: Timed out"
)
_NAMES = re.compile(r"[a-z]+(?:\.[a-z0-9]+)+|(?<=[\"`])[a-z_.]+(?=[\"`])")


class BrokerError(NamedTuple):
    """What librdkafka said once.

    Attributes:
        name: `KafkaError.name()`, or the facility of a log line, such as FAIL.
        text: `KafkaError.str()`, or the log line.
    """

    name: str
    text: str


class PartitionState(NamedTuple):
    """A partition as the metadata shows it.

    Attributes:
        partition: its number.
        leader: the broker that leads it; negative for none.
        replicas: how many replicas it has.
        in_sync: how many of them are in sync.
    """

    partition: int
    leader: int
    replicas: int
    in_sync: int


def connection_failure(
    bootstrap: str,
    errors: Sequence[BrokerError],
    *,
    answered: bool,
    security_protocol: str,
    waited_s: float,
    flag: str,
    config_flag: str = "--kafka-config",
) -> str:
    """Why no broker could be used.

    librdkafka hands some words to its log only: "Disconnected ..." is all that a TLS or SASL listener gives to a client
    without.  Log lines are therefore taken as errors too.  Without them such a case is told from the silence.

    Args:
        bootstrap: `bootstrap.servers`.
        errors: what came by `error_cb`, by the log, and by the call that failed, in this order.
        answered: whether any broker answered a request for metadata.
        security_protocol: `security.protocol` of the client; "" for the default.
        waited_s: how long the caller waited, in seconds.
        flag: the option that names the brokers.
        config_flag: the option that names the file with librdkafka's settings.

    Returns:
        One sentence, without a full stop; it says "start one" only if nothing answered.
    """
    said = [BrokerError(error.name, _LOG_PREFIX.sub("", error.text)) for error in errors]
    protocol = security_protocol.upper() or "PLAINTEXT"
    names = {"config": config_flag, "flag": flag, "protocol": protocol}
    names |= tables.PROTOCOLS.get(protocol, tables.PROTOCOLS["PLAINTEXT"])
    missed = [error for error in said if _UNREACHABLE.search(error.text)]
    sentence = (
        _matched(tables.REFUSALS, said, bootstrap, names)
        or _advertised(bootstrap, missed)
        or _matched(tables.CLOSED, said, bootstrap, names)
    )
    if sentence:
        return sentence
    if missed:
        return _unreachable(bootstrap, missed, answered=answered, flag=flag)
    words = next((e.text for e in reversed(said) if e.name not in _GENERIC and "Failed to get" not in e.text), "")
    if words:
        check = f"check security.protocol={protocol} and the settings in {config_flag}, and the broker's log"
        return _sentence(f"no broker at {bootstrap} could be used within {waited_s:.0f} s", words, check)
    if answered:
        return f"a broker at {bootstrap} answered, and then none did for {waited_s:.0f} s: look whether the brokers run"
    if any(error.name == "_ALL_BROKERS_DOWN" for error in said):
        return (
            f"each connection to {bootstrap} was closed without a word, as a listener does that wants another "
            f"security.protocol than {protocol}: {tables.SET_PROTOCOL.format(**names)}"
        )
    return (
        f"nothing answered at {bootstrap} within {waited_s:.0f} s, and nothing refused: look whether a firewall drops "
        f"the packets and whether the address is right ({flag})"
    )


def is_decided(errors: Sequence[BrokerError]) -> bool:
    """Whether a listener refused the client's settings, so that a longer wait cannot help.

    A refused connection, a closed one and a name without address are not: the broker may be about to start.

    Args:
        errors: as `connection_failure` takes them.
    """
    return any(pattern.search(f"{e.name} {e.text}") for e in errors for pattern, _, _ in tables.REFUSALS)


def topic_failure(topic: str, error: BrokerError | None, existing: Sequence[str], bootstrap: str) -> str:
    """Why a topic cannot be used.

    Args:
        topic: its name.
        error: the error of its metadata; None if it is not among the topics that were listed.
        existing: the names of the topics that were listed.
        bootstrap: `bootstrap.servers`.

    Returns:
        One sentence, without a full stop.
    """
    name = error.name if error is not None else "UNKNOWN_TOPIC_OR_PART"
    if error is not None and name in tables.TOPIC:
        meaning, remedy = tables.TOPIC[name]
        return _sentence(meaning.format(topic=repr(topic), at=bootstrap), error.text, remedy)
    if error is not None and name not in {"UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"}:
        return _sentence(f"topic {topic!r} on {bootstrap} cannot be used", error.text, tables.LOOK)
    names = [other for other in existing if topic.startswith("__") or not other.startswith("__")]
    same = [other for other in names if other.casefold() == topic.casefold()]
    near = same or difflib.get_close_matches(topic, names, n=1, cutoff=0.6)
    hint = "create it first"
    if near:
        hint = f"did you mean {near[0]!r}?" + (" Upper and lower case differ" if same else "")
    elif error is None:  # a broker does not list what the principal may not see
        hint += "; if it exists, give the principal DESCRIBE on it"
    return f"topic {topic!r} does not exist on {bootstrap}: {hint}"


def read_failure(topic: str, error: BrokerError) -> str:
    """Why a consumer cannot read a topic.

    GROUP_AUTHORIZATION_FAILED also comes to a consumer whose partitions are assigned by hand.  It needs no group: such
    a caller leaves this error out.

    Args:
        topic: its name.
        error: the error of a message, or of `error_cb`.

    Returns:
        One sentence, without a full stop.
    """
    meaning, remedy = tables.READ.get(error.name, ("{topic} cannot be read", tables.LOOK))
    return _sentence(meaning.format(topic=topic), error.text, remedy.format(topic=topic))


def delivery_failure(topic: str, error: BrokerError, partition: PartitionState | None = None) -> str:
    """Why a record was not delivered, short enough for a table.

    Args:
        topic: where it was to go.
        error: of the delivery report, or of the refused `produce`: librdkafka itself refuses a record that is larger
            than its own limit, with a text that begins "Unable to produce message".
        partition: the record's partition, if its state is known.

    Returns:
        A phrase: the broker's words, and the remedy.
    """
    words = _shortened(error.text)
    if error.name == "MSG_SIZE_TOO_LARGE" and error.text.startswith("Unable to produce"):
        return f"{words}: larger than the client's own limit: raise message.max.bytes of the producer"
    if error.name in {"_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT"} and partition is not None:
        place = f"{topic} [{partition.partition}]"
        if partition.leader < 0:
            return f"{words}: {place} has no leader: look which of its brokers is down"
        if partition.in_sync < partition.replicas:
            in_sync = f"{partition.in_sync} of {partition.replicas} replicas of {place} are in sync"
            return f"{words}: {in_sync}, min.insync.replicas may not be met: look which broker is down"
    return f"{words}: {tables.DELIVERY.get(error.name, tables.LOOK).format(topic=topic)}"


def setting_refused(text: str, lines: Mapping[str, int], where: str) -> str:
    """Which setting librdkafka refused, and where it stands.

    Args:
        text: librdkafka's refusal.
        lines: setting → its line number in the file, with its `producer.` or `consumer.` prefix if it has one.
        where: the file, as the user named it.

    Returns:
        One sentence, without a full stop and without the value of a secret.
    """
    text = re.sub(r"^Failed to create \w+: ", "", text.strip())
    line = next((at for name in _NAMES.findall(text) if (at := _line_of(name, lines)) is not None), None)
    place = where if line is None else f"{where}, line {line}"
    remedy = next((remedy for pattern, remedy in tables.SETTINGS if pattern.search(text)), "correct it or leave it out")
    if any(tables.SECRET.search(name) for name in _NAMES.findall(text)):
        text = re.sub(r'\bvalue (".*"(?= for )|\S+)', "value ***", text, flags=re.S)
    return _sentence(f"{place}: librdkafka refused a setting", text, remedy)


def _line_of(name: str, lines: Mapping[str, int]) -> int | None:
    """The line of a setting; librdkafka names some by another name than the file does."""
    others = {tables.ALIASES.get(name), *(alias for alias, canonical in tables.ALIASES.items() if canonical == name)}
    names = [prefix + each for each in (name, *others) if each for prefix in ("", "producer.", "consumer.")]
    return next((lines[each] for each in names if each in lines), None)


def _matched(
    table: Sequence[tuple[re.Pattern[str], str, str]],
    errors: Sequence[BrokerError],
    bootstrap: str,
    names: Mapping[str, str],
) -> str | None:
    """The sentence of the first line of a table that knows one of the errors."""
    for pattern, meaning, remedy in table:
        for error in errors:
            if pattern.search(f"{error.name} {error.text}"):
                known = {**names, "at": _address(error) or bootstrap}
                return _sentence(meaning.format(**known), error.text, remedy.format(**known))
    return None


def _advertised(bootstrap: str, errors: Sequence[BrokerError]) -> str | None:
    """An address that the cluster named itself, and that cannot be reached."""
    given = {part.strip() for part in bootstrap.split(",")}
    for error in errors:
        address = _address(error)
        if address and "/bootstrap: " not in error.text and address not in given:
            return _sentence(
                f"a broker at {bootstrap} answered and named {address} as an address of the cluster, which cannot be "
                "reached from here",
                error.text,
                "set the broker's advertised.listeners to an address that can be reached from here",
            )
    return None


def _unreachable(bootstrap: str, errors: Sequence[BrokerError], *, answered: bool, flag: str) -> str:
    """Nobody listens, no such host, or no answer."""
    error = errors[0]
    at = ", ".join(dict.fromkeys(address for each in errors if (address := _address(each)))) or bootstrap
    if answered:
        check = "look whether this broker runs and can be reached from here"
        return _sentence(f"a broker answered, and {at} cannot be reached", error.text, check)
    default = f", the default of {flag}" if bootstrap == DEFAULT_BOOTSTRAP else ""
    if "Failed to resolve" in error.text:
        return _sentence(f"the host name of {at} has no address", error.text, f"correct it with {flag}")
    if "refused" in error.text:
        start = f"start one (for example: locust-kafka broker) or name yours with {flag}"
        return _sentence(f"no Kafka broker listens at {at}{default}", error.text, start)
    check = f"look whether a firewall drops the packets, whether a broker runs there, and whether {flag} is right"
    return _sentence(f"no Kafka broker answered at {at}{default}", error.text, check)


def _address(error: BrokerError) -> str | None:
    """`host:port` of the broker that an error is about."""
    match = _BROKER.match(error.text)
    return (match["host"] or match["group"]).rpartition("//")[2] if match else None


def _sentence(meaning: str, words: str, remedy: str) -> str:
    return f'{meaning} ("{_shortened(words)}"): {remedy}'


def _shortened(words: str) -> str:
    """Without what only librdkafka's authors need: its state, the kind of the connection, OpenSSL's numbers."""
    words = _STATE.sub("", words).partition(", verify that")[0].strip(" :\n")
    words = re.sub(r"(beginning at: ).*", r"\1***", words, flags=re.S)  # it repeats sasl.oauthbearer.config
    words = re.sub(r"^(\w+://)?(\S+:\d+)/(bootstrap|\d+): ", r"\2: ", words)
    words = re.sub(r"error:[0-9A-F]+:[^:]*:[^:]*:", "", words).replace('"', "'")
    return words if len(words) <= _QUOTE_LENGTH else words[: _QUOTE_LENGTH - 1] + "…"
