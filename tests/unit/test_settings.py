"""Every option: its default is taken, nonsense is refused in a sentence that helps, and the right source is blamed."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust.argument_parser import LocustArgumentParser

from locust_kafka.cli.given import given_settings
from locust_kafka.core.history import Row
from locust_kafka.errors import SettingsError
from locust_kafka.gates import read_baseline
from locust_kafka.options import OPTIONS, Option
from locust_kafka.plugin.classes import KafkaAttributes, settings_for
from locust_kafka.plugin.options import Unset, add_options, given_options, load_settings, warn_of_kubernetes
from locust_kafka.settings import Settings, parse, same_cluster
from locust_kafka.values import Given, header_name, number, refuse_servers, topic
from waiter_service.kafka import config as waiters_config

BY_DEST = {option.dest: option for option in OPTIONS}
LONG = "x" * 300

# dest → values that are refused, each with what the sentence must say besides the value: a limit, or what to do.
REFUSED: dict[str, list[tuple[Any, str]]] = {
    "kafka_bootstrap": [
        ("", "give host:port"), (" , ", "give host:port"), ("h:99999", "names the port 99999"), ("a:1, b:0", "port 0"),
        ("SSL://h:65536", "port 65536"), ("[::1]:70000", "port 70000"),
    ],
    "kafka_config": [("/no/such/file", "No such file"), (".", "cannot be read")],
    "kafka_oauth_callback": [("tokens", "give MODULE:FUNCTION"), ("a b:c", "MODULE"), (":f", "MODULE"), (7, "as in tokens:")],
    "kafka_request_topic": [("", "1 to 249"), ("a b", "letters, digits"), ("..", "249"), (LONG, "249"), (7, "249")],
    "kafka_reply_topic": [("", "1 to 249"), ("a/b", "letters, digits"), (".", "1 to 249"), (None, "1 to 249")],
    "kafka_reply_timeout": [
        ("soon", "from 0.001 to 3600"), ("0", "from 0.001"), (-1, "from 0.001"), ("3601", "to 3600"),
        (float("nan"), "number"), (True, "number"), ("", "number"), (10**400, "to 3600"), ([1], "number"),
    ],
    "kafka_ready_timeout": [("0", "from 0.1 to 3600"), ("3601", "to 3600"), ("soon", "number")],
    "kafka_settle": [("-1", "from 0 to 3600"), ("nan", "from 0"), ("1s", "number")],
    "kafka_warmup": [("-1", "from 0 to 86400"), ("inf", "to 86400")],
    "kafka_rate": [("fast", "write 200"), ("-5", "write 200"), ("1:2", "needs a duration"), ("1e9", "write 200"),
                   ("99999999", "from 0 to 1e+07")],
    "kafka_arrivals": [("sometimes", "use constant or poisson"), ("", "use constant")],
    "kafka_self_check": [("no", "use fail or show")],
    "kafka_tuning": [("true", "use on or off"), (False, "use on or off")],
    "kafka_allow_lost": [("yes", "use on or off"), ("", "use on or off")],
    "kafka_group": [("", "1 to 249"), (LONG, "or auto or off")],
    "kafka_producer_like": [("Java", "use synchronous or java or librdkafka"), ("", "use synchronous")],
    "kafka_match": [("id", "traceparent, key or header:NAME"), ("header:", "header:NAME"), ("", "traceparent, key"),
                    ("header:\udc80", "text of at least one character")],
    "kafka_reply_routing": [("all", "use auto or shared or partition or topic"), ("", "use auto")],
    "kafka_reply_to_header": [("", "at least one character"), ("\udc80", "at least one character")],
    "kafka_error_header": [("\udc80", "at least one character")],
    "kafka_trace_rate": [("-1", "from 0"), ("many", "number")],
    "kafka_trace_keep": [("-1", "from 0"), ("nan", "number")],
    "kafka_trace_slow": [("0", "from 0.001"), ("slow", "number")],
    "kafka_trace_url": [("http://x/", "{trace_id}"), ("ftp://x/{trace_id}", "http://localhost")],
    "kafka_metrics_port": [("0", "1 to 65535"), ("65536", "1 to 65535"), ("x", "1 to 65535"), ("٣", "1 to 65535"),
                           ("9" * 5000, "1 to 65535"), ("-1", "1 to 65535"), ("80.0", "1 to 65535")],
    "kafka_check": [("", "is empty: give a check"), (" ", "leave it out"), ("e2e.p9x < 1ms", "column 5"), ("@/no/such/checks", "No such file"), (7, "give checks as text")],
    "kafka_baseline": [("/no/such/report", "No such file"), (".", "No such file"), ("README.md", "give the folder")],
    "kafka_regression": [("much", "as in 10%"), ("10", "as in 10%"), ("1", "0.1"), ("-1%", "as in 10%"), ("", "as in 10%"), ("99999", "as in 10%")],
    "kafka_report": [("/no/such/folder/r", "create it first"), ("README.md", "give a folder's name"),
                     (LONG, "give another folder")],
    "kafka_summary": [("/no/such/folder/s.json", "create it first"), (".", "give a file's name"),
                      (LONG, "give another file")],
    "kafka_exchange_log": [("/no/such/folder/x.csv", "create it first"), ("/", "give a file's name"),
                           (LONG, "give another file")],
}  # fmt: skip

CASES = [(dest, value, word) for dest, cases in REFUSED.items() for value, word in cases]


def refusal(dest: str, given_value: Given) -> str:
    options = {dest: given_value}
    with pytest.raises(SettingsError) as refused:
        load_settings({dest: given_value.value}) if dest == "kafka_config" else parse(options)
    return str(refused.value)


@given(st.text("ab:@/[],. 0123456789", max_size=30))
def test_both_programs_refuse_the_same_brokers(servers: str) -> None:
    """The load tester and the waiter share no code; whoever reads one sentence knows the other."""
    assert refuse_servers(servers) == waiters_config._refuse_servers(servers)


def test_a_password_before_a_broker_is_not_repeated() -> None:
    """Brokers have no user and password in front: that is said, and they are not."""
    for servers in ("user:geheim@h:1", "http://user:geheim@h"):
        with pytest.raises(SettingsError, match="--kafka-bootstrap holds an @") as refused:
            parse({"kafka_bootstrap": Given(servers, "--kafka-bootstrap")})
        assert "geheim" not in str(refused.value)
    with pytest.raises(SettingsError, match="the --kafka-config file holds an @"):
        parse({}, {"bootstrap.servers": "user:geheim@h:1"})
    assert parse({"kafka_bootstrap": Given("[::1]:9092,::1,SSL://h", "--kafka-bootstrap")}).bootstrap.startswith(
        "[::1]"
    )


def test_every_option_has_its_law() -> None:
    """A new option needs a line in the table above."""
    assert REFUSED.keys() == BY_DEST.keys()
    assert len({option.flag for option in OPTIONS}) == len({option.env for option in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_default_is_taken(option: Option) -> None:
    """Each default, given as text by whoever asks for it, is what holds when nothing is given."""
    if option.dest == "kafka_check":  # given and empty, it is a gate that an unset variable has opened
        return
    if option.dest == "kafka_config":
        assert load_settings({option.dest: option.default}) == parse({})
        return
    found, expected = parse({option.dest: Given(option.default, option.flag)}), parse({})
    if option.dest == "kafka_bootstrap":  # who named it is remembered
        assert (found.bootstrap, found.bootstrap_source) == (expected.bootstrap, option.flag)
    else:
        assert found == expected


@pytest.mark.parametrize(("dest", "value", "word"), CASES, ids=lambda value: repr(value)[:30])
def test_nonsense_is_refused_in_a_sentence_that_helps(dest: str, value: Any, word: str) -> None:
    """The sentence has the flag or the variable, whichever was used, the value, and the limit or what to do."""
    option = BY_DEST[dest]
    for source in (option.flag, option.env) if dest != "kafka_config" else (option.flag,):
        sentence = refusal(dest, Given(value, source))
        assert source in sentence
        assert word in sentence
        shown = str(value).removeprefix("header:").strip()[:200]
        assert shown in sentence or ascii(shown)[1:-1] in sentence
        assert "Traceback" not in sentence
        assert "\n" not in sentence


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_characters="\0")),
    st.sampled_from(["header:x", "1:2/3s", "9" * 5000, "host:1,host:2"]),
)  # fmt: skip


@given(st.sampled_from([option.dest for option in OPTIONS if option.dest != "kafka_config"]), ANYTHING)
def test_any_value_is_taken_or_refused(dest: str, value: Any) -> None:
    """No exception but SettingsError, which names its source, whatever the web UI or a script gives."""
    refusal = ""
    try:
        parse({dest: Given(value, "the source")})
    except SettingsError as refused:
        refusal = str(refused)
    assert refusal == "" or "the source" in refusal


@given(st.floats(allow_nan=True), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_a_number_is_within_its_bounds(value: float, low: float, width: float) -> None:
    """Bounds belong to it; text and number are the same; anything else is refused."""
    for form in (value, repr(value)):
        if low <= value <= low + width:
            assert number(form, "x", low, low + width) == value
        else:
            with pytest.raises(SettingsError, match=r"x .* is refused"):
                number(form, "x", low, low + width)


@given(st.text(max_size=12))
def test_a_topics_name_is_kafkas(name: str) -> None:
    """What is taken is what Apache Kafka takes, blanks around it aside."""
    legal = re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name.strip()) and name.strip() not in (".", "..")
    if legal:
        assert topic(name, "x") == name.strip()
    else:
        with pytest.raises(SettingsError, match=r"x .* is no topic name"):
            topic(name, "x")


@given(st.text(max_size=9))
def test_a_matching_header_is_the_name_itself(name: str) -> None:
    """Blanks between `header:` and the name, as people write them, are no part of the name that is looked for."""
    try:
        expected = header_name(name, "x")
    except SettingsError:
        return
    if "\n" not in name:
        assert parse({"kafka_match": Given(f"header: {name} ", "x")}).match == f"header:{expected}"


@given(st.lists(st.sampled_from(["a:1", "B:2", "c:3"]), min_size=1, max_size=4), st.randoms())
def test_brokers_in_another_order_are_the_same_cluster(servers: list[str], random: Any) -> None:
    """Order, blanks, case and repetitions make no other cluster; another broker does."""
    other = [*servers, servers[0]]
    random.shuffle(other)
    assert same_cluster(",".join(servers), " , ".join(other).upper())
    assert not same_cluster(",".join(servers), ",".join([*servers, "d:4"]))


def baseline_of(folder: Path) -> Path:
    """The report of a run of one second, its columns in another order than ours."""
    folder.mkdir()
    columns = list(reversed(Row._fields))
    row = [7 if name == "at_s" else 0 for name in columns]
    (folder / "summary.json").write_text(json.dumps({"history": {"columns": columns, "rows": [row]}}))
    return folder


def test_checks_add_up_wherever_they_stand(tmp_path: Path) -> None:
    """Several flags, a semicolon, a file with comments and a class attribute: each check counts, once."""
    file = tmp_path / "checks.txt"
    file.write_text("# of the team\nduplicates == 0   # none\n\ne2e.p99 < 1s\n")
    given_text = f"timeouts == 0\n@{file}; rate > 5/s"

    class Guest(KafkaAttributes):
        tasks = (print,)
        checks = ["duplicates == 0", "lost == 0; orphans == 0"]  # noqa: RUF012 # as users write it

    settings = settings_for(parse({"kafka_check": Given(given_text, "x")}), [Guest])
    assert [check.text for check in settings.checks] == [
        "timeouts == 0", "duplicates == 0", "e2e.p99 < 1s", "rate > 5/s", "lost == 0", "orphans == 0",
    ]  # fmt: skip
    file.write_text("duplicates == 0\nnothing\n")
    with pytest.raises(
        SettingsError, match=r"line 2 of .*checks.txt' 'nothing' is refused: 'nothing' stands in column 1"
    ):
        parse({"kafka_check": Given(given_text, "x")})
    Guest.checks = ["e2e < 1"]
    with pytest.raises(SettingsError, match=r"Guest.checks 'e2e < 1' is refused"):
        settings_for(parse({}), [Guest])


def test_a_check_may_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second flag adds to the first; on a worker none of them counts, for the master judges the sum."""
    options = parsed(monkeypatch, "--kafka-check", "duplicates == 0", "--kafka-check=timeouts == 0")
    assert [check.text for check in load_settings(options).checks] == ["duplicates == 0", "timeouts == 0"]


