"""What the tests of a build came to: JUnit reports as Jenkins reads them, and GitLab's ``coverage:``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.source.regex import Regex, RegexError

MOST_FAILURES = 200
_MESSAGE_CHARACTERS = 500
_LINE_CHARACTERS = 2_000
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class FailedTest:
    """A test case that failed; `message` is its first line or more, shortened."""

    suite: str
    name: str
    message: str


@dataclass(frozen=True)
class TestReport:
    """All JUnit reports of a build; of the failures the first `MOST_FAILURES`."""

    __test__ = False  # no test case of pytest's

    passed: int
    failed: int
    skipped: int
    failures: tuple[FailedTest, ...] = ()

    @property
    def total(self) -> int:
        """All cases."""
        return self.passed + self.failed + self.skipped

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.total} tests: {self.passed} passed, {self.failed} failed{skipped}"


def read_report(answer: Mapping[str, Any]) -> TestReport:
    """Jenkins' ``testReport`` as a value."""
    failures: list[FailedTest] = []
    for suite in answer.get("suites") or ():
        for case in suite.get("cases") or ():
            if case.get("status") in ("FAILED", "REGRESSION") and len(failures) < MOST_FAILURES:
                name = ".".join(part for part in (case.get("className"), case.get("name")) if part)
                message = str(case.get("errorDetails") or "").strip()[:_MESSAGE_CHARACTERS]
                failures.append(FailedTest(str(suite.get("name") or ""), name, message))
    passed, failed, skipped = (int(answer.get(name) or 0) for name in ("passCount", "failCount", "skipCount"))
    return TestReport(passed, failed, skipped, tuple(failures))


class Coverage:
    """Finds the percentage in the lines of jobs, as GitLab does: the last match in the last line that has one.

    Upstream: GitLab's ``Gitlab::Ci::Trace::Stream#extract_coverage``.

    Args:
        patterns: ``/expression/`` by job; RE2's syntax.

    Attributes:
        found: Percent by job.
        problems: What could not be read, in sentences.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self.found: dict[str, float] = {}
        self.problems: list[str] = []
        self._regexes: dict[str, Regex] = {}
        for job, pattern in patterns.items():
            source = pattern[1:-1]  # GitLab's `Entry::Coverage#value`: of flags it makes text
            try:
                if source.strip():
                    self._regexes[job] = Regex(source)
            except RegexError as error:
                self.problems.append(
                    f"coverage of job {job!r} is not read: {pattern} is no expression of RE2: {error}."
                )

    def read(self, job: str | None, line: str) -> None:
        """Take a line of a job in."""
        regex = self._regexes.get(job) if job is not None else None
        if regex is None or job is None or not _NUMBER.search(line):
            return
        percent = _percent(regex, line[:_LINE_CHARACTERS])
        if percent is not None:
            self.found[job] = percent


def _percent(regex: Regex, line: str) -> float | None:
    texts = [text for match in regex.scan(line) for text in (match[1:] or match) if text is not None]
    number = _NUMBER.search(texts[-1]) if texts else None
    return float(number[0]) if number else None


def average(coverage: Mapping[str, float]) -> float | None:
    """The pipeline's coverage: the average of its jobs', as GitLab's; None without any."""
    return round(sum(coverage.values()) / len(coverage), 2) if coverage else None
