"""Checks as JUnit XML, as CI systems read it: one test case for each check, and one for the run itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from locust_kafka.core.checks import Judged
from locust_kafka.core.results import RunResults
from locust_kafka.paths import open_output

SUITE = "locust-kafka"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 (section 2.2) cannot hold, not even escaped."""


def to_xml(judged: Sequence[Judged], results: RunResults) -> str:
    """The document.

    Args:
        judged: the checks.
        results: of the run; an invalid one is an error of its own case, whatever the checks say.
    """
    errors = [*results.invalid, *(f"the generator was the bottleneck: {words}" for words in results.bottleneck)]
    failed = [one for one in judged if not one.passed]
    suite = ElementTree.Element(
        "testsuite", name=SUITE, tests=str(len(judged) + 1), failures=str(len(failed)), errors=str(int(bool(errors))),
        skipped="0", time=f"{results.duration_s:.3f}",
    )  # fmt: skip
    case = ElementTree.SubElement(suite, "testcase", classname=SUITE, name="the run is valid", time="0")
    if errors:
        error = ElementTree.SubElement(case, "error", message=_text(errors[0]), type="invalid")
        error.text = _text("\n".join(errors))
    for one in judged:
        case = ElementTree.SubElement(suite, "testcase", classname=SUITE, name=_text(one.text), time="0")
        if not one.passed:
            failure = ElementTree.SubElement(case, "failure", message=_text(one.words), type="check")
            failure.text = _text(f"expected: {one.text}\nactual:   {one.found}\n{one.reason}")
    suites = ElementTree.Element("testsuites", name=SUITE)
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=False) + "\n"


def write(judged: Sequence[Judged], results: RunResults, path: Path) -> None:
    """Write the document.

    Raises:
        OSError: the file cannot be written.
    """
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + to_xml(judged, results)
    with open_output(path) as file:
        file.write(text.encode("utf-8", "xmlcharrefreplace"))


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
