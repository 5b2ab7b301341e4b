"""Test reports: JUnit XML files as ``testReport/api/json`` shows them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.jenkins.export import Bean


@dataclass(frozen=True)
class Case:
    """One test case; `status` is PASSED, FAILED or SKIPPED."""

    class_name: str
    name: str
    duration: float
    status: str
    details: str | None = None
    trace: str | None = None
    skipped_message: str | None = None


@dataclass(frozen=True)
class Suite:
    """One test suite."""

    name: str
    cases: tuple[Case, ...]


def read(paths: Iterable[Path]) -> list[Suite]:
    """The suites of some files; a file that is no XML holds none."""
    suites = []
    for path in paths:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - reports of the sandbox's own builds
        except (OSError, ET.ParseError):
            continue
        suites += [_suite(each, path) for each in ([root] if root.tag == "testsuite" else root.iter("testsuite"))]
    return suites


def _suite(element: ET.Element, path: Path) -> Suite:
    cases = tuple(_case(each) for each in element.iterfind("testcase"))
    return Suite(element.get("name") or path.stem, cases)


def _case(element: ET.Element) -> Case:
    failure = element.find("failure")
    failure = failure if failure is not None else element.find("error")
    skipped = element.find("skipped")
    status = "FAILED" if failure is not None else "SKIPPED" if skipped is not None else "PASSED"
    try:
        duration = float((element.get("time") or "0").replace(",", ""))
    except ValueError:
        duration = 0.0
    return Case(
        element.get("classname") or "",
        element.get("name") or "",
        duration,
        status,
        failure.get("message") if failure is not None else None,
        failure.text if failure is not None else None,
        (skipped.get("message") or "") if skipped is not None else None,
    )


def counts(suites: list[Suite]) -> tuple[int, int, int]:
    """Failed, skipped, passed."""
    states = [case.status for suite in suites for case in suite.cases]
    return states.count("FAILED"), states.count("SKIPPED"), states.count("PASSED")


def action(paths: Iterable[Path]) -> Bean:
    """The action a build with reports has."""
    failed, skipped, passed = counts(read(paths))
    fields = {
        "failCount": failed,
        "skipCount": skipped,
        "totalCount": failed + skipped + passed,
        "urlName": "testReport",
    }
    return Bean("hudson.tasks.junit.TestResultAction", fields, dict.fromkeys(fields, 2))


def report(paths: Iterable[Path]) -> Bean:
    """``testReport/api/json``."""
    suites = read(paths)
    failed, skipped, passed = counts(suites)
    return Bean(
        "hudson.tasks.junit.TestResult",
        {
            "testActions": [],
            "duration": sum(case.duration for suite in suites for case in suite.cases),
            "empty": not suites,
            "failCount": failed,
            "passCount": passed,
            "skipCount": skipped,
            "suites": [_suite_bean(suite) for suite in suites],
        },
        inline=frozenset({"suites"}),
    )


def _suite_bean(suite: Suite) -> Bean:
    fields: dict[str, Any] = {
        "cases": [_case_bean(case) for case in suite.cases],
        "duration": sum(case.duration for case in suite.cases),
        "enclosingBlockNames": [],
        "enclosingBlocks": [],
        "id": None,
        "name": suite.name,
        "nodeId": None,
        "properties": {},
        "stderr": None,
        "stdout": None,
        "timestamp": None,
    }
    return Bean(None, fields, inline=frozenset({"cases"}))


def _case_bean(case: Case) -> Bean:
    return Bean(
        None,
        {
            "testActions": [],
            "age": 1 if case.status != "PASSED" else 0,
            "className": case.class_name,
            "duration": case.duration,
            "errorDetails": case.details,
            "errorStackTrace": case.trace,
            "failedSince": 0,
            "name": case.name,
            "properties": {},
            "skipped": case.status == "SKIPPED",
            "skippedMessage": case.skipped_message,
            "status": case.status,
            "stderr": None,
            "stdout": None,
        },
    )
