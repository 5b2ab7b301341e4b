"""Passes over the whole configuration: global keywords, stages, defaults, the workflow, and the list of jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from msgspec.structs import replace

from tasks.interpretation.evaluation import Scope
from tasks.interpretation.expansion import references
from tasks.interpretation.fields import flag_of, text_of, texts_of
from tasks.interpretation.keywords import DEFAULT_KEYS, GLOBAL_DEFAULTS, GLOBAL_KEYS, JOB_KEYS
from tasks.interpretation.pipeline import OnNewCommit
from tasks.interpretation.remembered import remembered
from tasks.interpretation.rules import Judge, auto_cancel_of
from tasks.interpretation.shapes import Shape, check, flattened
from tasks.interpretation.state import JobDraft, State
from tasks.interpretation.suggest import suggestion
from tasks.interpretation.variables import Variables, inherited, read_variables
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Entry, Mapping_, Node, Scalar, Sequence, describe, is_null, no_name

FIRST, LAST = ".pre", ".post"
DEFAULT_STAGES = ("build", "test", "deploy")
MAX_NAME = 255
_Check = Callable[[Node, Shape, str, Findings], bool]
_TAKEN_OUT = {
    "type": " GitLab 16.0 took it out: write `stage`.",
    "types": " GitLab 16.0 took it out: write `stages`.",
}


def refuse_empty_templates(state: State) -> None:
    """GitLab refuses hidden jobs that say nothing, as they are written."""
    for entry in state.root:
        if entry.key.startswith(".") and entry.kind == "string" and _blank(entry.value):
            message = f"`{entry.key[:80]}` is empty, which GitLab refuses: write something into it, or remove it."
            state.findings.add("wrong-value", message, entry.span)


def _blank(node: Node) -> bool:
    if isinstance(node, Scalar):
        return not node.text.strip() or (node.kind == "boolean" and node.text == "false")
    return (isinstance(node, Mapping_) and not node.entries) or (isinstance(node, Sequence) and not node.items)


def check_globals(state: State) -> State:
    """Check the shapes of the global keywords; one with a wrong shape is taken out."""
    root = state.root
    for entry in state.root:
        shape = GLOBAL_KEYS.get(entry.key)
        if shape is None or is_null(entry.value):
            continue
        good = check(entry.value, shape, entry.key, state.findings)
        if not good and entry.key == "default" and isinstance(entry.value, Mapping_):
            root = root.put(Entry(entry.key, entry.span, _good_defaults(entry.value)))
        elif not good:
            root = root.without(entry.key)
    return replace(state, root=root)


def _good_defaults(node: Mapping_) -> Mapping_:
    """The entries of a `default` without those that are wrong, which have been reported."""
    quiet = Findings()
    wrong = [e.key for e in node if e.key not in DEFAULT_KEYS or not check(e.value, DEFAULT_KEYS[e.key], e.key, quiet)]
    return node.without(*wrong)


def settle_stages(state: State) -> State:
    """The stages in order: `.pre`, the listed or GitLab's default ones, `.post`."""
    node = state.root.get("stages")
    listed: tuple[str, ...] = DEFAULT_STAGES
    if isinstance(node, Sequence):
        listed = tuple(i.text for i in flattened(node) if isinstance(i, Scalar))
    middle = [s for s in dict.fromkeys(listed) if s not in (FIRST, LAST)]
    return replace(state, stages=(FIRST, *middle, LAST))


def gather_defaults(state: State) -> State:
    """`default:` and the deprecated global keywords, which must not say the same thing twice."""
    node = state.root.get("default")
    default = node if isinstance(node, Mapping_) else Mapping_({}, state.root.span)
    for name in GLOBAL_DEFAULTS:
        if state.root.get(name) is None:
            continue
        entry = state.root.entries[name]
        if default.get(name) is not None:
            message = f"`{name}` is both a global keyword and in `default`: keep the one in `default`."
            state.findings.add("default-twice", message, entry.span)
        else:
            default = default.put(entry)
    return replace(state, default=_without_timeout(default, state.findings))


def _without_timeout(default: Mapping_, findings: Findings) -> Mapping_:
    """GitLab checks a `timeout` there and gives it to no job: https://gitlab.com/gitlab-org/gitlab/-/issues/213634."""
    if default.get("timeout") is not None:
        message = "`default:timeout` does nothing, as on GitLab: write `timeout` into the jobs."
        findings.add("odd-value", message, default.place("timeout"))
    return default.without("timeout")


def decide_workflow(state: State) -> State:
    """Read the global variables and evaluate `workflow:rules`."""
    variables = read_variables(state.root.get("variables"))
    context = state.context
    scope = Scope(context.variables or {}, context.variables is not None, context.unknown, context.secrets)
    scope = scope.over(variables.values).over(context.overrides)
    state = replace(state, variables=variables, scope=scope)
    workflow = state.root.get("workflow")
    rules = workflow.get("rules") if isinstance(workflow, Mapping_) else None
    if isinstance(workflow, Mapping_):
        fail_fast = auto_cancel_of(workflow, "on_job_failure") == "all"
        kept = cast(OnNewCommit, auto_cancel_of(workflow, "on_new_commit") or state.on_new_commit)
        state = replace(state, fail_fast=fail_fast, on_new_commit=kept)
    if not isinstance(rules, Sequence):
        return state
    return _apply_workflow(replace(state, governed=True), rules)