def test_a_value_is_what_was_given(tmp_path: Path) -> None:
    """Each option arrives in its own field, as a number where it is one."""
    given_values: dict[str, Any] = {
        "bootstrap": "h:1", "request_topic": "q", "reply_topic": "r", "reply_timeout": "3", "ready_timeout": "6", "settle": "4",
        "warmup": "5", "rate": "6", "arrivals": "poisson", "self_check": "show", "tuning": "off", "allow_lost": "on", "match": "key",
        "group": "g", "producer_like": "java", "oauth_callback": "tokens:from_vault",
        "reply_to_header": "to", "reply_routing": "topic", "error_header": "e", "trace_rate": "7", "trace_keep": "8", "trace_slow": "9",
        "trace_url": "http://x/{trace_id}", "metrics_port": "10", "summary": str(tmp_path / "s"),
        "exchange_log": str(tmp_path / "x"), "report": str(tmp_path / "r"), "check": "duplicates == 0",
        "baseline": str(baseline_of(tmp_path / "b")), "regression": "0.2",
    }  # fmt: skip
    assert {f"kafka_{name}" for name in given_values} == BY_DEST.keys() - {"kafka_config"}
    found = parse({f"kafka_{name}": Given(value, "x") for name, value in given_values.items()})
    renamed = {
        "reply_timeout": "reply_timeout_s",
        "ready_timeout": "ready_timeout_s",
        "settle": "settle_s",
        "warmup": "warmup_s",
        "trace_slow": "trace_slow_ms",
        "check": "checks",
    }
    for name, value in given_values.items():
        field = getattr(found, renamed.get(name, name))
        if name == "rate":
            assert [(stage.low, stage.high) for stage in field] == [(6.0, 6.0)]
        elif name == "tuning":
            assert field is False
        elif name == "allow_lost":
            assert field is True
        elif name == "check":
            assert [check.text for check in found.checks] == ["duplicates == 0"]
        elif name == "baseline":
            assert [row.at_s for row in field] == [7]
        else:
            assert str(field).removesuffix(".0") == value
    assert found.longest_timeout_s == 3
    assert (found.request_topics, found.reply_topics) == ({"q"}, {"r"})


