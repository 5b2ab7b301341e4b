"""Pass: keywords of a job that do not go together, and jobs that must fit each other, whatever the context.

The rules are those of GitLab's own validation (``lib/gitlab/ci/config/entry`` and ``yaml_processor.rb``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from tasks.interpretation.fields import flag_of, needs_of, published_of, text_of, texts_of
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import JobDraft, State
from tasks.interpretation.suggest import suggestion
from tasks.source.diagnostics import Findings
from tasks.source.inputs import Given, input_values
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence
from tasks.source.regex import RegexError, compile_regex

# https://docs.gitlab.com/ci/yaml/#trigger: what a job that starts a pipeline may have
_TRIGGER_KEYS = (
    *("trigger", "parallel", "extends", "stage", "variables", "inherit", "needs", "resource_group", "environment"),
    *("only", "except", "rules", "when", "allow_failure", "interruptible"),
)
_REGEX = re.compile(r"^/(.*)/([ismU]*)$", re.MULTILINE)
_MOST_ELSEWHERE = 5  # https://docs.gitlab.com/ci/yaml/#needsproject
_MOST_INPUTS = 50
_NOT_WITH_RUN = ("before_script", "after_script")


def check_combinations(state: State) -> State:
    """What the keywords of each job say about each other, and about other jobs."""
    _check_options(state.root.get("variables"), state.findings)
    drafts = {draft.name: draft for draft in state.drafts}
    for draft in state.drafts:
        written = state.root.entries[draft.name].value
        assert isinstance(written, Mapping_)  # noqa: S101 - else it was no draft
        if written.get("trigger") is not None:
            _check_trigger(written, state.findings)
        elif written.get("run") is not None:
            _check_run(written, state.findings)
        _check_alone(draft, written, state.findings)
        _check_stop(draft, drafts, state.findings)
        _check_kubernetes(draft, state.findings)
        for needs in _need_lists(draft.node):
            _check_repeated(needs, state.findings)
            _check_elsewhere(needs, state.findings)
    return state


def mirrors(node: Mapping_) -> bool:
    """Whether a job has no work but to show the status of another project's pipeline (`needs:pipeline`)."""
    items = needs_of(node.get("needs")) or []
    return any(isinstance(i, Mapping_) and i.get("pipeline") is not None and i.get("job") is None for i in items)


def _check_trigger(written: Mapping_, findings: Findings) -> None:
    for entry in written:
        if entry.key not in (*_TRIGGER_KEYS, "script", "run"):
            message = f"`{entry.key[:80]}` cannot be in a job with `trigger`, which runs no commands of its own."
            findings.add("keyword-not-here", message, entry.span)
    if isinstance(written.get("parallel"), Scalar):
        message = "A job with `trigger` can have `parallel:matrix`, not a number."
        findings.add("keyword-not-here", message, written.place("parallel"))
    if isinstance(written.get("allow_failure"), Mapping_):
        message = "`allow_failure` of a job with `trigger` is true or false: there is no exit code."
        findings.add("keyword-not-here", message, written.place("allow_failure"))
    for item in needs_of(written.get("needs")) or ():
        if isinstance(item, Mapping_) and (item.get("project") or (item.get("pipeline") and item.get("job"))):
            message = "A job with `trigger` fetches no artifacts, so it needs no job of another pipeline or project."
            findings.add("keyword-not-here", message, item.span)
    if text_of(written.get("when")) == "delayed":
        message = "A job with `trigger` cannot be `when: delayed`."
        findings.add("keyword-not-here", message, written.place("when"))


def _check_run(written: Mapping_, findings: Findings) -> None:
    for key in _NOT_WITH_RUN:
        if key in written.entries:
            message = f"`{key}` cannot be in a job with `run`: make it a step."
            findings.add("keyword-not-here", message, written.place(key))


def _check_alone(draft: JobDraft, written: Mapping_, findings: Findings) -> None:
    """Keywords that a job has only together with others, or whose value other keywords limit."""
    node = draft.node
    if node.get("publish") is not None and published_of(draft.name, node) is None:
        message = "`publish` is for jobs that publish Pages: add `pages: true`."
        findings.add("keyword-not-here", message, node.place("publish"))
    settings = node.get("pages")
    if node.get("publish") is not None and isinstance(settings, Mapping_) and settings.get("publish") is not None:
        findings.add("keyword-not-here", "`publish` is in `pages` too: keep that one.", node.place("publish"))
    coverage = node.get("coverage")
    if isinstance(coverage, Scalar):
        _check_regex(coverage, findings)
    inputs = node.get("inputs")
    if isinstance(inputs, Mapping_):
        input_values(inputs, Given(None, node.place("inputs")), findings)
        if len(inputs.entries) > _MOST_INPUTS:
            message = f"A job has at most {_MOST_INPUTS} `inputs`, not {len(inputs.entries)}."
            findings.add("wrong-value", message, node.place("inputs"))
    artifacts = written.get("artifacts")
    if isinstance(artifacts, Mapping_) and artifacts.get("expose_as") is not None:
        if artifacts.get("paths") is not None and not texts_of(artifacts.get("paths")):
            message = "`artifacts:expose_as` needs `paths` to show."
            findings.add("missing-keyword", message, artifacts.place("expose_as"))
        for path in texts_of(artifacts.get("paths")):
            if "*" in path:
                message = f"`artifacts:expose_as` cannot show `{path[:80]}`: a path there has no `*`."
                findings.add("wrong-value", message, artifacts.place("paths"))


