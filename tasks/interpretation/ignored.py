"""What has no counterpart here: for each such keyword, one finding that says what happens instead."""

from __future__ import annotations

from tasks.interpretation.fields import secrets_of, text_of, texts_of
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import JobDraft, State
from tasks.interpretation.variables import read_variables
from tasks.source.diagnostics import Findings
from tasks.source.durations import go_seconds
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence, is_null

# keyword -> (code, message)
JOB_NOTES = {
    "cache": (
        "cache",
        "`cache` is kept on the agent that ran the job, and not shared between agents: another one begins without it.",
    ),
    "coverage": (
        "coverage",
        "`coverage` is not read by Jenkins: a deployment reads it from the job's log.",
    ),
    "dast_configuration": (
        "keyword-ignored",
        "`dast_configuration` is ignored: it is for GitLab's own scanner. Call one in a script.",
    ),
    "hooks": (
        "hooks",
        "`hooks` run on the agent itself, also for a job with an image, in the empty folder before the checkout.",
    ),
    "id_tokens": (
        "id-tokens",
        "`id_tokens` are not issued: GitLab alone can sign them. The variables are not set: use Jenkins' credentials.",
    ),
    "identity": (
        "id-tokens",
        "`identity` is ignored: the job is not signed in to Google Cloud. Use credentials of Jenkins.",
    ),
    "inputs": (
        "job-inputs",
        "`inputs` of a job always have their defaults: a build asks nobody for other values.",
    ),
    "interruptible": (
        "interruptible",
        "`interruptible` stops no single job: a newer deployment of the ref, with `on_conflict` as `auto_cancel`, "
        "stops the whole build until a job has begun that is not interruptible.",
    ),
    "pages": (
        "pages",
        "`pages` is ignored: the job runs, nothing is published to GitLab Pages. Publish in its script.",
    ),
    "publish": ("pages", "`publish` is ignored: nothing is published to GitLab Pages. Publish in the script."),
    "release": ("release", "`release` is ignored: the job runs, no GitLab release is made. Use `glab` in the script."),
    "resource_group": (
        "resource-group",
        "`resource_group`: its jobs never run side by side in one build, and whole builds of this Jenkins job wait for "
        "each other. Builds of another Jenkins job, or GitLab's own pipelines, are not held back.",
    ),
    "tags": ("tags", "`tags` become the labels that a Jenkins agent must have: without such an agent the job waits."),
}
SILENT_VALUES = {"interruptible": "false", "pages": "false"}
# The checkout is chosen when the Jenkinsfile is made.
_CHECKOUT = frozenset({"GIT_STRATEGY", "GIT_DEPTH"})
_TIMEOUTS = ("RUNNER_SCRIPT_TIMEOUT", "RUNNER_AFTER_SCRIPT_TIMEOUT")
# variable -> what becomes of it, unless it has one of the values after it
_GIT_NOTES: dict[str, tuple[str, tuple[str, ...]]] = {
    "GIT_CLEAN_FLAGS": ("has no effect: every job begins in an empty folder", ()),
    "GIT_CLONE_PATH": ("has no effect: Jenkins chooses the folder", ()),
    "GIT_FETCH_EXTRA_FLAGS": ("has no effect: Jenkins fetches by its own flags", ()),
    "GIT_LFS_SKIP_SMUDGE": ("has no effect on the checkout: the agent's git decides about large files", ("0", "")),
}
_RUNNER_VARIABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "AFTER_SCRIPT_IGNORE_ERRORS": (
        "has no effect: a failing `after_script` never fails the job. Move what must not fail into `script`",
        ("true", "1", ""),
    ),
}
_ARTIFACT_NOTES = {
    "expose_as": "is ignored: Jenkins has no merge request to show it in",
    "access": "is ignored: who may read the build may read its artifacts",
    "public": "is ignored: who may read the build may read its artifacts",
}
_ARTIFACT_OPTIONS = {
    "name": "is ignored: Jenkins keeps files one by one under their own names, in no archive",
    "expire_in": "is ignored: Jenkins keeps artifacts as long as their build, see the job's retention",
}
_ENVIRONMENT_NOTES = {
    "on_stop": "is ignored: nothing here starts that job. Undeploy the service, or run the job's script by hand",
    "auto_stop_in": "is ignored: nothing here ends an environment by itself. Undeploy the service when it is over",
    "kubernetes": "is ignored: a deployment goes to the cluster of its Environment; a script needs its own kubeconfig",
}
_RUNNER_NOTES = {"kubernetes": "is ignored: it is for GitLab's Kubernetes runners. Use `docker:user`"}
_TOLD_REASONS = (
    *("always", "unknown_failure", "script_failure", "job_execution_timeout", "stuck_or_timeout_failure"),
    *("server_timeout_running", "runner_system_failure"),
)


