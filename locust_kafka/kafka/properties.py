"""Client settings from a properties file: the load tester's copy.

The file may be one of librdkafka's or one of a Java client: the dialect is that of `java.util.Properties`, in UTF-8.
The load tester and the waiter share no code, so each has this module; a contract test holds the two copies equal.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote, quote_plus

from .java_settings import Setting, translate

SECRET: Final = re.compile(
    r"password|passphrase|secret|jaas|user\.info|(auth|oauthbearer)\.token$|oauthbearer\.config$|\.pem$|keystore\.key$"
)
"""Finds the names of settings whose values must never be shown."""

# The name of a setting is recognised by its form.  Anything else may be a piece of a secret and is never repeated.
_NAME: Final = re.compile(
    r"(?:(?:producer|consumer)\.)?(?:[a-z][a-z0-9_]*(?:[.-][a-z0-9_]+)+|acks|retries|debug|partitioner|log_level)"
)
_REFERENCE: Final = re.compile(r"(\$)?\$\{(?:(env:)?([A-Za-z_][A-Za-z0-9_]*)\}|[^}]*\})|\$\$\{")
_MIN_PART: Final = 4
"""Shorter parts of a value would blank out words that have nothing to do with it."""
_CREDENTIALS: Final = re.compile(r"""(?<=//)[^\s/@'"]{1,255}(?=@)|[^\s/@,:'"]{1,255}:[^\s/@,'"]{1,255}(?=@)""")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


class PropertiesError(ValueError):
    """A properties file that cannot be used: a sentence with the file, the line, the setting and the remedy.

    The sentence never repeats a value, nor a line that could not be read: either may hold a secret.
    """


@dataclass(frozen=True)
class Properties:
    """What a file says.

    Attributes:
        values: librdkafka's names and values; a prefix `producer.` or `consumer.` is kept.
        lines: the line in the file (from 1) of each name in `values`.
        notes: sentences for the log, each with its line: what was passed over, translated or unquoted.
    """

    values: dict[str, str]
    lines: dict[str, int]
    notes: tuple[str, ...]


def read_properties(data: bytes, environ: Mapping[str, str], where: str) -> Properties:
    """Read a properties file and translate a Java client's settings to librdkafka's.

    Args:
        data: the file's content, UTF-8.
        environ: the variables that `${NAME}` and `${env:NAME}` stand for; `$${` is a literal `${`.
        where: the file's name, for sentences.

    Raises:
        PropertiesError: the file cannot be read, or asks for something that librdkafka does not have.
    """
    reader = _Reader(environ, where)
    for number, line in _logical_lines(reader.decode(data)):
        reader.add(number, line)
    for entry in reader.entries:
        reader.settle(entry)
    return Properties(reader.values, reader.lines, tuple(reader.notes))


def is_secret(name: str) -> bool:
    """Whether the value of a setting of this name must never be shown."""
    return SECRET.search(name) is not None


def mask(text: str, values: Mapping[str, str]) -> str:
    """Replace by *** whatever in a text is the value of a secret setting, also when it is quoted or encoded.

    So are the parts of a value that is a list of names and values, and a user and password before a host.

    Args:
        text: a sentence on its way to a person, such as an error of librdkafka.
        values: settings by name; those that `is_secret` finds are masked.
    """
    secrets: set[str] = set()
    for value in (value for name, value in values.items() if is_secret(name) and value):
        lines = [line for line in value.splitlines() if len(line) >= 16] if "\n" in value else []
        parts = [piece.partition("=")[2].strip("\"'") for piece in re.split(r"[\s,;]+", value) if "=" in piece]
        parts = [part for part in parts if len(part) >= _MIN_PART]
        for plain in (value, value.strip() or value, *lines, *parts):
            raw = plain.encode("utf-8", "surrogatepass")
            secrets |= {plain, repr(plain)[1:-1], ascii(plain)[1:-1]}
            secrets |= {json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1]}
            secrets |= {
                repr(raw)[2:-1],
                quote(raw),
                quote(raw, safe=""),
                quote_plus(raw),
                base64.b64encode(raw).decode(),
            }
            secrets |= {plain.encode("unicode_escape", "surrogatepass").decode(), plain.replace("\\", "\\\\")}
    # One after the other: an alternation of long texts would take the product of their lengths.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _CREDENTIALS.sub("***", text) if "@" in text else text


@dataclass(frozen=True)
class _Entry:
    """One line: its number, the prefix and the rest of its name, and its value before variables are put in."""

    line: int
    prefix: str
    name: str
    value: str


