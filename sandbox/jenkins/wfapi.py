"""The pipeline-stage-view REST API (``wfapi``), with what it gets wrong on a real server.

It shows a *running* stage below a parallel branch as SUCCESS with a duration near zero or negative, the stage around
a ``parallel`` as SUCCESS whatever became of its branches, and stages skipped after a failure with that failure.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from sandbox.jenkins.builds import NODE_LOG_LIMIT, Build, PendingInput, StepLog, now
from sandbox.jenkins.model import FlowNode

_STATUS = {
    "SUCCESS": "SUCCESS",
    "UNSTABLE": "UNSTABLE",
    "FAILURE": "FAILED",
    "ABORTED": "ABORTED",
    "NOT_BUILT": "NOT_EXECUTED",
}
_INTERRUPTED = "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"


def _base(build: Build) -> str:
    return "/" + build.url_path


def run(build: Build, *, full: bool = False) -> dict[str, Any]:
    """``wfapi/describe``; with `full` the stages list their steps."""
    ended = now() if build.running or build.ended is None else build.ended
    links: dict[str, Any] = {"self": {"href": f"{_base(build)}wfapi/describe"}}
    if build.inputs:
        for name in ("pendingInputActions", "nextPendingInputAction"):
            links[name] = {"href": f"{_base(build)}wfapi/{name}"}
    if build.artifacts.exists():
        links["artifacts"] = {"href": f"{_base(build)}wfapi/artifacts"}
    shown = [] if build.hard_killed else [node for node in build.nodes if node.kind == "stage"]
    return {
        "_links": links,
        "id": str(build.number),
        "name": build.display_name or f"#{build.number}",
        "status": _run_status(build),
        "startTimeMillis": build.started,
        "endTimeMillis": ended,
        "durationMillis": ended - build.started,
        "queueDurationMillis": build.queued_for,
        "pauseDurationMillis": 0,
        "stages": [stage(build, node, full=full) for node in shown],
    }


def _run_status(build: Build) -> str:
    if build.running:
        return "PAUSED_PENDING_INPUT" if build.inputs else "IN_PROGRESS"
    if build.hard_killed or (build.result == "FAILURE" and not build.nodes):
        return "NOT_EXECUTED"
    return _STATUS[build.result or "FAILURE"]


def _enclosing(build: Build, node: FlowNode) -> list[FlowNode]:
    """The blocks around a node, inside out."""
    found: list[FlowNode] = []
    current = build.node(node.enclosing) if node.enclosing else None
    while current is not None:
        found.append(current)
        current = build.node(current.enclosing) if current.enclosing else None
    return found


def _branches(build: Build, node: FlowNode) -> list[FlowNode]:
    return [each for each in build.nodes if each.kind == "branch" and each.enclosing == node.id]


def stage(build: Build, node: FlowNode, *, full: bool) -> dict[str, Any]:
    """One stage, lies included."""
    shown = _node(build, node)
    branches = _branches(build, node)
    if branches:
        shown |= {"status": "SUCCESS", "durationMillis": branches[0].started - node.started}
        shown.pop("error", None)
    elif node.ended is None and any(each.kind == "branch" for each in _enclosing(build, node)):
        last = max((each.started for each in build.nodes), default=node.started)
        shown |= {"status": "SUCCESS", "durationMillis": min(last - node.started, 100)}
    elif node.ended is None and build.inputs:
        shown["status"] = "PAUSED_PENDING_INPUT"
    if full:
        steps = [] if branches or _skipped(node) else _steps(build, node)
        shown["stageFlowNodes"] = [_step(build, each, steps, index) for index, each in enumerate(steps)][:100]
    return shown


def describe(build: Build, node: FlowNode) -> dict[str, Any]:
    """``execution/node/ID/wfapi/describe`` of a stage or a step."""
    return stage(build, node, full=True) if node.kind != "step" else _step(build, node, [node], 0)


def _skipped(node: FlowNode) -> bool:
    return node.status == "NOT_EXECUTED"


def _steps(build: Build, node: FlowNode) -> list[FlowNode]:
    return [each for each in build.nodes if each.kind == "step" and each.enclosing == node.id]


def _node(build: Build, node: FlowNode) -> dict[str, Any]:
    ended = node.ended if node.ended is not None else now()
    shown: dict[str, Any] = {
        "_links": {"self": {"href": f"{_base(build)}execution/node/{node.id}/wfapi/describe"}},
        "id": node.id,
        "name": node.name,
        "execNode": "",
        "status": node.status,
        "startTimeMillis": node.started,
        "durationMillis": ended - node.started,
        "pauseDurationMillis": 0,
    }
    failure = _failure(build, node)
    if failure is not None:
        shown |= failure
    return shown


def _failure(build: Build, node: FlowNode) -> dict[str, Any] | None:
    if node.status == "ABORTED":
        return {"error": {"message": None, "type": _INTERRUPTED}}
    if node.status == "FAILED" and node.error is not None:
        return {"error": {"message": node.error, "type": "hudson.AbortException"}}
    if node.status == "NOT_EXECUTED" and node.error is not None:  # skipped after a failure, shown as that failure
        aborted = build.result == "ABORTED" or build.aborted.is_set()
        kind = _INTERRUPTED if aborted else "hudson.AbortException"
        return {
            "status": "ABORTED" if aborted else "FAILED",
            "error": {"message": None if aborted else node.error, "type": kind},
        }
    return None


def _step(build: Build, node: FlowNode, steps: list[FlowNode], index: int) -> dict[str, Any]:
    base = f"{_base(build)}execution/node/{node.id}/"
    shown = _node(build, node)
    shown["_links"] = {
        "self": {"href": f"{base}wfapi/describe"},
        "log": {"href": f"{base}wfapi/log"},
        "console": {"href": f"{base}log"},
    }
    before = steps[index - 1].id if index else node.enclosing
    shown |= {"parameterDescription": "", "parentNodes": [before] if before else list(node.parents)}
    return shown


def node_log(build: Build, node: FlowNode) -> dict[str, Any]:
    """``execution/node/ID/wfapi/log``: the last 10,240 characters; stages have no text."""
    log = build.step_logs.get(node.id)
    shown: dict[str, Any] = {"nodeId": node.id, "nodeStatus": node.status, "length": 0, "hasMore": False}
    if log is None:
        return shown | {"consoleUrl": None}
    return shown | _text(log) | {"consoleUrl": f"{_base(build)}execution/node/{node.id}/log"}


def _text(log: StepLog) -> dict[str, Any]:
    return {"length": len(log.text), "hasMore": log.length > NODE_LOG_LIMIT, "text": log.text}


def pending_input(build: Build, pending: PendingInput) -> dict[str, Any]:
    """One entry of ``wfapi/pendingInputActions``."""
    base, quoted = _base(build), quote(pending.id)
    return {
        "id": pending.id,
        "proceedText": pending.ok,
        "message": pending.message,
        "inputs": [_input_parameter(each) for each in pending.parameters],
        "proceedUrl": f"{base}wfapi/inputSubmit?inputId={quoted}",
        "abortUrl": f"{base}input/{quoted}/abort",
        "redirectApprovalUrl": f"{base}input/",
    }


def _input_parameter(given: dict[str, Any]) -> dict[str, Any]:
    default = given.get("defaultValue", given.get("default", ""))
    return {
        "type": given.get("type", "StringParameterDefinition"),
        "name": given.get("name"),
        "definition": {"defaultVal": default},
    }


def artifacts(build: Build) -> list[dict[str, Any]]:
    """``wfapi/artifacts``."""
    base = build.artifacts
    found = sorted(path for path in base.rglob("*") if path.is_file()) if base.exists() else []
    shown = []
    for index, path in enumerate(found):
        relative = quote(path.relative_to(base).as_posix())
        shown.append(
            {
                "id": f"n{index + 2}",
                "name": path.name,
                "path": relative,
                "url": f"{_base(build)}artifact/{relative}",
                "size": path.stat().st_size,
            }
        )
    return shown