def noted() -> dict[str, str]:
    """The keywords this pass speaks of, wherever it finds them, with the code."""
    inner = {
        f"{above}:{name}": code
        for above, names, code in (
            ("artifacts", _ARTIFACT_NOTES, "keyword-ignored"),
            ("artifacts", _ARTIFACT_OPTIONS, "artifact-option"),
            ("environment", _ENVIRONMENT_NOTES, "keyword-ignored"),
            ("image", _RUNNER_NOTES, "keyword-ignored"),
            ("services", _RUNNER_NOTES, "keyword-ignored"),
        )
        for name in names
    }
    return {name: code for name, (code, _) in JOB_NOTES.items()} | inner


def note_jobs(state: State) -> State:
    """Pass: the same keyword of a job that does not run, or is left out, is not worth a word."""
    note_global(state.root, state.findings)
    if state.depth and state.fail_fast:
        message = (
            "`workflow:auto_cancel:on_job_failure: all` of a child pipeline: when one of its jobs fails, those that "
            "run go on; no other one starts."
        )
        state.findings.add("auto-cancel", message, state.root.place("workflow"))
    for draft in state.drafts:
        note_ignored(draft.node, state.findings)
        _note_late_git(draft, state.findings)
        if draft.name == "pages" and not isinstance(draft.node.get("pages"), Scalar | Mapping_):
            message = "The job `pages` runs, but nothing is published to GitLab Pages."
            state.findings.add("pages", message, draft.span)
    return state


def _note_late_git(draft: JobDraft, findings: Findings) -> None:
    """Values with a rule that only the build decides come too late for the checkout, and for the time scripts have."""
    if draft.decision.certain is not None:
        return
    late = {name for choice in draft.decision.choices for name in choice.outcome.variables}
    for name in sorted(late & _CHECKOUT.union(_TIMEOUTS)):
        code, what = ("git-variable", "the checkout") if name in _CHECKOUT else ("runner-variable", "the script's time")
        message = (
            f"`{name}` of `{draft.name}` comes with a rule that only the build decides: {what} does not follow it. "
            "Set it in the job's `variables`."
        )
        findings.add(code, message, draft.node.place("rules"))


def note_ignored(node: Mapping_, findings: Findings) -> None:
    """Say of every keyword of a job what is approximated or ignored."""
    for entry in node:
        note = JOB_NOTES.get(entry.key)
        if note is None or _is_nothing(entry.value) or text_of(entry.value) == SILENT_VALUES.get(entry.key, 0):
            continue
        findings.add(note[0], note[1], entry.span)
    _note_secrets(node.get("secrets"), findings)
    _note_inner(node.get("artifacts"), "artifacts", _ARTIFACT_NOTES, findings)
    _note_inner(node.get("artifacts"), "artifacts", _ARTIFACT_OPTIONS, findings, "artifact-option")
    _note_inner(node.get("environment"), "environment", _ENVIRONMENT_NOTES, findings)
    _note_inner(node.get("image"), "image", _RUNNER_NOTES, findings)
    for service in _items(node.get("services")):
        _note_inner(service, "services", _RUNNER_NOTES, findings)
    _note_reports(node.get("artifacts"), findings)
    _note_rules(node.get("rules"), findings)
    _note_retry(node.get("retry"), findings)
    _note_variables(node.get("variables"), findings)
    if (
        node.get("services") is not None
        and node.get("image") is None
        and not _is_nothing(node.entries["services"].value)
    ):
        message = "`services` are not started for a job without `image`: its script runs on the agent itself."
        findings.add("services-without-image", message, node.place("services"))
    elif any("dind" in name for name in _names(node.get("services"))):
        message = "Docker in Docker runs in a privileged container on the agent, as it does on GitLab's runners."
        findings.add("privileged-service", message, node.place("services"))


