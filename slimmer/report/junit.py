"""The report as JUnit's XML, which CI servers show: the verification and each gate is a test case."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from .schema import Report


def junit(report: Report) -> bytes:
    """A document with one suite, named after the image (no published schema is authoritative: Jenkins's and GitLab's
    readers ask for these elements and attributes)."""
    cases = list(_cases(report))
    failures = sum(bool(trouble) for _, trouble, _ in cases)
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"cntr slim {report.image}", **counts, "skipped": "0"})
    for name, trouble, seconds in cases:
        attributes = {"classname": f"cntr slim {report.image}", "name": name, "time": f"{seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if trouble:
            ElementTree.SubElement(case, "failure", {"message": trouble}).text = trouble
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _cases(report: Report) -> Iterator[tuple[str, str, float]]:
    """The name of each, what is wrong, and the seconds that it took."""
    for outcome in report.probes.slim:
        yield f"probe {outcome['spec']}", "" if outcome["ok"] else outcome["detail"], outcome["seconds"]
    yield "the slim image does what the original does", report.trouble, 0.0
    for gate in report.gates:
        yield gate.name, "" if gate.passed else f"{gate.found}, wanted {gate.wanted}", 0.0
