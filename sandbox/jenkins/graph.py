"""The flow graph of a build, as core Pipeline exports it: start, end and atom nodes with parents."""

from __future__ import annotations

from typing import Any

from sandbox.jenkins.builds import Build
from sandbox.jenkins.export import Bean
from sandbox.jenkins.model import FlowNode

_START = "org.jenkinsci.plugins.workflow.cps.nodes.StepStartNode"
_ATOM = "org.jenkinsci.plugins.workflow.cps.nodes.StepAtomNode"
_END = "org.jenkinsci.plugins.workflow.cps.nodes.StepEndNode"
_COLORS = {"FAILED": "red", "ABORTED": "aborted", "UNSTABLE": "yellow", "NOT_EXECUTED": "notbuilt"}
_RESULT_COLORS = {"FAILURE": "red", "ABORTED": "aborted", "UNSTABLE": "yellow", "NOT_BUILT": "notbuilt"}


def beans(build: Build) -> list[Bean]:
    """Every node, the pipeline's own start and end included."""
    found = [
        _bean(
            build,
            "org.jenkinsci.plugins.workflow.graph.FlowStartNode",
            "2",
            "Start of Pipeline",
            ("", build.running, ()),
        )
    ]
    for node in list(build.nodes):
        found += _of(build, node)
    if not build.running:
        last = str(build.last_id + 1)
        color = _RESULT_COLORS.get(build.result or "", "blue")
        found.append(
            _bean(
                build,
                "org.jenkinsci.plugins.workflow.graph.FlowEndNode",
                last,
                "End of Pipeline",
                (color, False, (str(build.last_id),)),
            )
        )
    return found


def _of(build: Build, node: FlowNode) -> list[Bean]:
    running = node.ended is None
    color = _COLORS.get(node.status, "blue")
    parents = node.parents or ((node.enclosing,) if node.enclosing else ("2",))
    if node.kind == "step":
        warned = next((each.warned[node.id] for each in build.nodes if node.id in each.warned), None)
        color = _RESULT_COLORS[warned] if warned and color == "blue" else color
        return [_bean(build, _ATOM, node.id, node.name, (color, running, parents))]
    if node.kind == "branch":
        name = node.name if node.name.startswith("Branch: ") else f"Branch: {node.name}"
        return [_bean(build, _START, node.id, name, ("blue", running, parents))]
    start = str(int(node.id) - 1)
    shown = [
        _bean(build, _START, start, "Stage : Start", ("blue", running, parents)),
        _bean(build, _START, node.id, node.name, ("blue", running, (start,))),
    ]
    atoms = {each.id for each in build.nodes if each.kind == "step"}
    shown += [
        # the exception that a body ended with shows on its end, whatever became of it
        _bean(build, _END, end, "Catch error : Body : End", ("red", False, (node.id,)))
        for end in list(node.warned)
        if end not in atoms
    ]
    if not running:
        end = node.end_id or f"{node.id}-end"
        shown.append(_bean(build, _END, end, "Stage : Body : End", (_end_color(node), False, (node.id,))))
    return shown


def _end_color(node: FlowNode) -> str:
    """An exception shows on the node that ends the block, and nothing else does."""
    return _COLORS[node.thrown or "FAILED"] if node.thrown or node.error else "blue"


def _bean(build: Build, cls: str, node_id: str, name: str, state: tuple[str, bool, tuple[str, ...]]) -> Bean:
    color, running, parents = state
    fields: dict[str, Any] = {
        "actions": [Bean(None)],
        "displayName": name,
        "iconColor": (color or "blue") + ("_anime" if running else ""),
        "id": node_id,
        "parents": list(parents),
        "running": running,
        "url": f"{build.url_path}execution/node/{node_id}/",
    }
    return Bean(cls, fields)


def restartable(build: Build) -> list[str]:
    """Top-level stages that began: one skipped after a failure has no step, though it may show that failure."""
    inside = {node.enclosing for node in build.nodes}
    return [
        node.name
        for node in build.nodes
        if node.kind == "stage"
        and node.enclosing is None
        and not node.name.startswith("Declarative: ")
        and (node.status == "SUCCESS" or node.id in inside)
    ]
