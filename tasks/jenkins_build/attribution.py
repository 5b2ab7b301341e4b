"""Which GitLab job a line of the console belongs to. Pure.

Every line says which step wrote it, and every step which block it is in (`page`). A job is the innermost stage or
parallel branch around the step that announces it; what is written inside of that is the job's, whatever runs beside it.
"""

from __future__ import annotations

import re

from tasks.jenkins_build.page import Line

_STAGE = re.compile(r".*\[Pipeline\] \{ \((?:Branch: )?(.*)\)")


class Owners:
    """Learns from every line, in order, and tells whose lines are.

    Attributes:
        told: Whether Jenkins tells at all who writes what.
    """

    def __init__(self) -> None:
        self.told = False
        self._around: dict[str, str] = {}
        self._stages: dict[str, str] = {}
        self._jobs: dict[str, str] = {}

    def see(self, line: Line) -> None:
        """Learn where in the graph a node is that begins."""
        node = line.node
        if node is None:
            return
        if node.enclosing is not None:
            self.told = True
            self._around[node.id] = node.enclosing
        if stage := _STAGE.fullmatch(line.text):
            self._stages[node.id] = stage[1]

    def give(self, line: Line, job: str) -> None:
        """The line announces that `job` runs."""
        stage = self._stage_around(line.node.id if line.node is not None else line.step)
        if stage is not None:
            self._jobs[stage] = job

    def of(self, step: str | None) -> str | None:
        """The job that a step belongs to, or None."""
        while step is not None:
            if (job := self._jobs.get(step)) is not None:
                return job
            step = self._around.get(step)
        return None

    def stage_of(self, step: str | None) -> str:
        """Name of the stage or branch that a step is in, or ""."""
        stage = self._stage_around(step)
        return self._stages[stage] if stage is not None else ""

    def _stage_around(self, step: str | None) -> str | None:
        while step is not None and step not in self._stages:
            step = self._around.get(step)
        return step

    def ended(self, line: Line) -> str | None:
        """The job whose stage ends with this line, or None."""
        node = line.node
        return None if node is None or node.start is None or node.start == node.id else self._jobs.get(node.start)
