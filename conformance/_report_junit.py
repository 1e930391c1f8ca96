"""The report for build servers, as JUnit XML.

A failure that is tolerated, and a SHOULD that is not kept, are no failures there: they stand as
passed, with what was seen beside them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml  # it only writes here

from conformance._case import Grade
from conformance._runner import Result, Verdict

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[Result]) -> str:
    """Return the whole report as one XML document."""
    suites = Xml.Element("testsuites", name="croc-core conformance")
    for result in results:
        suite = Xml.SubElement(
            suites,
            "testsuite",
            name=result.host,
            tests=str(len(result.verdicts)),
            failures=str(sum(verdict.bad for verdict in result.verdicts)),
            skipped=str(result.count(Grade.SKIPPED)),
            time=f"{result.seconds:.3f}",
        )
        for verdict in result.verdicts:
            _case(suite, verdict)
    Xml.indent(suites)
    return Xml.tostring(suites, "unicode", xml_declaration=True) + "\n"


def _case(suite: Xml.Element, verdict: Verdict) -> None:
    case = verdict.case
    node = Xml.SubElement(
        suite,
        "testcase",
        name=case.id,
        classname=f"{case.part}.{case.area}",
        time=f"{verdict.seconds:.3f}",
    )
    detail = _NOT_XML.sub("?", verdict.detail)
    if verdict.grade is Grade.SKIPPED:
        Xml.SubElement(node, "skipped", message=detail)
    elif verdict.bad:
        failure = Xml.SubElement(node, "failure", message=detail)
        pairs = zip(case.requirements, case.texts, strict=True)
        failure.text = "\n".join(f"{name}: {sentence}" for name, sentence in pairs)
    elif detail:
        Xml.SubElement(node, "system-out").text = f"{verdict.grade}: {detail}"
