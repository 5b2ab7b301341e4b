"""Reads a build's console for those who want to know: what became of its jobs, and what is shown where.

Consumes the pieces of the console in order; no request is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from errors import printable
from tasks.jenkins_build.agents import AgentWaits
from tasks.jenkins_build.attribution import Owners
from tasks.jenkins_build.console import Console, is_noise
from tasks.jenkins_build.outcome import Failure, StageStatus
from tasks.jenkins_build.page import Line, PageReader
from tasks.jenkins_build.reports import Coverage
from tasks.jenkins_build.showing import Showing
from tasks.jenkins_build.stages import Stages
from tasks.logs import Logger


class Display(Protocol):
    """Where a build's jobs are shown as they run."""

    def begin(self, job: str) -> None:
        """The job runs."""

    def send(self, job: str | None, text: str) -> None:
        """A record of the job's lines (None: the build's own)."""

    def end(self, job: str, status: StageStatus, failure: Failure | None) -> None:
        """The job's end."""

    async def close(self) -> None:
        """Nothing more comes; whatever was not ended is over."""


class Reader:
    """Takes the console of one build in.

    Args:
        display: Where jobs and their lines are shown.
        log: Where the changes of jobs are told.
        whole: Where the whole log is, for people.
        quiet: Only read: it was all shown before.
        coverage: Reads percentages out of jobs' lines.
        stages: Finds the stages of a Jenkinsfile that is not ours; they are then what jobs are else.
        mask: Takes out of a line what Jenkins leaves in it of the project's secrets.
    """

    def __init__(
        self,
        display: Display,
        log: Logger,
        whole: str = "",
        *,
        quiet: bool = False,
        coverage: Coverage | None = None,
        stages: Stages | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.console = Console()
        self.agents = AgentWaits()
        self.coverage = coverage or Coverage({})
        self.stages = stages
        self._quiet, self._mask = quiet, mask
        self._display, self._log = display, log
        self._page, self._owners = PageReader(), Owners()
        self._showing = Showing(display.send, whole)
        self._open: dict[str, StageStatus] = {}

    def take(self, piece: bytes, last: bool = True) -> str:
        """Take a piece of an answer in.

        Args:
            piece: Bytes of the answer.
            last: Whether the answer ends with it.

        Returns:
            The lines that the piece completes, as plain text.
        """
        lines = self._page.feed(piece)
        if last:
            self.end_answer()
        return self._take(lines)

    def end_answer(self) -> None:
        """An answer of Jenkins is over."""
        self._page.end_piece()

    def finish(self) -> str:
        """The console has ended; returns its last line, if that has no line end."""
        return self._take(self._page.finish())

    def _take(self, found: list[Line]) -> str:
        lines = list(map(self._masked, found))
        for line in lines:
            self._read(line)
        self._showing.flush()
        return "".join(f"{line.text}\n" for line in lines)

    def _masked(self, line: Line) -> Line:
        text = self._mask(line.text)
        same = text == line.text or "gl-job name=" in line.text  # a job may be called like a secret
        return line if same else replace(line, text=text)

    def ended(self, succeeded: bool, aborted: bool = False) -> None:
        """The build is over, with this result."""
        self.console.close(succeeded, aborted)
        for job in list(self._open):
            self._end(job)
        self._showing.end_all()

    @property
    def doing(self) -> str:
        """What runs, what waits for an agent and what has lost it, as a clause for messages; "" when nothing does."""
        waits = [f"{self._owners.stage_of(step) or 'a step'} waits for an agent ({why})"
                 for step, why in self.agents.reasons.items()]  # fmt: skip
        runs = [f"job {job!r} was running" for job in self.console.running]
        lost = [f"{self._owners.stage_of(step) or 'a step'} had lost its agent ({why})"
                for step, why in self.agents.lost.items()]  # fmt: skip
        said = [*runs, *waits, *lost]
        return f" Then {'; '.join(said)}." if said else ""

    async def close(self) -> None:
        """Nothing more comes, whatever became of the build."""
        self._showing.end_all()
        await self._display.close()

    def _read(self, line: Line) -> None:
        self._owners.see(line)
        job = self._job(line)
        if self.stages is None:
            change = self.console.read(line.text, job)
        else:
            change = self.console.take(line.text, self.stages.read(line), job)
        why = self.agents.read(line)
        self.coverage.read(job, line.text)
        if self._quiet:
            return
        if why is not None:
            self._log.info("%s waits for an agent: %s", self._owners.stage_of(line.step) or "the build", why)
        elif change is not None:
            self._showing.flush()
            self._log.info("%s: %s", printable(change.name), change.status)
            self._changed(change.name, change.status, line)
        elif (over := self._owners.ended(line)) is not None:
            if self._open.get(over, "running") != "running":
                self._end(over)
        elif not is_noise(line.text):
            self._showing.line(job, line.text)

    def judge(self, colors: Mapping[str, str], statuses: Mapping[str, str]) -> None:
        """How stages that are over ended. Arguments as of `Stages.judge`."""
        if self.stages is None:
            return
        found = self.stages.judge(colors, statuses)
        self.console.survived |= self.stages.survived
        for stage in found:
            change = self.console.change(stage)
            if change is not None and not self._quiet:
                self._log.info("%s: %s", printable(change.name), change.status)
                self._end(change.name)

    def _job(self, line: Line) -> str | None:
        """Whose a line is; where Jenkins does not tell, that of the one job that runs, if it is one."""
        if self._owners.told:
            return self._owners.of(line.node.id if line.node is not None else line.step)
        running = self.console.running
        return running[0] if len(running) == 1 else None

    def _changed(self, job: str, status: StageStatus, line: Line) -> None:
        if status == "running":
            self._owners.give(line, job)
            self._open[job] = status
            self._display.begin(job)
            return
        known = job in self._open
        self._open[job] = status
        if not (known and self._owners.told):  # else its stage goes on: after_script, artifacts, reports
            self._end(job)

    def _end(self, job: str) -> None:
        self._showing.end(job)
        del self._open[job]
        self._display.end(job, self.console.stages[job], self.console.failures.get(job))
