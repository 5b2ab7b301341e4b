"""Stages of a Jenkinsfile that is not ours: as nothing announces them, by the console and the flow graph. Pure.

The console says which stages begin, end and are passed over; how one ended is said by the colour of the node that ends
it in the flow graph, which core Pipeline exports. A failure that the build goes on after shows on a node inside: yellow
where it is the step `unstable`'s. What ``catchError`` caught is red whatever became of the stage, and only the plugin
pipeline-rest-api knows that; without it such a stage counts as unstable. Upstream: FlowNode.getIconColor
(workflow-api), CatchErrorStep (workflow-basic-steps).
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
_CATCHERS = ("catchError", "warnError")
_SOFT: Mapping[str, StageStatus] = {"FAILED": "failed", "UNSTABLE": "unstable", "ABORTED": "aborted"}
_OPEN = ("IN_PROGRESS", "PAUSED_PENDING_INPUT")


class Stages:
    """Fed with every line, in order. A branch of a scripted ``parallel`` counts as a stage when it holds none itself.

    Attributes:
        ends: The node that ended each stage, of those whose verdict is not known yet.
        survived: Stages that failed by what ``catchError`` caught.
    """

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self.survived: set[str] = set()
        self._around: dict[str, str] = {}
        self._catchers: set[str] = set()
        self._caught: dict[str, str] = {}
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
        step = _STEP.fullmatch(line.text)
        if step and step[1] in _CATCHERS:
            self._catchers.add(line.node.id)
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
        if start is not None and self._around.get(start) in self._catchers:
            self._caught[node] = start
        if start in self._names and start not in self._skipped:
            self.ends[self._names[start]] = node

    def judge(self, colors: Mapping[str, str], statuses: Mapping[str, str]) -> list[StageOutcome]:
        """How stages ended; those of which it is not known yet are judged later.

        Args:
            colors: Of the flow graph's nodes, by id.
            statuses: Of stages by pipeline-rest-api, by id; {} without the plugin.
        """
        warned = {stage for node, color in colors.items() for stage in self._warned(node, color, statuses)}
        said = {name: statuses.get(node, "") for node, name in self._names.items()}
        found = []
        for name, end in list(self.ends.items()):  # what is inside ended first
            color = colors.get(end)
            if color is None or (color == "blue" and said[name] in _OPEN):
                continue
            del self.ends[name]
            status = _COLORS.get(color.removesuffix("_anime"))
            if status is None and (status := _SOFT.get(said[name])) == "failed":
                self.survived.add(name)
            found.append(StageOutcome(name, status or ("unstable" if name in warned else "success")))
        return found

    def _warned(self, node: str, color: str, statuses: Mapping[str, str]) -> list[str]:
        """The stages in which something failed that the build went on after, by one node; inside out."""
        plain = color.removesuffix("_anime")
        if plain == "red" and node in self._caught:
            around = self._stages(self._caught[node])
            known = statuses.get(around[0], "FAILED") if around else ""
            return [self._names[one] for one in around] if known in _SOFT else []
        return [self._names[one] for one in self._stages(node)] if plain == "yellow" else []

    def _stages(self, node: str | None) -> list[str]:
        """The nodes of the stages around a node, inside out."""
        found = []
        while node is not None:
            if node in self._names:
                found.append(node)
            node = self._around.get(node)
        return found
