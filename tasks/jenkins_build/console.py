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
from tasks.jenkins_build.settings import IMAGE_STAGE

TAIL_LINES = 40
_ANNOTATION = re.compile(r"\x1b\[8mha:.*?\x1b\[0m")  # hidden console notes of Jenkins
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_STAMP = r"(?:\[[^\]\s]+\]\s)?"  # the timestamper plugin's prefix
_MARKER = re.compile(_STAMP + r"gl-job name=(\S+) state=(running|success|failed|unstable|canceled|skipped)(?:\s.*)?")
_STEP = re.compile(_STAMP + r"\[Pipeline\] (.*)")
_SKIPPED = re.compile(_STAMP + r'Stage "(.+)" skipped due to .*')
_EXIT = re.compile(r".*(?:script returned exit code -?\d+|timed out).*")
_ANSWERED = re.compile(_STAMP + r"((?:Approved|Rejected) by .+)")
# What Jenkins says of scripts that did not end by themselves: before durable-task's own exit codes -1 and -2, and where
# the agent is gone.
_LOST = re.compile(
    r".*(?:(?:wrapper script does not seem to be touching the log file|process apparently never started) in .*"
    r"| was deleted; cancelling node body| has been removed for .*, assuming it is not coming back)"
)
_EXIT_CODE = re.compile(r"script returned exit code (-?\d+)")
_COMMAND = re.compile(_STAMP + r"\$ (.*)")  # `job_script.commands` shows each
_ERROR = re.compile(_STAMP + r"(?:ERROR: |.*Exception: |WorkflowScript: )\S.*")
_STATES: dict[str, StageStatus] = {"canceled": "aborted", "running": "running", "success": "success",
                                   "failed": "failed", "unstable": "unstable", "skipped": "skipped"}  # fmt: skip


class LineAssembler:
    r"""Joins chunks of bytes into lines.

    A chunk may end inside a line, inside a UTF-8 sequence, or between ``\r`` and ``\n``.

    >>> lines = LineAssembler()
    >>> lines.feed(b"one\r\ntw\xc3"), lines.feed(b"\xb6\r"), lines.feed(b"\nthree"), lines.finish()
    (['one'], [], ['twö'], ['three'])
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begun: list[str] = []  # parts: a line of many megabytes is not copied with every chunk

    @property
    def rest(self) -> str:
        """What was read of a line that has not ended."""
        self._begun = ["".join(self._begun)]
        return self._begun[0]

    @rest.setter
    def rest(self, text: str) -> None:
        self._begun = [text]

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that `chunk` completes."""
        begun, ended, more = self._decoder.decode(chunk).partition("\n")
        self._begun.append(begun)
        if not ended:
            return []
        first = self.rest
        *whole, self.rest = more.split("\n")
        return [_clean(line) for line in (first, *whole)]

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


def _tail() -> deque[str]:
    return deque(maxlen=TAIL_LINES)


