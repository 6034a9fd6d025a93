"""What librdkafka's and the broker's texts mean, and the remedy for each: the tables of `causes`."""

import re

LOOK = "look at the broker's log"
SET_PROTOCOL = "set security.protocol to {others} in {config}, or name another listener with {flag}"
CHECK_CA = (
    "set ssl.ca.location in {config} to the authority that signed it; if it is, the certificate has expired or is for "
    "another host name: openssl s_client -connect {at} shows it"
)
# In this order: what is said first here is more certain than what comes after it.
REFUSALS = [
    (re.compile(pattern), meaning, remedy)
    for pattern, meaning, remedy in (
        ("Unsupported SASL mechanism", "the broker at {at} does not know this sasl.mechanism",
         "set sasl.mechanism in {config} to one that the broker supports"),
        ("not valid in current SASL state",
         "the listener at {at} wants no SASL, and security.protocol={protocol} has it",
         "set security.protocol={no_sasl} in {config}, or name the SASL listener with {flag}"),
        ("invalid_token", "the broker at {at} refused the token",
         "see in the broker's log why: its issuer, its audience, its signature, or its time"),
        ("SASL authentication error|invalid credentials", "the broker at {at} refused the credentials",
         "correct sasl.username, sasl.password and sasl.mechanism in {config}"),
        ("SSLCertVerificationError.*expired", "the certificate of {at} has expired", "renew it on the broker"),
        ("SSLCertVerificationError.*(mismatch|not valid for)", "the certificate of {at} is for another host",
         "name the broker with {flag} as the certificate does"),
        ("SSLCertVerificationError.*(issuer|self.signed)",
         "the certificate of {at} is signed by an authority that is not trusted",
         "set ssl.ca.location in {config} to the file of that authority"),
        ("certificate verify failed|SSLCertVerificationError", "the certificate of {at} is not trusted", CHECK_CA),
        ("alert (bad certificate|certificate|unknown ca)|client SSL authentication",
         "the broker at {at} wants a client certificate that it trusts",
         "set ssl.certificate.location and ssl.key.location in {config}"),
        ("PLAINTEXT broker listener|wrong version number|SSL connection closed by peer.* SSL_HANDSHAKE",
         "the listener at {at} has no TLS, and security.protocol={protocol} has it",
         "set security.protocol={plain} in {config}, or name the TLS listener with {flag}"),
        ("Invalid response size 3525", "the listener at {at} has TLS, and security.protocol={protocol} has none",
         "set security.protocol={tls} in {config}"),
        ("Invalid response size", "what answers at {at} is no Kafka broker", "correct the address with {flag}"),
        (r"OAUTHBEARER token: .*(resolve|connect|timed? ?out|refused|Empty reply)|OIDC token from .*\(-1\)",
         "the token endpoint cannot be reached",
         "see whether it runs, and correct sasl.oauthbearer.token.endpoint.url in {config}"),
        ("OAUTHBEARER token: .*(certificate|SSL)", "the certificate of the token endpoint is not trusted",
         "set https.ca.location in {config} to the authority that signed it"),
        ("OAUTHBEARER token: .*(invalid_client|unauthorized|access_denied|invalid_grant|invalid_scope|40[0-9])",
         "the token endpoint refused the client",
         "correct sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret and sasl.oauthbearer.scope in {config}"),
        ("OAUTHBEARER token", "no token for SASL OAUTHBEARER could be had", "correct sasl.oauthbearer.* in {config}"),
        ("parse error|No brokers configured", "the address is not host:port", "correct it with {flag}"),
    )
]  # fmt: skip
# A connection that ends without a word: what it means follows from how far it had come.
CLOSED = [
    (re.compile(pattern), meaning, remedy)
    for pattern, meaning, remedy in (
        (r"sasl_\w+://.*(closed by peer|Broken pipe|Connection reset).*in state UP",
         "the broker at {at} closed the connection after the login", "look at the broker's log"),
        ("(closed by peer|Broken pipe|Connection reset).*in state UP",
         "the listener at {at} closed the connection; it probably wants SASL, and security.protocol is {protocol}",
         "set security.protocol={sasl} and the credentials in {config}, or name another listener with {flag}"),
        ("ssl://.*(closed by peer|Broken pipe|Connection reset)",
         "the listener at {at} closed the connection, probably because it wants a client certificate",
         "set ssl.certificate.location and ssl.key.location in {config}"),
        ("closed by peer|Broken pipe|Connection reset|Disconnected",
         "the listener at {at} closed the connection; it probably wants TLS, and security.protocol is {protocol}",
         "set security.protocol={tls} in {config}, or name another listener with {flag}"),
    )
]  # fmt: skip
TOPIC = {
    "TOPIC_AUTHORIZATION_FAILED": ("not allowed to see topic {topic} on {at}", "give the principal DESCRIBE on it"),
    "TOPIC_EXCEPTION": ("{topic} is no valid topic name",
                        "use letters, digits, '.', '_' and '-', at most 249 characters"),
    "LEADER_NOT_AVAILABLE": ("topic {topic} on {at} has no leader yet", "wait, or look which broker is down"),
}  # fmt: skip
GONE = ("replies were deleted before they were read, or {topic} was created anew",
         "raise retention.ms or retention.bytes of {topic}, and leave it alone during a run")  # fmt: skip
