"""Pass: `needs` and `dependencies` of the jobs that are left, resolved to the names of the model's jobs."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Listed
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.interpretation.checks import need_name
from tasks.interpretation.expansion import references
from tasks.interpretation.fields import flag_of, needs_of, text_of, texts_of
from tasks.interpretation.parallel import (
    Instance,
    filled,
    has_expressions,
    instance_name,
    instances,
    matrix_rows,
    written_name,
)
from tasks.interpretation.pipeline import Job, Need
from tasks.interpretation.state import JobDraft, LeftOut, State
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Mapping_, Node

_MOST = 50  # GitLab's plan limit `ci_needs_size_limit`: after `parallel`, and only of jobs that are in the pipeline


def link_needs(state: State) -> State:
    """Give every job its `needs` and `dependencies`."""
    linker = _Linker(state)
    by_name = {job.name: job for job in state.jobs}
    jobs: list[Job] = []
    for draft in state.drafts:
        node = _needs_node(draft, state)
        apart = bool(draft.decisions) or linker.differ(node)
        needs = None if apart else linker.needs(draft, node)
        dependencies = linker.dependencies(draft)
        for instance in state.instances[draft.name]:
            one = draft.decided(instance.name)
            own = linker.needs(one, _needs_node(one, state), instance.matrix) if apart else needs
            job = by_name[instance.name]
            if own is not None or dependencies is not None:
                job = replace(job, needs=own, dependencies=dependencies)
            jobs.append(_with_rule_needs(job, one, linker, instance) if job.rules else job)
    return replace(state, jobs=tuple(jobs))


def _needs_node(draft: JobDraft, state: State) -> Node | None:
    certain = draft.decision.certain
    if certain is not None and certain.needs is not None:
        return certain.needs
    return draft.node.get("needs")


def parent_job(item: Node, state: State) -> str | None:
    """The job of the pipeline around a child pipeline whose artifacts an item of `needs` asks for."""
    pipeline = text_of(item.get("pipeline")) if isinstance(item, Mapping_) else None
    if not isinstance(item, Mapping_) or pipeline is None or state.parent_ids.isdisjoint(references(pipeline)):
        return None
    return text_of(item.get("job"))


def _with_rule_needs(job: Job, draft: JobDraft, linker: _Linker, instance: Instance) -> Job:
    """The job with the needs that its undecided rules bring."""
    nodes = [choice.outcome.needs for choice in draft.decision.choices]
    if draft.decision.certain is not None or not any(node is not None for node in nodes):
        return job
    made = [linker.needs(draft, node, instance.matrix) for node in nodes]
    rules = tuple(replace(rule, needs=needs) for rule, needs in zip(job.rules, made, strict=True))
    return replace(job, rules=rules)


class _Linker(Struct, dict=True):
    state: State
    matrix: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def left_out(self) -> dict[str, LeftOut]:
        return {job.name: job for job in self.state.left_out}

    @cached_property
    def rank(self) -> dict[str, int]:
        return {stage: i for i, stage in enumerate(self.state.stages)}

    @cached_property
    def parallels(self) -> dict[str, Node | None]:
        return {draft.name: draft.node.get("parallel") for draft in self.state.judged}

    def differ(self, node: Node | None) -> bool:
        """Whether the jobs of one `parallel` need different jobs."""
        items = needs_of(node) or []
        matrices = [item.get("parallel") for item in items if isinstance(item, Mapping_)]
        return any(isinstance(matrix, Mapping_) and has_expressions(matrix) for matrix in matrices)

    def needs(
        self, draft: JobDraft, node: Node | None, matrix: Mapping[str, str] | None = None
    ) -> tuple[Need, ...] | None:
        items = needs_of(node)
        if items is None:
            return None
        self.matrix = matrix or {}
        found: dict[str, Need] = {}
        for item in items:
            for need in self.resolved(draft, item):
                before = found.get(need.job)
                found[need.job] = need if before is None or need.artifacts else before
        if node is not None and len(found) > _MOST:
            message = (
                f"`{draft.name}` needs {len(found)} jobs: GitLab refuses more than {_MOST}, "
                "unless the instance's administrator allows more."
            )
            self.state.findings.add("needs-limit", message, node.span)
        return tuple(found.values())

    def resolved(self, draft: JobDraft, item: Node) -> Listed[Need]:
        name = need_name(item)
        if name is None and parent_job(item, self.state) is not None:
            return ()  # its artifacts are taken, see `children`
        if name is None:
            message = "`needs` on another pipeline or project is ignored: its artifacts are not fetched."
            self.state.findings.add("needs-elsewhere", message, item.span)
            return ()
        options = item if isinstance(item, Mapping_) else Mapping_({}, item.span)
        artifacts, optional = flag_of(options.get("artifacts"), True), flag_of(options.get("optional"))
        name, one = self.written(name)
        if name in self.state.instances:
            chosen = self.chosen(draft, name, item)
            return [Need(i.name, artifacts, optional) for i in chosen if one is None or i.name == one]
        if name in self.left_out:
            message = f"`{draft.name}` needs `{name}`, which is left out: it waits for what `{name}` waits for instead."
            self.state.findings.add("need-left-out", message, item.span)
            return self.instead_of(name, frozenset())
        if name in self.state.declared and not optional:
            self.absent(draft, name, item)
        return ()

    def written(self, name: str) -> tuple[str, str | None]:
        """The job as it is written, and which of those `parallel` makes of it is meant (None = all)."""
        base = written_name(name)
        if base is None or base not in self.state.declared:
            return name, None
        taken = name in self.state.declared and all(i.name != name for i in self.state.instances.get(base, ()))
        return (name, None) if taken else (base, name)

    def chosen(self, draft: JobDraft, name: str, item: Node) -> list[Instance]:
        """Those jobs of a `parallel` that an item of `needs` means: their names, made of its matrix, must be theirs."""
        matrix = item.get("parallel") if isinstance(item, Mapping_) else None
        every = [*self.state.instances[name], *(i for n in self.parallel(name) for i in self.others(n, name))]
        made = self.parallel(name) if isinstance(matrix, Mapping_) else ()
        if not isinstance(matrix, Mapping_) or not made:
            return every  # of a job that is no several GitLab does not look at the matrix
        wanted = [instance_name(name, filled(row, self.matrix)) for row in matrix_rows(matrix)]
        if not (isinstance(item, Mapping_) and flag_of(item.get("optional"))):
            for one in dict.fromkeys(wanted):
                self.check_one(draft, one, item, made)
        return [i for i in every if i.name in wanted]

    def check_one(self, draft: JobDraft, name: str, item: Node, made: tuple[str, ...]) -> None:
        """An error where none of the jobs `made` is called so, or, by its rules, none in this pipeline."""
        base = need_name(item) or ""
        if name not in made:
            message = (
                f"`needs:parallel:matrix` means the job `{name[:120]}`, and there is none: `parallel` makes others of "
                f"`{base}`, such as `{made[0][:120]}`. Give a value to each variable of its matrix, in the same order."
            )
            self.state.findings.add("unknown-job", message, item.span)
        elif all(i.name != name for i in self.state.instances[base]):
            self.absent(draft, name, item)

    def parallel(self, name: str) -> tuple[str, ...]:
        """The names of all jobs that `parallel` makes of a job, also of those that do not run; empty without it."""
        node = self.parallels[name]
        return () if node is None else tuple(i.name for i in instances(name, node, Findings()))

    def others(self, name: str, base: str) -> tuple[Instance, ...]:
        """The job that is written under the name of one that `parallel` makes of `base`."""
        return () if name == base else self.state.instances.get(name, ())

    def absent(self, draft: JobDraft, name: str, item: Node) -> None:
        if draft.decision.certain is not None and self.state.workflow is True:
            message = (
                f"`{draft.name}` needs `{name}`, which its rules keep out of this pipeline. "
                f"Add `optional: true` to the need, or make the rules agree."
            )
            self.state.findings.add("need-not-in-pipeline", message, item.span)
        else:
            message = f"`{draft.name}` needs `{name}`, which never runs here: the need is dropped."
            self.state.findings.add("need-dropped", message, item.span)

    def instead_of(self, name: str, seen: frozenset[str]) -> list[Need]:
        """What a job that needed `name` waits for, now that `name` is left out: for order only."""
        job = self.left_out[name]
        items = needs_of(job.node.get("needs"))
        if items is None:
            limit = self.rank.get(job.stage, 0)
            return [Need(j.name, artifacts=False) for j in self.state.jobs if self.rank.get(j.stage, 0) < limit]
        found: list[Need] = []
        for item in items:
            other = need_name(item) or ""
            if other in self.state.instances:
                found += [Need(i.name, artifacts=False) for i in self.state.instances[other]]
            elif other in self.left_out and other not in seen:
                found += self.instead_of(other, seen | {name})
        return found

    def dependencies(self, draft: JobDraft) -> tuple[str, ...] | None:
        node = draft.node.get("dependencies")
        if node is None:
            return None
        found: list[str] = []
        for text in texts_of(node):
            name, one = self.written(text)
            found += [i.name for i in self.state.instances.get(name, ()) if one is None or i.name == one]
        return tuple(found)
