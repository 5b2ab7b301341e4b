"""Reads the console of a Jenkins build as it grows: bytes to lines, lines to the states of GitLab jobs.

Pure. Consumes chunks of ``logText/progressiveText``; produces lines and `StageChange`.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from tasks.jenkins_build.outcome import Failure, StageOutcome, StageStatus

IMAGE_STAGE = "image"
TAIL_LINES = 40
_ANNOTATION = re.compile(r"\x1b\[8mha:.*?\x1b\[0m")  # hidden console notes of Jenkins
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STAMP = r"(?:\[[^\]\s]+\]\s)?"  # the timestamper plugin's prefix
_MARKER = re.compile(_STAMP + r"gl-job name=(\S+) state=(running|success|failed|unstable|canceled|skipped)(?:\s.*)?")
_STEP = re.compile(_STAMP + r"\[Pipeline\] (.*)")
_SKIPPED = re.compile(_STAMP + r'Stage "(.+)" skipped due to .*')
_EXIT = re.compile(r".*(?:script returned exit code -?\d+|timed out).*")
_ANSWERED = re.compile(_STAMP + r"((?:Approved|Rejected) by .+)")
_ERROR = re.compile(_STAMP + r"(?:ERROR: |.*Exception: |WorkflowScript: )\S.*")
_STATES: dict[str, StageStatus] = {"canceled": "aborted", "running": "running", "success": "success",
                                   "failed": "failed", "unstable": "unstable", "skipped": "skipped"}  # fmt: skip


class LineAssembler:
    r"""Joins chunks of bytes into lines.

    A chunk may end inside a line, inside a UTF-8 sequence, or between ``\r`` and ``\n``. `rest` is the line begun.

    >>> lines = LineAssembler()
    >>> lines.feed(b"one\r\ntw\xc3"), lines.feed(b"\xb6\r"), lines.feed(b"\nthree"), lines.finish()
    (['one'], [], ['twö'], ['three'])
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.rest = ""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes."""
        *whole, self.rest = (self.rest + self._decoder.decode(chunk)).split("\n")
        return [_clean(line) for line in whole]

    def finish(self) -> list[str]:
        """The last line, if the text did not end with a line end."""
        rest = self.rest + self._decoder.decode(b"", final=True)
        self.rest = ""
        return [_clean(rest)] if rest else []


def _clean(line: str) -> str:
    return _COLOUR.sub("", _ANNOTATION.sub("", line.rstrip("\r")))


def is_noise(line: str) -> bool:
    """Whether a line only says which Pipeline step begins or ends."""
    return _STEP.fullmatch(line) is not None


@dataclass
class Console:
    """What the lines so far say. Fed with every line, in order.

    Attributes:
        stages: Status by name of GitLab job (and of the image stage), in the order they began.
        tail: The last lines that are not noise.
        failure: The first job that failed, and the lines before that.
        asked: How many `input` steps have begun to wait for somebody.
        answers: Lines that say who answered one.
    """

    stages: dict[str, StageStatus] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    failure: Failure | None = None
    asked: int = 0
    answers: list[str] = field(default_factory=list)

    def read(self, line: str) -> StageOutcome | None:
        """Take one line in.

        Returns:
            The job whose state the line changed, or None.
        """
        self._hear(line)
        change = stage_change(line)
        if change is not None and self.stages.get(change.name) != change.status:
            self.stages[change.name] = change.status
            if change.status == "failed" and self.failure is None:
                self.failure = failure(change.name, self.tail)
            return change
        if change is None and not is_noise(line) and line.strip():
            self.tail.append(line)
        return None

    def _hear(self, line: str) -> None:
        if (step := _STEP.fullmatch(line)) and step[1] == "input":
            self.asked += 1
        elif answer := _ANSWERED.fullmatch(line):
            self.answers.append(answer[1])

    def close(self, succeeded: bool) -> None:
        """The build is over: what still runs has its end, and a failure without a marker gets its lines."""
        for name, status in self.stages.items():
            if status == "running":
                self.stages[name] = "success" if succeeded else "failed"
                if not succeeded and self.failure is None:
                    self.failure = failure(name, self.tail)
        if not succeeded and self.failure is None:
            self.failure = failure(None, self.tail)
        if self.failure is not None and self.failure.exit_line is None:  # Jenkins may tell it last of all
            self.failure = replace(self.failure, exit_line=next(_exit_lines(self.tail), None))

    @property
    def rewritten(self) -> bool:
        """Whether the guard of a decided Jenkinsfile stopped the build: the job was rewritten for another commit."""
        return any(line.removeprefix("ERROR: ").startswith("job was rewritten") for line in self.tail)


def stage_change(line: str) -> StageOutcome | None:
    """The change of a GitLab job (or of the image stage) that a line of the console reports.

    >>> stage_change("gl-job name=unit%20tests state=success")
    StageOutcome(name='unit tests', status='success', duration_seconds=None)
    """
    if marker := _MARKER.fullmatch(line):
        return StageOutcome(unquote(marker[1]), _STATES[marker[2]])
    if (step := _STEP.fullmatch(line)) and step[1] == f"{{ ({IMAGE_STAGE})":
        return StageOutcome(IMAGE_STAGE, "running")
    if (skipped := _SKIPPED.fullmatch(line)) and skipped[1] == IMAGE_STAGE:
        return StageOutcome(IMAGE_STAGE, "skipped")
    return None


def failure(job: str | None, lines: deque[str]) -> Failure:
    """Why a job (None: the build outside of every job) failed, by the lines before."""
    return Failure(job, next(_exit_lines(lines), None), tuple(lines)[-20:])


def _exit_lines(lines: deque[str]) -> Iterator[str]:
    for pattern in (_EXIT, _ERROR):
        yield from (line.strip() for line in reversed(lines) if pattern.fullmatch(line))