def _check_regex(coverage: Scalar, findings: Findings) -> None:
    """GitLab looks at the expression between the slashes, with flags; what it then searches for has no flags."""
    written = _REGEX.search(coverage.text)
    if written is None:
        return
    shown, searched = coverage.text[:80].replace("\n", "\\n"), coverage.text[1:-1]
    try:
        compile_regex(written[1], written[2])
    except RegexError as error:
        findings.add("bad-expression", f"`coverage`: `{shown}`: {error}.", coverage.span)
        return
    if not searched.strip():
        findings.add("odd-value", f"`coverage`: `{shown}` looks for nothing, so that it finds nothing.", coverage.span)
    elif searched != written[1]:
        message = (
            f"`coverage`: GitLab takes off the first and the last character of `{shown}` and searches for what is "
            f"left, `{searched[:80]}`: write the flag into the expression, such as `/(?i)total/`."
        )
        findings.add("odd-value", message, coverage.span)


def _check_options(variables: Node | None, findings: Findings) -> None:
    for entry in variables if isinstance(variables, Mapping_) else ():
        options = entry.value.get("options") if isinstance(entry.value, Mapping_) else None
        value = text_of(entry.value.get("value")) if isinstance(entry.value, Mapping_) else None
        if texts_of(options) and value not in texts_of(options):
            message = f"`variables:{entry.key[:80]}`: its `value` must be one of its `options`."
            findings.add("wrong-value", message, entry.span)


def _check_stop(draft: JobDraft, drafts: Mapping[str, JobDraft], findings: Findings) -> None:
    environment = draft.node.get("environment")
    name = text_of(environment.get("on_stop")) if isinstance(environment, Mapping_) else None
    if name is None or not isinstance(environment, Mapping_):
        return
    other = drafts.get(name)
    stopped = other.node.get("environment") if other else None
    if other is None:
        message = f"`environment:on_stop` names `{name[:80]}`, which is no job here.{suggestion(name, drafts)}"
    elif not isinstance(stopped, Mapping_) or text_of(stopped.get("action")) != "stop":
        message = f"`environment:on_stop` names `{name}`, which needs `environment` with `action: stop`."
    elif text_of(stopped.get("name")) != text_of(environment.get("name")):
        message = f"`environment:on_stop` names `{name}`, whose `environment` has another name."
    else:
        return
    findings.add("on-stop", message, environment.place("on_stop"))


def _check_kubernetes(draft: JobDraft, findings: Findings) -> None:
    """What only one of two places may say, and what needs an agent."""
    environment = draft.node.get("environment")
    node = environment.get("kubernetes") if isinstance(environment, Mapping_) else None
    if not isinstance(node, Mapping_):
        return
    dashboard, managed = node.get("dashboard"), node.get("managed_resources")
    for key in ("namespace", "flux_resource_path"):
        if text_of(node.get(key)) and isinstance(dashboard, Mapping_) and text_of(dashboard.get(key)):
            message = f"`environment:kubernetes:{key}` is in `dashboard` too: keep that one."
            findings.add("keyword-not-here", message, node.place(key))
    if isinstance(managed, Mapping_) and flag_of(managed.get("enabled")) and not text_of(node.get("agent")):
        message = "`environment:kubernetes:managed_resources` needs an `agent`."
        findings.add("missing-keyword", message, node.place("managed_resources"))


def _need_lists(node: Mapping_) -> list[list[Node]]:
    rules = node.get("rules")
    listed = [node.get("needs")]
    for rule in flattened(rules) if isinstance(rules, Sequence) else ():
        listed.append(rule.get("needs") if isinstance(rule, Mapping_) else None)
    return [items for needs in listed if (items := needs_of(needs))]


def _check_repeated(needs: list[Node], findings: Findings) -> None:
    """Each job once; `parallel:matrix` picks jobs of one name, so that it may be there again."""
    names: Counter[str] = Counter()
    for item in needs:
        if isinstance(item, Mapping_) and {"pipeline", "project", "parallel"} & item.entries.keys():
            continue
        name = text_of(item.get("job")) if isinstance(item, Mapping_) else text_of(item)
        names[name or ""] += 1
        if name and names[name] == 2:
            findings.add("needs-twice", f"`needs` lists `{name[:80]}` twice.", item.span)


def _check_elsewhere(needs: list[Node], findings: Findings) -> None:
    """A job takes artifacts of five jobs of other projects at most, and of five of other pipelines."""
    for key in ("project", "pipeline"):
        named = [i for i in needs if isinstance(i, Mapping_) and i.get(key) is not None and i.get("job") is not None]
        if len(named) > _MOST_ELSEWHERE:
            message = f"`needs:{key}` is there {len(named)} times: GitLab allows {_MOST_ELSEWHERE} in a job."
            findings.add("wrong-value", message, named[_MOST_ELSEWHERE].span)