def _names(services: Node | None) -> list[str]:
    found = (text_of(item.get("name") if isinstance(item, Mapping_) else item) for item in _items(services))
    return [name for name in found if name]


def _items(node: Node | None) -> list[Node]:
    return flattened(node) if isinstance(node, Sequence) else []


def _is_nothing(node: Node) -> bool:
    return (
        is_null(node)
        or (isinstance(node, Mapping_) and not node.entries)
        or (isinstance(node, Sequence) and not node.items)
    )


def _note_secrets(node: Node | None, findings: Findings) -> None:
    for secret, entry in zip(secrets_of(node), node if isinstance(node, Mapping_) else (), strict=True):
        message = (
            f"`secrets:{secret.name}` is not read from its vault but from Jenkins: create the credential "
            f"`{secret.credentials_id}` (kind: secret {'file' if secret.is_file else 'text'}) in the folder of the "
            "Jenkins job, else the job fails."
        )
        findings.add("secrets", message, entry.span)


def _note_inner(
    node: Node | None, name: str, notes: dict[str, str], findings: Findings, code: str = "keyword-ignored"
) -> None:
    for entry in node if isinstance(node, Mapping_) else ():
        if entry.key in notes:
            findings.add(code, f"`{name}:{entry.key}` {notes[entry.key]}.", entry.span)


def _note_rules(node: Node | None, findings: Findings) -> None:
    for rule in _items(node):
        if isinstance(rule, Mapping_) and text_of(rule.get("interruptible")) == "true":
            message = "`rules:interruptible` counts only for a newer deployment with `on_conflict` as `auto_cancel`."
            findings.add("interruptible", message, rule.place("interruptible"))


def _note_retry(node: Node | None, findings: Findings) -> None:
    reasons = node.get("when") if isinstance(node, Mapping_) else None
    given = texts_of(reasons)
    untold = [reason for reason in given if reason not in _TOLD_REASONS]
    if isinstance(node, Mapping_) and untold and "always" not in given:
        message = (
            f"`retry:when` cannot tell {', '.join(f'`{reason}`' for reason in untold)} from other failures that are "
            "neither the script's nor a timeout: after any of those the job is tried again."
        )
        findings.add("retry-reason", message, node.place("when"))


def _note_variables(variables: Node | None, findings: Findings) -> None:
    given = read_variables(variables).values
    for entry in variables if isinstance(variables, Mapping_) else ():
        for code, notes in (("git-variable", _GIT_NOTES), ("runner-variable", _RUNNER_VARIABLES)):
            text, fine = notes.get(entry.key, ("", ()))
            if text and given[entry.key] not in fine:
                findings.add(code, f"`{entry.key}` {text}.", entry.span)
        told = given[entry.key].strip() if entry.key in _TIMEOUTS else ""
        if told and "$" not in told and go_seconds(told) is None:
            message = (
                f"`{entry.key}`: `{told}` is no duration such as `1h30m` or `90s`: it has no effect, on GitLab neither."
            )
            findings.add("runner-variable", message, entry.span)


def _note_reports(node: Node | None, findings: Findings) -> None:
    reports = node.get("reports") if isinstance(node, Mapping_) else None
    for entry in reports if isinstance(reports, Mapping_) else ():
        if entry.key not in ("junit", "dotenv"):
            message = (
                f"`artifacts:reports:{entry.key}` is kept with the build as files: Jenkins does not show such a report."
            )
            findings.add("report-as-files", message, entry.span)


def note_global(root: Mapping_, findings: Findings) -> None:
    """The same for global keywords."""
    _note_variables(root.get("variables"), findings)
    workflow = root.get("workflow")
    if not isinstance(workflow, Mapping_):
        return
    for name, node in (("workflow", workflow), *(("workflow:rules", rule) for rule in _items(workflow.get("rules")))):
        cancel = node.get("auto_cancel") if isinstance(node, Mapping_) else None
        if isinstance(cancel, Mapping_) and text_of(cancel.get("on_new_commit")) in ("conservative", "interruptible"):
            message = (
                f"`{name}:auto_cancel:on_new_commit` is asked by a newer deployment of the ref with `on_conflict` as "
                "`auto_cancel`, unless this one rolls out already; it stops whole builds only."
            )
            findings.add("auto-cancel", message, cancel.place("on_new_commit"))