def parsed(monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str) -> dict[str, Any]:
    """What Locust's own parser makes of a command line and variables, with our options in it."""
    for option in OPTIONS:
        monkeypatch.delenv(option.env, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["locust", *arguments])
    parser = LocustArgumentParser(default_config_files=[], formatter_class=argparse.HelpFormatter, add_help=False)
    add_options(parser)
    return vars(parser.parse_args(list(arguments)))


def loaded(monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str) -> Settings:
    return load_settings(parsed(monkeypatch, *arguments, **variables))


def test_a_flag_goes_before_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag, variable, default; each blamed by its own name."""
    assert loaded(monkeypatch).settle_s == 2
    assert loaded(monkeypatch, LOCUST_KAFKA_SETTLE="3").settle_s == 3
    assert loaded(monkeypatch, "--kafka-settle", "4", LOCUST_KAFKA_SETTLE="3").settle_s == 4
    with pytest.raises(SettingsError, match=r"^LOCUST_KAFKA_SETTLE 'x' is refused"):
        loaded(monkeypatch, LOCUST_KAFKA_SETTLE="x")
    for typed in (["--kafka-settle", "x"], ["--kafka-settle=x"]):
        with pytest.raises(SettingsError, match=r"^--kafka-settle 'x' is refused"):
            loaded(monkeypatch, *typed)
        with pytest.raises(SettingsError, match=r"^--kafka-settle 'x' is refused"):
            loaded(monkeypatch, *typed, LOCUST_KAFKA_SETTLE="x")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_variable_is_blamed_by_its_name(option: Option, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that came by a variable is refused by the variable's name: nobody looks for a flag that was not typed."""
    value = REFUSED[option.dest][0][0]
    with pytest.raises(SettingsError) as refused:
        loaded(monkeypatch, **{option.env: str(value)})
    assert option.env in str(refused.value)
    assert option.flag not in str(refused.value)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
