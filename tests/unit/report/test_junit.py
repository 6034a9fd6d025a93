"""junit.xml as CI servers read it: valid by the schema, with the counts that it holds, whatever the words are."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from locust_kafka.core.checks import Judged
from locust_kafka.core.results import RunResults
from locust_kafka.report import junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
WORDS = st.text(max_size=30) | st.sampled_from(["]]>", "<failure/>", "\x00\x1b", "&amp;", "\ud800", "\ufffe", ""])
JUDGED = st.builds(
    Judged, text=WORDS, found=WORDS, passed=st.booleans(), reason=WORDS, value=st.none() | st.floats(0, 9)
)


@given(st.lists(JUDGED, max_size=6), st.lists(WORDS, max_size=2), st.floats(0, 1e6))
def test_the_document_is_valid_whatever_the_words_are(
    judged: list[Judged], invalid: list[str], duration_s: float
) -> None:
    """Any text of a check or of a finding: the schema holds, and the counts are those of the cases."""
    results = RunResults()
    results.invalid, results.duration_s = invalid, duration_s
    document = junit.to_xml(judged, results)
    SCHEMA.validate(document)
    (suite,) = ElementTree.fromstring(document)
    assert suite.get("tests") == str(len(suite)) == str(len(judged) + 1)
    assert suite.get("failures") == str(len(suite.findall("*/failure"))) == str(sum(not one.passed for one in judged))
    assert suite.get("errors") == str(len(suite.findall("*/error"))) == str(int(bool(invalid)))


def test_the_schema_can_fail() -> None:
    """A document without its counts is not valid."""
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        SCHEMA.validate("<testsuites><testsuite name='n'><testcase name='n'/></testsuite></testsuites>")