class _Reader:
    """Gathers the lines of one file, then what they mean to librdkafka."""

    def __init__(self, environ: Mapping[str, str], where: str) -> None:
        self.entries: list[_Entry] = []
        self.values: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.notes: list[str] = []
        self._environ = environ
        self._where = where

    def error(self, line: int, sentence: str) -> PropertiesError:
        return PropertiesError(f"{self._where}, line {line}: {sentence}")

    def note(self, line: int, sentence: str) -> None:
        self.notes.append(f"{self._where}, line {line}: {sentence}")

    def decode(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
            # Without the decoder's own words: they hold the data.
            raise self.error(
                line, "this line is not UTF-8; save the file as UTF-8, or write \\uXXXX for letters beyond ASCII"
            ) from None

    def add(self, number: int, line: str) -> None:
        name, separator, value = _split(line)
        name = self._unescape(number, "a name", name)
        if not separator and not value:
            raise self.error(
                number, "there is no value; write name=value (the line is not repeated: it may be a secret)"
            )
        if _NAME.fullmatch(name) is None:
            raise self.error(
                number,
                "it does not begin with the name of a setting; write name=value, and end a line that "
                "goes on in the next one with a backslash (it is not repeated: it may be a secret)",
            )
        trimmed = value.rstrip(" \t\f")
        if (len(trimmed) - len(trimmed.rstrip("\\"))) % 2:
            trimmed += value[len(trimmed) : len(trimmed) + 1]  # this blank is escaped
        if trimmed != value and is_secret(name):
            self.note(number, f"blanks at the end of {name} were removed; write the last one as \\u0020 to keep them")
        value = self._unescape(number, name, trimmed)
        if re.fullmatch(r"""(["'])(?:(?!\1).)*\1""", value, re.DOTALL):
            self.note(number, f"the quotes around the value of {name} were removed")
            value = value[1:-1]
        prefix, _, rest = name.partition(".")
        known = prefix in ("producer", "consumer")
        self.entries.append(_Entry(number, f"{prefix}." if known else "", rest if known else name, value))

    def settle(self, entry: _Entry) -> None:
        """Translate one line and take what it says to librdkafka."""
        said = entry.prefix + entry.name
        done = translate(
            Setting(entry.name, entry.value, partial(self._put_variables, entry), partial(self._sibling, entry))
        )
        if done.refusal:
            raise self.error(entry.line, f"{said} is refused: {done.refusal}")
        if done.note:
            self.note(entry.line, f"{said}: {done.note}")
        for name, value in done.settings:
            self._take(entry, entry.prefix + name, value)

    def _take(self, entry: _Entry, name: str, value: str) -> None:
        said = entry.prefix + entry.name
        allowed = "\r\n" if name.endswith(".pem") else ""
        if not all(character.isprintable() or character in allowed for character in value):
            raise self.error(
                entry.line,
                f"the value of {said} holds a character that cannot be printed; write it anew "
                "(write \\\\ for a backslash)",
            )
        if re.fullmatch(r"\{\{.*\}\}", value):
            raise self.error(entry.line, f"{said} still holds its template's placeholder; write the value")
        if self.values.get(name, value) != value:
            raise self.error(
                entry.line, f"{name} has another value in line {self.lines[name]}; keep one of the two lines"
            )
        self.values[name] = value
        self.lines.setdefault(name, entry.line)

    def _put_variables(self, entry: _Entry, text: str) -> str:
        said = entry.prefix + entry.name

        def variable(match: re.Match[str]) -> str:
            if match[0].startswith("$${"):
                return match[0][1:]
            name = match[3]
            if name is None:
                raise self.error(
                    entry.line,
                    f"{said}: a reference is ${{NAME}} or ${{env:NAME}}, NAME "
                    "being an environment variable; write $${ for a literal ${",
                )
            if name not in self._environ:
                raise self.error(
                    entry.line,
                    f"{said} needs the environment variable {name}, which is "
                    "not set; set it, or write $${ for a literal ${",
                )
            return self._environ[name]

        return _REFERENCE.sub(variable, text)

    def _sibling(self, entry: _Entry, name: str) -> str:
        """The value of another setting for the same kind of client, "" if there is none."""
        found = {other.prefix: other.value for other in self.entries if other.name == name}
        return found.get(entry.prefix, found.get("", "")).strip()

    def _unescape(self, line: int, name: str, text: str) -> str:
        def plain(match: re.Match[str]) -> str:
            if match[1] is not None:
                return chr(int(match[1], 16))
            if match[2] == "u":
                raise self.error(
                    line, f"{name}: \\u must be followed by four hexadecimal digits; write \\\\ for a backslash"
                )
            if match[2].isalnum() and match[2] not in "tnrf":
                self.note(
                    line,
                    f"{name}: a backslash before a letter or a digit is dropped, as Java does; "
                    "write \\\\ for a backslash",
                )
            return {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(match[2], match[2])

        text = _ESCAPE.sub(plain, text)
        # Java writes a character beyond U+FFFF as a pair of escapes.
        return re.sub(
            "[\ud800-\udbff][\udc00-\udfff]", lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), text
        )


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with the number of their first one; a backslash at the end joins two."""
    start, pending = 0, ""
    for number, natural in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = natural.lstrip(" \t\f")
        if not pending:
            if not line or line[0] in "#!":
                continue
            start = number
        pending += line
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending = pending[:-1]
            continue
        yield start, pending
        pending = ""
    if pending:
        yield start, pending


def _split(line: str) -> tuple[str, str, str]:
    match = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*([=:]?)[ \t\f]*(.*)", line, re.DOTALL)
    assert match is not None  # each part may be empty
    return match[1], match[2], match[3]