@pytest.mark.parametrize("made", ["tcp://10.96.0.1:9646", "udp://[fd00::1]:53"])
def test_what_kubernetes_makes_is_passed_over(
    option: Option, made: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A variable that Kubernetes made for a service of our name changes nothing; a warning names it and the flag."""
    options = parsed(monkeypatch, **{option.env: made})
    assert given_options(options) == {}
    assert load_settings(options) == parse({})
    with caplog.at_level(logging.WARNING, "locust_kafka"):
        warn_of_kubernetes()
    (record,) = caplog.records
    assert option.env in record.getMessage()
    assert option.flag in record.getMessage()


def test_other_variables_of_kubernetes_are_none_of_ours(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For a service called locust-kafka there are LOCUST_KAFKA_PORT and the like: no option, no warning, no refusal."""
    options = parsed(
        monkeypatch, LOCUST_KAFKA_PORT="tcp://10.96.0.1:80", LOCUST_KAFKA_SERVICE_HOST="10.96.0.1",
        LOCUST_KAFKA_PORT_80_TCP="tcp://10.96.0.1:80", LOCUST_KAFKA_SERVICE_PORT="80",
    )  # fmt: skip
    assert load_settings(options) == parse({})
    warn_of_kubernetes()
    assert caplog.records == []


def test_what_nobody_gave_is_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults are told from the same text given; help and web UI show every option, paths and brokers frozen."""
    options = parsed(monkeypatch)
    assert all(isinstance(options[option.dest], Unset) and options[option.dest] == option.default for option in OPTIONS)
    same = parsed(monkeypatch, "--kafka-settle", "2")
    assert given_options(same) == {"kafka_settle": Given("2", "--kafka-settle")}


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The path, its source and the system's reason; a bad line is named with the file and its number."""
    missing = str(tmp_path / "none.properties")
    with pytest.raises(
        SettingsError, match=rf"LOCUST_KAFKA_CONFIG '{re.escape(missing)}' cannot be read: No such file"
    ):
        loaded(monkeypatch, LOCUST_KAFKA_CONFIG=missing)
    bad = tmp_path / "bad.properties"
    bad.write_text("acks=all\nsasl.password\n")
    with pytest.raises(SettingsError, match=r"bad\.properties, line 2: there is no value"):
        loaded(monkeypatch, "--kafka-config", str(bad))
    good = tmp_path / "good.properties"
    good.write_text("bootstrap.servers=h:1\nproducer.acks=all\n")
    settings = loaded(monkeypatch, "--kafka-config", str(good))
    assert (settings.bootstrap, settings.bootstrap_source) == ("h:1", "line 1 of the --kafka-config file")
    with pytest.raises(SettingsError, match="o:1 by LOCUST_KAFKA_BOOTSTRAP and h:1 by line 1"):
        loaded(monkeypatch, "--kafka-config", str(good), LOCUST_KAFKA_BOOTSTRAP="o:1")


def test_what_a_form_sends_was_given() -> None:
    """Locust's web UI keeps the type of the value before: a default's type makes plain text of what somebody typed."""
    default = Unset.default("10")
    typed = type(default)("soon")
    assert isinstance(default, Unset)
    assert given_options({"kafka_reply_timeout": default}) == {}
    with pytest.raises(SettingsError, match="'soon' is refused"):
        load_settings({"kafka_reply_timeout": typed})


@pytest.mark.parametrize(
    "dest", ["kafka_bootstrap", "kafka_group", "kafka_trace_url", "kafka_reply_to_header", "kafka_error_header"]
)
@pytest.mark.parametrize("odd", ["\udcff", "\0", "\x1b[2J"])
def test_text_that_cannot_be_printed_is_refused(dest: str, odd: str) -> None:
    """A byte that is no UTF-8, a zero, a control character: librdkafka, JSON or the console would stop on it later."""
    template = "http://h/{trace_id}" if dest == "kafka_trace_url" else "h:1"
    assert "print" in refusal(dest, Given(f"{template}{odd}x", "--it"))


def test_a_path_with_a_zero_is_refused_in_words() -> None:
    """The web UI and a variable can hold what no file can be called."""
    with pytest.raises(SettingsError, match=r"LOCUST_KAFKA_CONFIG 'a.x00b' is no path"):
        given_settings(argparse.Namespace(), {"LOCUST_KAFKA_CONFIG": "a\0b"})
    with pytest.raises(SettingsError, match="is no path"):
        load_settings({"kafka_config": "a\0b"})


@pytest.mark.parametrize(
    "cell", ["5", [], {}, True, float("nan"), float("inf"), 1e300, "[" * 5000], ids=lambda cell: repr(cell)[:10]
)
def test_a_baseline_with_another_cell_is_none(tmp_path: Path, cell: Any) -> None:
    """A text, a list, infinity, endless brackets: refused before the run, not at its end when the two are compared."""
    file = baseline_of(tmp_path / "run") / "summary.json"
    whole = json.loads(file.read_text())
    whole["history"]["rows"][0][14] = cell
    text = json.dumps(whole).replace(f'"{"[" * 5000}"', "[" * 5000)
    file.write_text(text)
    with pytest.raises(SettingsError, match="is no report of an earlier run"):
        read_baseline(str(file), "--kafka-baseline")
