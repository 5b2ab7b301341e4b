"""Stages of a Jenkinsfile that is not ours: as nothing announces them, by the console and the flow graph. Pure.

The console says which stages begin, end and are passed over; how one ended is said by the colour of the node that ends
it in the flow graph, which core Pipeline exports. A failure that the build goes on after (``catchError``, ``unstable``)
leaves its mark on a node inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.jenkins_build.outcome import StageOutcome, StageStatus
from tasks.jenkins_build.page import Line

MOST_STAGES = 200
"""So many are told of; what is in further ones is the build's."""

_LABEL = re.compile(r".*\[Pipeline\] \{ \((Branch: )?(.*)\)")
_STEP = re.compile(r".*\[Pipeline\] (.*)")
_SKIPPED = re.compile(r'.*Stage "(.+)" skipped due to .*')
_COLORS: Mapping[str, StageStatus] = {"red": "failed", "aborted": "aborted", "notbuilt": "aborted"}


class Stages:
    """Fed with every line, in order. A branch of a scripted ``parallel`` counts as a stage when it holds none itself.

    Attributes:
        ends: The node that ended each stage, of those whose verdict is not known yet.
    """

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self._around: dict[str, str] = {}
        self._blocks: set[str] = set()
        self._names: dict[str, str] = {}
        self._branches: dict[str, str] = {}
        self._skipped: set[str] = set()

    def read(self, line: Line) -> StageOutcome | None:
        """The stage that begins or is passed over with this line, or None."""
        if line.node is None:
            return self._passed_over(line)
        if line.node.enclosing is None:
            self._ended(line.node.id, line.node.start)
            return None
        self._around[line.node.id] = line.node.enclosing
        if line.node.start == line.node.id:
            self._blocks.add(line.node.id)
        return self._begun(line.text, line.node.id, line.node.enclosing)

    def _begun(self, text: str, node: str, enclosing: str) -> StageOutcome | None:
        if label := _LABEL.fullmatch(text):
            if not label[1]:
                return self._named(node, label[2])
            self._branches[node] = label[2]
        elif branch := self._branches.pop(enclosing, ""):
            step = _STEP.fullmatch(text)
            return None if step and step[1] == "stage" else self._named(enclosing, branch)
        return None

    def _named(self, node: str, name: str) -> StageOutcome | None:
        if len(self._names) >= MOST_STAGES:
            return None
        taken, unique, count = set(self._names.values()), name, 1
        while unique in taken:
            count += 1
            unique = f"{name} ({count})"
        self._names[node] = unique
        return StageOutcome(unique, "running")

    def _passed_over(self, line: Line) -> StageOutcome | None:
        """Such a line does not say whose it is: it is of the last stage of that name, which has just begun."""
        found = _SKIPPED.fullmatch(line.text)
        base = found[1] if found else ""
        for node, name in reversed(self._names.items() if found else ()):
            if name == base or (name.startswith(f"{base} (") and name[len(base) :][2:-1].isdigit()):
                self._skipped.add(node)
                return StageOutcome(name, "skipped")
        return None

    def _ended(self, node: str, start: str | None) -> None:
        if start in self._names and start not in self._skipped:
            self.ends[self._names[start]] = node

    def judge(self, colors: Mapping[str, str]) -> list[StageOutcome]:
        """How stages ended, by the colours of the flow graph's nodes; a node that is not there yet says nothing."""
        known = [name for name, end in self.ends.items() if end in colors]
        warned = {stage for node, color in colors.items() if self._warns(node, color) for stage in self._stages(node)}
        found = []
        for name in known:
            status = _COLORS.get(colors[self.ends.pop(name)].removesuffix("_anime"))
            found.append(StageOutcome(name, status or ("unstable" if name in warned else "success")))
        return found

    def _warns(self, node: str, color: str) -> bool:
        """An error shows on the node that ends a block; on one that begins it, it is what ``catchError`` made of it."""
        plain = color.removesuffix("_anime")
        return plain == "yellow" or (plain == "red" and node in self._blocks)

    def _stages(self, node: str | None) -> list[str]:
        """The stages around a node, inside out."""
        found = []
        while node is not None:
            if name := self._names.get(node):
                found.append(name)
            node = self._around.get(node)
        return found