@dataclass
class Console:
    """What the lines so far say. Fed with every line, in order.

    Attributes:
        stages: Status by name of GitLab job (and of the image stage), in the order they began.
        tail: The last lines that are not noise.
        tails: The same of each job that has not ended, by name; only where lines are known to be a job's.
        failures: Why jobs failed, allowed failures too, in the order they did.
        survived: Those that failed and the build went on after, as far as that is known.
        commands: The command each job came to, of those its script shows before it runs them.
        asked: How many `input` steps have begun to wait for somebody.
        answers: Lines that say who answered one.
    """

    stages: dict[str, StageStatus] = field(default_factory=dict)
    tail: deque[str] = field(default_factory=_tail)
    tails: dict[str, deque[str]] = field(default_factory=dict)
    failures: dict[str | None, Failure] = field(default_factory=dict)
    survived: set[str] = field(default_factory=set)
    commands: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    answers: list[str] = field(default_factory=list)
    _after: set[str] = field(default_factory=set)  # jobs whose script is over: commands are their after_script's

    def read(self, line: str, job: str | None = None) -> StageOutcome | None:
        """Take one line in.

        Args:
            line: The line.
            job: Whose it is, where that is known.

        Returns:
            The job whose state the line changed, or None.
        """
        return self.take(line, stage_change(line), job)

    def take(self, line: str, change: StageOutcome | None, job: str | None = None) -> StageOutcome | None:
        """The same, where what the line changes is known."""
        self._hear(line, job)
        if change is not None:
            return self.change(change)
        if not is_noise(line) and line.strip():
            self.tail.append(line)
            if job is not None and self.stages.get(job) == "running":
                self._of_job(job, line)
        return None

    def change(self, change: StageOutcome) -> StageOutcome | None:
        """A job's state is another; None when it is not."""
        if self.stages.get(change.name) == change.status:
            return None
        self.stages[change.name] = change.status
        if change.status in ("failed", "unstable"):
            self.failures[change.name] = self._failed(change.name)
        if change.status != "running":
            self.tails.pop(change.name, None)
        return change

    def _hear(self, line: str, job: str | None) -> None:
        if step := _STEP.fullmatch(line):
            self.asked += step[1] == "input"
            if job is not None and step[1] in ("error", "catchError"):  # it failed; after_script and artifacts follow
                self._after.add(job)
            elif job is not None and step[1] == "deleteDir":  # its first attempt, or the next
                self._after.discard(job)
        elif answer := _ANSWERED.fullmatch(line):
            self.answers.append(answer[1])

    def _of_job(self, job: str, line: str) -> None:
        self.tails.setdefault(job, _tail()).append(line)
        if job not in self._after and (shown := _COMMAND.fullmatch(line)):
            self.commands[job] = shown[1]

    def _failed(self, job: str) -> Failure:
        return failure(job, self.tails.get(job, self.tail), self.commands.get(job))

    @property
    def failure(self) -> Failure | None:
        """The first that failed and was not allowed to; rather one that ended the build than one it went on after."""
        failed = [f for name, f in self.failures.items() if name is None or self.stages[name] == "failed"]
        return next((f for f in failed if f.job not in self.survived), failed[0] if failed else None)

    @property
    def running(self) -> list[str]:
        """Jobs that have begun and not ended."""
        return [name for name, status in self.stages.items() if status == "running"]

    def close(self, succeeded: bool, aborted: bool = False) -> None:
        """The build is over: what still runs has its end, and a failure without a marker gets its lines."""
        for name in self.running:
            self.stages[name] = "success" if succeeded else "aborted" if aborted else "failed"
            if not succeeded and not aborted:
                self.failures[name] = self._failed(name)
        if not succeeded and self.failure is None:
            self.failures[None] = failure(None, self.tail)
        first = self.failure
        if first is not None and first.exit_line is None:  # Jenkins may tell it last of all
            line = next(_exit_lines(self.tail), None)
            self.failures[first.job] = replace(first, exit_line=line, exit_code=_exit_code(line))

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


def failure(job: str | None, lines: deque[str], command: str | None = None) -> Failure:
    """Why a job (None: the build outside of every job) failed, by the lines before and the command it came to."""
    exit_line, lost = next(_exit_lines(lines), None), None
    if exit_line is None or "-" in (_code(exit_line) or "") or exit_line.startswith("Cannot contact "):
        lost = next((line for line in reversed(lines) if _LOST.fullmatch(line)), None)
    return Failure(job, lost or exit_line, tuple(lines)[-20:], command, _exit_code(exit_line))


def _code(line: str | None) -> str | None:
    found = _EXIT_CODE.search(line or "")
    return found[1] if found else None


def _exit_code(line: str | None) -> int | None:
    """What the script returned; below zero are codes of Jenkins' own."""
    code = _code(line)
    return int(code) if code is not None and not code.startswith("-") else None


def _exit_lines(lines: deque[str]) -> Iterator[str]:
    for pattern in (_EXIT, _ERROR):
        yield from (line.strip() for line in reversed(lines) if pattern.fullmatch(line))
