"""The report as JUnit's XML, which CI servers show: the verification and each gate is a test case."""

from __future__ import annotations

from xml.etree import ElementTree

from .cases import cases
from .schema import Report


def junit(report: Report) -> bytes:
    """A document with one suite, named after the image (no published schema is authoritative: Jenkins's and GitLab's
    readers ask for these elements and attributes)."""
    found = list(cases(report))
    failures = sum(bool(case.trouble) for case in found)
    counts = {"tests": str(len(found)), "failures": str(failures), "errors": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"cntr slim {report.image}", **counts, "skipped": "0"})
    for name, trouble, seconds in found:
        attributes = {"classname": f"cntr slim {report.image}", "name": name, "time": f"{seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if trouble:
            ElementTree.SubElement(case, "failure", {"message": trouble}).text = trouble
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