def _apply_workflow(state: State, rules: Sequence) -> State:
    decision = Judge(state.context, state.findings).decide(flattened(rules), state.scope, "workflow:rules")
    if decision.never:
        what = "no child pipeline run here: the job that starts it fails." if state.depth else "no pipeline run here,"
        rest = "" if state.depth else " so nothing is built. Choose another ref, or add a rule."
        state.findings.add("workflow-never", f"`workflow:rules` let {what}{rest}", rules.span)
        return replace(state, workflow=False)
    if decision.certain is not None:
        extra = Variables(decision.certain.variables)
        scope = state.scope.over(extra.values).over(state.context.overrides)
        own = decision.certain.on_job_failure
        fail_fast = state.fail_fast if own is None else own == "all"
        kept = decision.certain.on_new_commit or state.on_new_commit
        variables = extra.over(state.variables)
        return replace(state, variables=variables, scope=scope, fail_fast=fail_fast, on_new_commit=kept)
    if any(choice.outcome.on_new_commit for choice in decision.choices):
        state = replace(state, on_new_commit="none")
    if any(choice.outcome.on_job_failure for choice in decision.choices):
        what = "one failed job stops all others" if state.fail_fast else "a failed job stops no other"
        message = f"`workflow:rules:auto_cancel` cannot be decided before the build runs: {what}."
        state.findings.add("auto-cancel", message, rules.span)
    names = {name for choice in decision.choices for name in choice.outcome.variables}
    workflow = state.root.get("workflow")
    name = text_of(workflow.get("name")) if isinstance(workflow, Mapping_) else None
    if not names.isdisjoint(references(name or "")):
        message = "`workflow:name` does not get variables of a rule that only the build decides."
        state.findings.add("workflow-variables-undecided", message, rules.span)
    return replace(state, workflow=decision.condition(), workflow_choices=decision.choices if names else ())


def list_jobs(state: State) -> State:
    """Every visible job with what it inherits, checked."""
    drafts = []
    fits = remembered(check)  # what many jobs inherit is the very same
    for entry in state.root:
        if entry.kind != "string":
            state.findings.add("job-name", no_name(entry), entry.span)
            continue
        if entry.key in GLOBAL_KEYS or entry.key.startswith(".") or entry.key == "$schema":
            continue
        if entry.key == "spec" and not (isinstance(entry.value, Mapping_) and entry.value.get("script") is not None):
            message = "`spec` is no header here and counts for nothing: end it by a line `---`, else GitLab refuses it."
            state.findings.add("input-without-spec", message, entry.span)
            continue
        draft = _draft(entry, state, fits)
        if draft is not None:
            drafts.append(draft)
    if not drafts and not any(d.severity == "error" for d in state.findings.items):
        message = "There is no job. Write at least one job with a `script` whose name does not begin with a dot."
        state.findings.add("no-jobs", message, state.root.span)
    return replace(state, drafts=tuple(drafts))


def _draft(entry: Entry, state: State, fits: _Check) -> JobDraft | None:
    node = entry.value
    if not isinstance(node, Mapping_):
        hint = _TAKEN_OUT.get(entry.key) or suggestion(entry.key, GLOBAL_KEYS)
        message = (
            f"`{entry.key[:100]}` is no global keyword, and no job: that is a mapping, not {describe(node)}.{hint}"
        )
        state.findings.add("unknown-keyword", message, entry.span)
        return None
    if not entry.key or len(entry.key) > MAX_NAME:
        message = f"The name of a job has between 1 and {MAX_NAME} characters."
        state.findings.add("job-name", message, entry.span)
        return None
    if _misspelt_global(entry, node, state):
        return None
    node = _without_wrong(node, state, fits)
    merged = _with_defaults(node, state.default)
    stage = text_of(node.get("stage")) or "test"
    own = read_variables(node.get("variables"))
    inherit = node.get("inherit")
    given = inherit.get("variables") if isinstance(inherit, Mapping_) else None
    variables = own.over(inherited(state.variables, given))
    return JobDraft(entry.key, entry.span, merged, stage, variables)


def _misspelt_global(entry: Entry, node: Mapping_, state: State) -> bool:
    hint = "" if any(entry.key in JOB_KEYS for entry in node) else suggestion(entry.key, GLOBAL_KEYS)
    if not hint:
        return False
    state.findings.add("unknown-keyword", f"`{entry.key}` is no global keyword.{hint}", entry.span)
    return True


def _without_wrong(node: Mapping_, state: State, fits: _Check) -> Mapping_:
    """Check every keyword of the job; those with a wrong shape are taken out, so that one mistake is one message."""
    for entry in node:
        shape = JOB_KEYS.get(entry.key)
        if shape is None:
            hint = _TAKEN_OUT.get(entry.key) or suggestion(entry.key, JOB_KEYS) or suggestion(entry.key, GLOBAL_KEYS)
            if entry.key in GLOBAL_KEYS:
                hint = " It is a global keyword: write it at the top level of the file."
            message = f"`{entry.key[:100]}` is not a keyword of a job.{hint}"
            state.findings.add("unknown-keyword", message, entry.span)
        elif is_null(entry.value) or fits(entry.value, shape, entry.key, state.findings):
            continue
        node = node.without(entry.key)
    return node


def _with_defaults(node: Mapping_, default: Mapping_) -> Mapping_:
    inherit = node.get("inherit")
    wanted: Node | None = inherit.get("default") if isinstance(inherit, Mapping_) else None
    if isinstance(wanted, Scalar) and not flag_of(wanted):
        return node
    names = texts_of(wanted) if isinstance(wanted, Sequence) else tuple(default.entries)
    if node.get("trigger") is not None:
        names = tuple(n for n in names if n == "interruptible")  # it runs no commands of its own
    elif node.get("run") is not None:
        names = tuple(n for n in names if n not in ("before_script", "after_script"))
    missing = {n: default.entries[n] for n in names if default.get(n) is not None and node.get(n) is None}
    return Mapping_({**node.entries, **missing}, node.span) if missing else node
