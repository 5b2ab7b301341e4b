"""Passes: what GitLab refuses in a single job, and in the graph of jobs, whatever the context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tasks.interpretation.combinations import mirrors
from tasks.interpretation.fields import flag_of, needs_of, text_of, texts_of
from tasks.interpretation.parallel import instances, written_name
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import JobDraft, State
from tasks.interpretation.suggest import suggestion
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence

_WORKS = ("script", "trigger", "run")
_Known = tuple[dict[str, JobDraft], dict[str, int]]


def check_jobs(state: State) -> State:
    """What each job needs, and which keywords exclude each other."""
    for draft in state.drafts:
        _check_work(draft, state)
        _check_stage(draft, state)
        _check_start(draft, state)
        if draft.node.get("rules") is not None:
            for key in ("only", "except"):
                if draft.node.get(key) is not None:
                    message = f"`{key}` cannot be used with `rules`: move its conditions into `rules`."
                    state.findings.add("rules-and-policy", message, draft.node.place(key))
    return state


def _check_work(draft: JobDraft, state: State) -> None:
    node, findings = draft.node, state.findings
    if _incomplete(node):
        return
    written = state.root.entries[draft.name].value
    keys = written.entries if isinstance(written, Mapping_) else {}
    works = [key for key in _WORKS if key in keys]  # GitLab refuses two of them even where one has no value
    if all(_blank(written.get(key)) for key in works if isinstance(written, Mapping_)) and not mirrors(node):
        message = f"The job `{draft.name}` does nothing: it needs a `script` (or `trigger`, or `run`)."
        hint = " Begin its name with a dot if it is only a template." if "script" not in node.entries else ""
        findings.add("missing-script", message + hint, draft.span)
    elif len(works) > 1:
        message = f"The job `{draft.name}` has both `{works[0]}` and `{works[1]}`: a job does one of them."
        findings.add("script-and-trigger", message, node.place(works[1]))


def _blank(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and node.kind == "string" and not node.text.strip())


def _incomplete(node: Mapping_) -> bool:
    """Whether an `extends` could not be applied, so that nobody knows what else the job has."""
    return node.get("extends") is not None


def _check_stage(draft: JobDraft, state: State) -> None:
    unknown = _incomplete(draft.node) and draft.node.get("stage") is None
    if draft.stage not in state.stages and not unknown:
        hint = suggestion(draft.stage, state.stages) or f" Stages are: {', '.join(state.stages)}."
        message = f"The job `{draft.name}` is in stage `{draft.stage}`, which does not exist.{hint}"
        state.findings.add("unknown-stage", message, draft.node.place("stage"))


def _check_start(draft: JobDraft, state: State) -> None:
    written, findings = state.root.entries[draft.name].value, state.findings
    start = written.get("start_in") if isinstance(written, Mapping_) else None
    delayed = text_of(draft.node.get("when")) == "delayed"
    if start is not None and draft.node.get("rules") is not None:
        message = "`start_in` of a job cannot be used with `rules`: write it in the rules."
        findings.add("delayed", message, draft.node.place("start_in"))
    elif delayed and start is None:
        findings.add("delayed", "`when: delayed` needs `start_in`.", draft.node.place("when"))
    elif start is not None and not delayed:
        findings.add("delayed", "`start_in` needs `when: delayed`.", draft.node.place("start_in"))
    rules = draft.node.get("rules")
    for rule in flattened(rules) if isinstance(rules, Sequence) else ():
        if isinstance(rule, Mapping_):
            late = text_of(rule.get("when")) == "delayed"
            if late != (rule.get("start_in") is not None) or (not late and "start_in" in rule.entries):
                findings.add("delayed", "`when: delayed` and `start_in` belong together in a rule.", rule.span)


def check_graph(state: State) -> State:
    """`needs` and `dependencies` name jobs that exist, in the same or an earlier stage, and form no circle."""
    drafts = {draft.name: draft for draft in state.drafts}
    rank = {stage: i for i, stage in enumerate(state.stages)}
    edges: dict[str, list[str]] = {}
    for draft in state.drafts:
        edges[draft.name] = []
        for item, name in needed_jobs(draft.node):
            if _check_need(draft, item, name, (drafts, rank), state.findings):
                edges[draft.name].append(_written(name, drafts))
        _check_rule_needs(draft, drafts, state.findings)
        _check_artifact_jobs(draft, (drafts, rank), state.findings)
        _check_dependencies(draft, drafts, rank, state.findings)
    for circle in _circles(edges):
        place = drafts[circle[0]].node.place("needs")
        state.findings.add("needs-cycle", f"`needs` go in a circle: {' -> '.join(circle)}.", place)
    return state


def needed_jobs(node: Mapping_) -> Iterator[tuple[Node, str]]:
    """Every job of this pipeline that `needs` (of the job or of its rules) names, with its place."""
    yield from _named(node.get("needs"))
    yield from _needed_by_rules(node)


def _needed_by_rules(node: Mapping_) -> Iterator[tuple[Node, str]]:
    rules = node.get("rules")
    for rule in flattened(rules) if isinstance(rules, Sequence) else ():
        yield from _named(rule.get("needs") if isinstance(rule, Mapping_) else None)


def _named(needs: Node | None) -> Iterator[tuple[Node, str]]:
    for item in needs_of(needs) or ():
        name = need_name(item)
        if name is not None:
            yield item, name


def _check_rule_needs(draft: JobDraft, drafts: Mapping[str, JobDraft], findings: Findings) -> None:
    """In rules GitLab does not put the jobs that `parallel` makes in the place of the one that is written."""
    for item, name in _needed_by_rules(draft.node):
        parallel = drafts[name].node.get("parallel") if name in drafts else None
        made = () if parallel is None else instances(name, parallel, Findings())
        if made and made[0].name != name and not (isinstance(item, Mapping_) and flag_of(item.get("optional"))):
            message = (
                f"`rules:needs` names `{name}`, of which `parallel` makes several: here GitLab wants each of them "
                f"by its own name, such as `{made[0].name[:120]}`."
            )
            findings.add("unknown-job", message, item.span)


def _check_artifact_jobs(draft: JobDraft, known: _Known, findings: Findings) -> None:
    """The jobs that make the files of a child pipeline (`trigger:include:artifact`)."""
    drafts, rank = known
    trigger = draft.node.get("trigger")
    include = trigger.get("include") if isinstance(trigger, Mapping_) else None
    for item in include.items if isinstance(include, Sequence) else (include,):
        name = text_of(item.get("job")) if isinstance(item, Mapping_) else None
        if name is None or not isinstance(item, Mapping_):
            continue
        if (made := drafts.get(_written(name, drafts))) is None:
            hint = suggestion(name, drafts) or _hidden(name)
            message = f"`trigger:include:job` names `{name[:120]}`, which is no job here.{hint}"
            findings.add("unknown-job", message, item.place("job"))
        elif rank.get(made.stage, 0) > rank.get(draft.stage, len(rank)):
            message = f"`trigger:include:job` names `{name[:120]}`, whose stage `{made.stage[:120]}` comes later."
            findings.add("needs-later-stage", message, item.place("job"))


def need_name(item: Node) -> str | None:
    """The job of this pipeline that one item of `needs` names; None for another pipeline's or project's."""
    if isinstance(item, Scalar):
        return item.text
    if not isinstance(item, Mapping_) or item.get("pipeline") is not None or item.get("project") is not None:
        return None
    return text_of(item.get("job"))


def _check_need(draft: JobDraft, item: Node, name: str, known: _Known, findings: Findings) -> bool:
    drafts, rank = known
    name = _written(name, drafts)
    optional = isinstance(item, Mapping_) and text_of(item.get("optional")) == "true"
    if name == draft.name:
        findings.add("needs-cycle", f"The job `{name}` needs itself.", item.span)
    elif name not in drafts:
        if not optional:
            hint = suggestion(name, drafts) or _hidden(name)
            findings.add("unknown-job", f"`needs` names `{name}`, which is no job here.{hint}", item.span)
    elif rank.get(drafts[name].stage, 0) > rank.get(draft.stage, len(rank)):
        message = f"`{draft.name}` needs `{name}`, whose stage `{drafts[name].stage}` comes later."
        findings.add("needs-later-stage", message, item.span)
    else:
        return True
    return False


def _written(name: str, drafts: Mapping[str, JobDraft]) -> str:
    """The job of which `parallel` makes the one called `name`; `name` itself where it is not such a name."""
    base = None if name in drafts else written_name(name)
    if base is None or base not in drafts:
        return name
    made = instances(base, drafts[base].node.get("parallel"), Findings())
    return base if any(i.name == name for i in made) else name


def _hidden(name: str) -> str:
    return " Names that begin with a dot are templates, not jobs." if name.startswith(".") else ""


def _check_dependencies(draft: JobDraft, drafts: dict[str, JobDraft], rank: dict[str, int], findings: Findings) -> None:
    node = draft.node.get("dependencies")
    if node is None:
        return
    needs = needs_of(draft.node.get("needs"))
    needed = None if needs is None else {need_name(item) for item in needs}
    for text in texts_of(node):
        name = _written(text, drafts)
        if name not in drafts:
            hint = suggestion(name, drafts) or _hidden(name)
            findings.add("unknown-job", f"`dependencies` names `{name}`, which is no job here.{hint}", node.span)
        elif needed is not None and text not in needed and name not in needed:
            if needed:
                message = f"`dependencies` names `{name}`, which must then be in `needs` too."
                findings.add("dependency-not-needed", message, node.span)
        elif needed is None and rank.get(drafts[name].stage, 0) >= rank.get(draft.stage, len(rank)):
            same = drafts[name].stage == draft.stage
            code = "dependency-same-stage" if same else "needs-later-stage"
            note = "the same: it gets nothing from there" if same else "later"
            message = f"`dependencies` names `{name}`, whose stage `{drafts[name].stage}` is {note}."
            findings.add(code, message, node.span)


def _circles(edges: dict[str, list[str]]) -> list[list[str]]:
    """Circles in a graph, each once, found without recursion."""
    colour: dict[str, int] = {}
    found: list[list[str]] = []
    for start, following_jobs in edges.items():
        if start in colour:
            continue
        path, stack = [start], [(start, iter(following_jobs))]
        colour[start] = 1
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                colour[node] = 2
            elif colour.get(following) == 1:
                found.append([*path[path.index(following) :], following])
            elif following not in colour:
                colour[following] = 1
                path.append(following)
                stack.append((following, iter(edges[following])))
    return found