READ = {
    "TOPIC_AUTHORIZATION_FAILED": ("not allowed to read {topic}", "give the principal READ on the topic"),
    "GROUP_AUTHORIZATION_FAILED": ("not allowed to use the consumer group", "give the principal READ on the group"),
    "UNKNOWN_TOPIC_OR_PART": ("{topic} was deleted", "create it, and start again"),
    "_UNKNOWN_TOPIC": ("{topic} was deleted", "create it, and start again"),
    "_UNKNOWN_PARTITION": ("{topic} was created anew with fewer partitions", "start again"),
    "UNKNOWN_TOPIC_ID": ("{topic} was deleted and created anew", "start again"),
    "OFFSET_OUT_OF_RANGE": GONE,
    "_AUTO_OFFSET_RESET": GONE,
    "LEADER_NOT_AVAILABLE": ("a partition of {topic} has no leader", "look which broker is down"),
    "NOT_LEADER_FOR_PARTITION": ("a partition of {topic} changes its leader", "wait, or look which broker is down"),
    "INVALID_MSG": ("a record of {topic} is damaged", "look at the broker's disk and log"),
    "_BAD_MSG": ("a record of {topic} is damaged", "look at the broker's disk and log"),
    "_BAD_COMPRESSION": ("a record of {topic} cannot be decompressed", "look at its producer's compression.type"),
    "_NOT_IMPLEMENTED": ("librdkafka lacks what {topic} needs", "look at its producer's compression.type"),
    "_FATAL": ("the consumer cannot go on", "start again"),
}
GIVE_WRITE = "give the principal WRITE on {topic}"
DELIVERY = {
    "MSG_SIZE_TOO_LARGE": "larger than the broker takes: raise max.message.bytes of {topic} (or the broker's "
                          "message.max.bytes), or send less",
    "_MSG_TIMED_OUT": "no broker acknowledged it within message.timeout.ms",
    "_TIMED_OUT": "no broker acknowledged it within message.timeout.ms",
    "REQUEST_TIMED_OUT": "the replicas did not acknowledge it in time: look which broker is down",
    "NOT_ENOUGH_REPLICAS": "fewer in sync than min.insync.replicas of {topic}: look which broker is down",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "fewer in sync than min.insync.replicas of {topic}: look which broker is down",
    "TOPIC_AUTHORIZATION_FAILED": GIVE_WRITE,
    "CLUSTER_AUTHORIZATION_FAILED": GIVE_WRITE + " (before Kafka 3.0 also IDEMPOTENT_WRITE on the cluster)",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "give the principal WRITE on the transactional id",
    "UNKNOWN_TOPIC_OR_PART": "{topic} does not exist: create it, or correct its name",
    "_UNKNOWN_TOPIC": "{topic} does not exist: create it, or correct its name",
    "TOPIC_EXCEPTION": "{topic} is no valid topic name",
    "_UNKNOWN_PARTITION": "{topic} has no such partition",
    "_QUEUE_FULL": "more is sent than the brokers take: send less, or raise queue.buffering.max.messages",
    "_FATAL": "the producer cannot go on: start again",
    "OUT_OF_ORDER_SEQUENCE_NUMBER": "the idempotent producer lost its order: start again",
    "INVALID_PRODUCER_EPOCH": "another producer took the transactional id: give each its own",
    "_PURGE_QUEUE": "the run ended before it was sent",
    "_PURGE_INFLIGHT": "the run ended before it was acknowledged",
    "INVALID_RECORD": "the broker does not accept it: a compacted topic needs a key; else see the broker's log",
    "POLICY_VIOLATION": "a policy of the broker forbids it: look at the broker's log",
    "UNSUPPORTED_COMPRESSION_TYPE": "the broker does not know this compression.type: choose another",
    "LEADER_NOT_AVAILABLE": "a partition of {topic} has no leader: look which broker is down",
    "NOT_LEADER_FOR_PARTITION": "a partition of {topic} changed its leader: look which broker is down",
    "_TRANSPORT": "the connection broke: look whether the broker runs",
    "KAFKA_STORAGE_ERROR": "the broker cannot write to its disk: look at the broker's log",
}  # fmt: skip

