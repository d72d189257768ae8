"""The report as JUnit's XML, which CI servers show: the verification and each gate is a test case."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from .cases import Case


def junit(image: str, found: Sequence[Case]) -> bytes:
    """A document with one suite, named after the image, of what was tried of it (no published schema is authoritative:
    Jenkins's and GitLab's readers ask for these elements and attributes)."""
    failures = sum(bool(case.trouble) for case in found)
    counts = {"tests": str(len(found)), "failures": str(failures), "errors": "0"}
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"cntr slim {image}", **counts, "skipped": "0"})
    for name, trouble, seconds in found:
        attributes = {"classname": f"cntr slim {image}", "name": name, "time": f"{seconds:.3f}"}
        case = ElementTree.SubElement(suite, "testcase", attributes)
        if trouble:
            ElementTree.SubElement(case, "failure", {"message": trouble}).text = trouble
    ElementTree.indent(suites)
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
