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
_RESULT_COLORS = {"FAILURE": "red", "ABORTED": "aborted", "UNSTABLE": "yellow"}
STEP_NAMES = {
    "sh": "Shell Script",
    "echo": "Print Message",
    "sleep": "Sleep",
    "error": "Error signal",
    "input": "Wait for interactive input",
    "unstable": "Set stage result to unstable",
    "archiveArtifacts": "Archive the artifacts",
    "junit": "Archive JUnit-formatted test results",
    "node": "Allocate node",
    "stash": "Stash some files to be used later in the build",
    "unstash": "Restore files previously stashed",
    "writeFile": "Write file to workspace",
    "readFile": "Read file from workspace",
    "checkout": "Check out from version control",
    "deleteDir": "Recursively delete the current directory from the workspace",
    "catchError": "Catch error and set build result to failure",
    "withEnv": "Set environment variables",
    "withCredentials": "Bind credentials to variables",
    "retry": "Retry the body up to N times",
    "timeout": "Enforce time limit",
    "script": "Run arbitrary Pipeline script",
    "dir": "Change current directory",
    "build": "Build a job",
}


def display_name(node: FlowNode) -> str:
    """A step is shown by its function's words, a stage by its name."""
    return STEP_NAMES.get(node.name, node.name) if node.kind == "step" else node.name


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
        return [_bean(build, _ATOM, node.id, display_name(node), (color, running, parents))]
    if node.kind == "branch":
        name = node.name if node.name.startswith("Branch: ") else f"Branch: {node.name}"
        return [_bean(build, _START, node.id, name, ("blue", running, parents))]
    start = str(int(node.id) - 1)
    shown = [
        _bean(build, _START, start, "Stage : Start", ("blue", running, parents)),
        _bean(build, _START, node.id, node.name, ("blue", running, (start,))),
    ]
    if not running:
        shown.append(_bean(build, _END, f"{node.id}-end", "Stage : Body : End", (color, False, (node.id,))))
    return shown


def _bean(build: Build, cls: str, node_id: str, name: str, state: tuple[str, bool, tuple[str, ...]]) -> Bean:
    color, running, parents = state
    fields: dict[str, Any] = {
        "actions": [Bean(None)],
        "displayName": name,
        "errorMessage": None,
        "iconColor": (color or "blue") + ("_anime" if running else ""),
        "id": node_id,
        "parents": list(parents),
        "running": running,
        "url": f"{build.url_path}execution/node/{node_id}/",
    }
    if color in ("red", "aborted"):
        found = build.node(node_id)
        fields["errorMessage"] = found.error if found is not None else None
    else:
        del fields["errorMessage"]
    return Bean(cls, fields)


def restartable(build: Build) -> list[str]:
    """Top-level stages that began; those skipped after a failure did not."""
    return [
        node.name
        for node in build.nodes
        if node.kind == "stage"
        and node.enclosing is None
        and node.status != "NOT_EXECUTED"
        and not node.name.startswith("Declarative: ")
    ]
