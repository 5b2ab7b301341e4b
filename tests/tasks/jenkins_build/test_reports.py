"""Tests and coverage of a build."""

import json
from pathlib import Path

import pytest

from errors import BuildFailedError
from tasks.jenkins_build.outcome import BuildOutcome, BuildRef, check_stable, results
from tasks.jenkins_build.reports import Coverage, FailedTest, TestReport, read_report

RECORDING = Path(__file__).parents[2] / "sandbox" / "jenkins" / "recordings" / "51-test-report.json"
REF = BuildRef("group/app", 1, 7, "http://jenkins/job/group/job/app/7/", "k")


def test_the_report_of_a_real_jenkins() -> None:
    answer = json.loads(RECORDING.read_text())["exchanges"][1]["response"]["body"]
    report = read_report(answer)
    assert report == TestReport(1, 1, 1, (FailedTest("s", "c.A.bad", "boom"),))
    assert str(report) == "3 tests: 1 passed, 1 failed, 1 skipped"


@pytest.mark.parametrize(
    ("pattern", "lines", "percent"),
    [
        (r"/TOTAL.+ ([0-9]{1,3}%)/", ["TOTAL 120 12 90%", "done"], 90.0),
        (r"/Coverage: \d+\.\d+/", ["Coverage: 12.5", "Coverage: 81.25 of all"], 81.25),
        (r"/\d+%/", ["10% of 20% and 30%"], 30.0),
        (r"/(\d+)%|(\d+) percent/", ["75 percent"], 75.0),
        (r"/Total/", ["Total 80"], None),
        (r"/\d+%/", ["nothing"], None),
        (r"/\d+%/i", ["Total: 70%/100% and 9%"], 70.0),
        ("//", ["Total 80"], None),
        ("/ /", ["Total 80"], None),
    ],
)
def test_coverage_is_the_last_match_of_the_last_line(pattern: str, lines: list[str], percent: float | None) -> None:
    coverage = Coverage({"test": pattern})
    for line in lines:
        coverage.read("test", line)
        coverage.read("other", "99%")
        coverage.read(None, "98%")
    assert coverage.found.get("test") == percent
    assert set(coverage.found) <= {"test"}


def test_a_bad_expression_is_named() -> None:
    coverage = Coverage({"test": "/(?=x)/"})
    coverage.read("test", "1%")
    assert coverage.found == {}
    assert coverage.problems == [
        "coverage of job 'test' is not read: /(?=x)/ is no expression of RE2: RE2 has no look-ahead or look-behind."
    ]


def test_results_are_plain() -> None:
    outcome = BuildOutcome(REF, "SUCCESS", 1.0, tests=TestReport(8, 1, 2), coverage={"a": 80.0, "b": 91.0})
    build = {"build": {"job": "group/app", "number": 7}}
    assert results(outcome) == {"passed": 8, "failed": 1, "skipped": 2, "coverage": 85.5, **build}
    assert results(BuildOutcome(REF, "SUCCESS", 1.0)) == build


def test_unstable_builds_follow_the_policy() -> None:
    assert check_stable(BuildOutcome(REF, "SUCCESS", 1.0, tests=TestReport(8, 0, 2)), "fail") == ""
    failed = BuildOutcome(REF, "SUCCESS", 1.0, tests=TestReport(8, 1, 0, (FailedTest("s", "c.A.bad", "boom"),)))
    assert check_stable(failed, "warn").startswith("Build group/app #7 is unstable: 1 of 9 tests failed.")
    with pytest.raises(BuildFailedError, match=r"1 of 9 tests failed, .*\n    c\.A\.bad: boom"):
        check_stable(failed, "fail")
    with pytest.raises(BuildFailedError, match="Jenkins calls it UNSTABLE"):
        check_stable(BuildOutcome(REF, "UNSTABLE", 1.0), "fail")
