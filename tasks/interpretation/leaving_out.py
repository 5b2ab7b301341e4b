"""Pass: leave out jobs that deploy by themselves, and those whose work GitLab alone can do."""

from __future__ import annotations

from msgspec.structs import replace

from tasks.interpretation import fields
from tasks.interpretation.combinations import mirrors
from tasks.interpretation.setup import FIRST, LAST
from tasks.interpretation.state import JobDraft, LeftOut, State
from tasks.source.includes import is_static
from tasks.source.nodes import Mapping_, Node


def leave_out(state: State) -> State:
    """Leave out jobs that deploy by themselves, and those whose work GitLab alone can do."""
    kept, out = [], list(state.left_out)
    alone = all(draft.stage in (FIRST, LAST) for draft in state.drafts)
    for draft in state.drafts:
        reason = _no_pipeline(draft) if alone else _reason_to_leave_out(draft, state)
        if reason is None:
            kept.append(draft)
            continue
        code, message, keyword = reason
        state.findings.add(code, message, draft.node.place(keyword))
        out.append(LeftOut(draft.name, draft.stage, draft.node, message))
    return replace(state, drafts=tuple(kept), left_out=tuple(out))


def _no_pipeline(draft: JobDraft) -> tuple[str, str, str]:
    message = (
        f"The job `{draft.name}` is left out: all jobs that run are in `{FIRST}` and `{LAST}`, and GitLab makes no "
        "pipeline of these alone."
    )
    return "edge-stages-only", message, "stage"


def _reason_to_leave_out(draft: JobDraft, state: State) -> tuple[str, str, str] | None:
    node = draft.node
    trigger = node.get("trigger")
    if trigger is not None and not is_static(trigger):
        return "trigger", f"The job `{draft.name}` is left out: {_elsewhere(trigger)}", "trigger"
    if node.get("run") is not None:
        message = f"The job `{draft.name}` is left out: `run` needs GitLab's step runner. Use `script`."
        return "run", message, "run"
    if node.get("script") is None and mirrors(node):
        message = f"The job `{draft.name}` is left out: it only shows the status of another project's pipeline."
        return "needs-elsewhere", message, "needs"
    environment = fields.environment_of(node.get("environment"), str)
    if environment is None or environment.action not in ("start", "stop") or state.context.run_deploy_jobs:
        return None
    effect = (
        "deploy by itself, and the service be deployed twice" if environment.action == "start" else "stop the service"
    )
    message = (
        f"The job `{draft.name}` is left out: with `environment` it would {effect}. "
        f"Keep it with the option run_deploy_jobs."
    )
    return "deploy-job", message, "environment"


def _elsewhere(trigger: Node) -> str:
    if isinstance(trigger, Mapping_) and trigger.get("include") is not None:
        return (
            "the files of its child pipeline are made by a job, and a Jenkinsfile is written before any job runs. "
            "Put the files into the repository, or use `parallel:matrix` for what the job generates."
        )
    return (
        "it starts a pipeline of another project. Deploy that project by its own flow, or let a job's script start it "
        "through GitLab's API."
    )