# From librdkafka's refusal of a setting to the remedy.
SETTINGS = [
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        ("No such configuration property", "correct its spelling; librdkafka's CONFIGURATION.md lists all"),
        ("JAAS", "use sasl.username and sasl.password instead"),
        ("provider for SASL mechanism GSSAPI",
         "set sasl.mechanism to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER: the default is not built in"),
        ("Unsupported SASL mechanism", "set sasl.mechanism to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"),
        ("sasl.username and sasl.password must be set", "set both"),
        ("`acks` must be", "leave acks out, or set enable.idempotence=false"),
        ("`max.in.flight` must be|`retries` must be", "leave it out, or set enable.idempotence=false"),
        ("must be greater than|must be >=|must be set", "change one of the two"),
        ("Expected bool", "write true or false"),
        ("outside allowed range", "choose a value in this range"),
        ("key values mismatch", "the key must be that of the certificate: correct ssl.key.location"),
        ("PKCS#12", "the file must be a PKCS#12 key store with this password: a JKS is not understood"),
        ("PEM", "the text must begin with -----BEGIN"),
        (r"\.location failed", "look whether the file exists, can be read and is in PEM format"),
        ("is mandatory|requires|not supported for", "set what it needs, or leave it out"),
        ("Invalid value", "choose one of the values that librdkafka's CONFIGURATION.md lists"),
    )
]  # fmt: skip
# The name that a file may use → the name that librdkafka says, or the other way round.
ALIASES = {
    "compression.codec": "compression.type",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "message.send.max.retries": "retries",
    "message.timeout.ms": "delivery.timeout.ms",
    "metadata.broker.list": "bootstrap.servers",
    "queue.buffering.max.ms": "linger.ms",
    "request.required.acks": "acks",
    "sasl.mechanisms": "sasl.mechanism",
}
SECRET = re.compile(r"password|secret|token|credential|jaas|\.pem|oauthbearer\.config|private|passphrase", re.I)
"""Names of settings whose value is not to be shown."""

# security.protocol → the one without TLS, with TLS, with SASL, without SASL, and all others.
PROTOCOLS = {
    "PLAINTEXT": {"plain": "PLAINTEXT", "tls": "SSL", "sasl": "SASL_PLAINTEXT", "no_sasl": "PLAINTEXT",
                  "others": "SSL, SASL_PLAINTEXT or SASL_SSL"},
    "SSL": {"plain": "PLAINTEXT", "tls": "SSL", "sasl": "SASL_SSL", "no_sasl": "SSL",
            "others": "PLAINTEXT, SASL_PLAINTEXT or SASL_SSL"},
    "SASL_PLAINTEXT": {"plain": "SASL_PLAINTEXT", "tls": "SASL_SSL", "sasl": "SASL_PLAINTEXT", "no_sasl": "PLAINTEXT",
                       "others": "PLAINTEXT, SSL or SASL_SSL"},
    "SASL_SSL": {"plain": "SASL_PLAINTEXT", "tls": "SASL_SSL", "sasl": "SASL_SSL", "no_sasl": "SSL",
                 "others": "PLAINTEXT, SSL or SASL_PLAINTEXT"},
}  # fmt: skip
