"""Pass: child pipelines (`trigger:include`) become jobs of the same pipeline.

https://docs.gitlab.com/ci/pipelines/downstream_pipelines/. A child is interpreted by the same passes, with stages,
defaults and variables of its own; it starts when the job that starts it does. Its jobs are called ``trigger job: job``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct
from msgspec.structs import replace

from tasks.interpretation.context import Context
from tasks.interpretation.diagnostics import Diagnostic
from tasks.interpretation.expansion import Expanded, references
from tasks.interpretation.fields import flag_of, needs_of, text_of
from tasks.interpretation.jobs import forwarded, in_order, wide_variables
from tasks.interpretation.needs import parent_job
from tasks.interpretation.parallel import Instance
from tasks.interpretation.pipeline import Artifacts, Child, Job, Need, Retry
from tasks.interpretation.reported import told_jobs
from tasks.interpretation.shapes import flattened
from tasks.interpretation.state import Family, JobDraft, State
from tasks.interpretation.variables import Variables
from tasks.source.includes import MAX_DEPTH, MAX_PIPELINES
from tasks.source.nodes import Mapping_, Node, Sequence

MAX_JOBS = 20_000
_PIPELINE_ID = "CI_PIPELINE_ID"
_SOURCE = "CI_PIPELINE_SOURCE"
ABSENT = (
    "include-missing",
    "include-not-fetched",
    "include-invalid",
)  # for GitLab no mistakes of the pipeline: the job fails, later
Interpret = Callable[[State, Mapping_], State | Diagnostic]


def inline_children(state: State, interpret: Interpret) -> State:
    """Put the jobs of every child pipeline behind the job that starts it.

    Args:
        state: A pipeline whose own jobs are finished.
        interpret: Runs all passes for a state of nothing but a context, and the `trigger` that starts it; or returns
            why its files are not there.
    """
    drafts = {i.name: (d, i) for d in state.drafts for i in state.instances[d.name]}
    if not any(draft.node.get("trigger") is not None for draft in state.drafts):
        return state
    worker = _Worker(state, interpret, _Taken(job.name for job in state.jobs), _Taken(state.stages), told_jobs(state))
    return replace(state, jobs=tuple(found for job in state.jobs for found in worker.inlined(job, *drafts[job.name])))


class _Taken:
    """Names that are taken; hands out others."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)

    def free(self, wish: str) -> str:
        name, number = wish, 1
        while name in self._names:
            number += 1
            name = f"{wish} ({number})"
        self._names.add(name)
        return name


class _Worker(Struct, frozen=True):
    state: State
    interpret: Interpret
    jobs: _Taken
    stages: _Taken
    told: frozenset[str]

    def inlined(self, job: Job, draft: JobDraft, instance: Instance) -> Iterator[Job]:
        """The job itself, and what it starts."""
        trigger = draft.node.get("trigger")
        if not isinstance(trigger, Mapping_):
            yield job
            return
        waits = text_of(trigger.get("strategy")) in ("depend", "mirror")
        forwards = flag_of(_forward(trigger).get("pipeline_variables"))
        child = self.child(draft.decided(instance.name), instance, trigger)
        if isinstance(child, Child):
            yield _without_work(job, replace(child, waits=waits))
            return
        adoption = self.adoption(job, child)
        stages = tuple(adoption.stages[s] for s in child.stages if s in adoption.stages)
        started = Child(stages, waits, forwards, fail_fast=child.fail_fast)
        yield self.without_shared_group(_without_work(job, started), child, draft)
        yield from (adoption.job(one) for one in child.jobs)

    def child(self, draft: JobDraft, instance: Instance, trigger: Mapping_) -> State | Child:
        """The child pipeline, interpreted; or one that GitLab would not create."""
        state = self.state
        refused = _beyond(state.depth, state.family)
        if refused is not None:
            return self.refused(draft, refused)
        state.family.pipelines += 1
        if state.family.jobs > MAX_JOBS:
            message = f"All child pipelines together have more than {MAX_JOBS} jobs, which no Jenkinsfile holds."
            state.findings.add("child-limit", message, draft.node.place("trigger"))
            return Child()
        if draft.decision.certain is None and any(c.outcome.variables for c in draft.decision.choices):
            message = (
                f"`rules:variables` of `{draft.name}` are not passed to its child pipeline, as the rule cannot be "
                "decided before the build runs. Write them into the job's `variables`."
            )
            state.findings.add("child-variables", message, draft.node.place("rules"))
        context, ids = _context(state, draft, instance, trigger)
        if instance.name in self.told:
            context = replace(context, late=_late(state, draft, instance, context))
        first = State(
            state.files,
            state.entry,
            context,
            state.findings,
            depth=state.depth + 1,
            parent_ids=ids,
            family=state.family,
        )
        found = self.interpret(first, trigger)
        if isinstance(found, Diagnostic):
            return self.absent(draft, found)
        state.family.jobs += len(found.drafts)
        self.say_unseen(draft, found)
        if found.workflow is False:  # of which the workflow has been told already
            return Child(refused="its workflow:rules let no pipeline run")
        return found if found.jobs else self.refused(draft, "none of its jobs would run")

    def say_unseen(self, draft: JobDraft, child: State) -> None:
        """Rules of the child that ask for a variable whose value only the build finds out."""
        given = child.context
        late = {n for n in given.pipeline_variables - given.raw_overrides if references(given.overrides[n])}
        late |= given.late.keys()
        rules = [one.node.get("rules") for one in child.judged]
        workflow = child.root.get("workflow")
        rules += [workflow.get("rules")] if isinstance(workflow, Mapping_) else []
        asked = {name for node in rules for rule in _flat(node) for name in references(text_of(rule.get("if")) or "")}
        if names := sorted(late & asked):
            shown = ", ".join(f"`{name}`" for name in names)
            message = (
                f"Rules of the child pipeline of `{draft.name}` ask for {shown}, whose value only the build knows: "
                "they see what the text makes of it. Decide by something else."
            )
            self.state.findings.add("child-variables", message, draft.node.place("variables"))

    def without_shared_group(self, job: Job, child: State, draft: JobDraft) -> Job:
        """The job, without a resource group that would keep the child it waits for from ever running."""
        groups = {one.resource_group for one in child.jobs}
        if job.resource_group is None or job.resource_group not in groups or not (job.child and job.child.waits):
            return job
        message = (
            f"`resource_group` of `{job.name}` is not held: jobs of the child pipeline it waits for are of the same "
            "group, and would never start. Remove one of the two."
        )
        self.state.findings.add("child-resource-group", message, draft.node.place("resource_group"))
        return replace(job, resource_group=None)

    def refused(self, draft: JobDraft, reason: str) -> Child:
        message = f"GitLab does not create the child pipeline of `{draft.name}`, and the job fails: {reason}."
        self.state.findings.add("child-refused", message, draft.node.place("trigger"))
        return Child(refused=reason)

    def absent(self, draft: JobDraft, found: Diagnostic) -> Child:
        """The files are not there: GitLab would fail the job; where they were only not fetched, it does nothing."""
        if found.code == "include-missing":
            return self.refused(draft, found.message.rstrip("."))
        message = f"The child pipeline of `{draft.name}` is left out, and the job does nothing: {found.message}"
        self.state.findings.add("child-not-fetched", message, found.span)
        return Child()

    def adoption(self, bridge: Job, child: State) -> _Adoption:
        used = {job.stage for job in child.jobs if job.parent is None}
        return _Adoption(
            bridge.name,
            {job.name: self.jobs.free(f"{bridge.name}: {job.name}") for job in child.jobs},
            {stage: self.stages.free(f"{bridge.name}: {stage}") for stage in child.stages if stage in used},
            _settled(self.state),
            _settled(child),
            _taken(self.state, child),
            self.stages,
        )


def _beyond(depth: int, family: Family) -> str | None:
    if depth >= MAX_DEPTH:
        return f"child pipelines nest at most {MAX_DEPTH} deep"
    if family.pipelines >= MAX_PIPELINES:
        return f"one pipeline and its children are at most {MAX_PIPELINES}"
    return None


def _without_work(job: Job, child: Child) -> Job:
    """The job without what it inherited and has no use for: it runs nothing itself."""
    return replace(
        job,
        child=child,
        before_script=(),
        after_script=(),
        pre_get_sources=(),
        caches=(),
        secrets=(),
        image=None,
        services=(),
        tags=(),
        artifacts=Artifacts(),
        retry=Retry(),
        timeout_seconds=None,
        variables={},
        unresolved_variables=frozenset(),
        excluded_variables=(),
    )


def _context(state: State, draft: JobDraft, instance: Instance, trigger: Mapping_) -> tuple[Context, frozenset[str]]:
    """For whom the child is interpreted, and which of its variables hold the id of the pipeline around it.

    https://docs.gitlab.com/ci/yaml/#triggerforward: what is passed is as strong there as a variable of a manual run.
    """
    parent, options = state.context, _forward(trigger)
    passed = forwarded(state, draft, instance) if flag_of(options.get("yaml_variables"), True) else Variables()
    given = parent.pipeline_variables
    if flag_of(options.get("pipeline_variables")):
        own = {name: parent.overrides[name] for name in given}
        passed = Variables(own, parent.raw_overrides & given).over(passed)
    kept = {name: text for name, text in parent.overrides.items() if name not in given}
    raw = (parent.raw_overrides - passed.values.keys()) | passed.raw | {_SOURCE}
    ids = {name for name, text in passed.values.items() if references(text) == [_PIPELINE_ID]}
    context = replace(
        parent,
        overrides={**kept, **passed.values, _SOURCE: "parent_pipeline"},
        raw_overrides=raw,
        pipeline_variables=frozenset(passed.values),
        late={},
        secrets={name: text for name, text in parent.secrets.items() if name not in passed.values},
    )
    return context, frozenset(ids)


def _late(state: State, draft: JobDraft, instance: Instance, child: Context) -> dict[str, str]:
    """Those of the child's variables that depend on others of the trigger job, which its reports may say otherwise."""
    plain, opened = forwarded(state, draft, instance), forwarded(state, draft, instance, reopened=True)
    names = {name for name, text in plain.values.items() if child.overrides.get(name) == text}
    return {n: opened.values[n] for n in names - opened.raw if not names.isdisjoint(references(opened.values[n]))}


def _flat(rules: Node | None) -> list[Mapping_]:
    return [r for r in flattened(rules) if isinstance(r, Mapping_)] if isinstance(rules, Sequence) else []


def _forward(trigger: Mapping_) -> Mapping_:
    forward = trigger.get("forward")
    return forward if isinstance(forward, Mapping_) else Mapping_({}, trigger.span)


def _settled(state: State) -> Expanded:
    return wide_variables(state).expanded()


def _taken(outer: State, child: State) -> Mapping[str, tuple[str, ...]]:
    """Which jobs around the child each of its own takes artifacts of."""
    taken: dict[str, tuple[str, ...]] = {}
    for draft in child.drafts:
        items = needs_of(draft.node.get("needs"))
        names = [name for item in items or () if (name := parent_job(item, child)) is not None]
        found = tuple(i.name for name in names for i in outer.instances.get(name, ()))
        taken |= {i.name: found for i in child.instances[draft.name] if found}
    return taken


class _Adoption(Struct, frozen=True):
    """Makes jobs of a child pipeline jobs of the one around it.

    Attributes:
        bridge: The job that starts the child.
        names: New names of the jobs, the child's own children's among them.
        stages: New names of its stages.
        outer: What every job of the pipeline around it gets.
        inner: What every job of the child gets.
        taken: What jobs of the child take from jobs around it.
        free: Names of stages of the pipeline around it.
    """

    bridge: str
    names: Mapping[str, str]
    stages: dict[str, str]
    outer: Expanded
    inner: Expanded
    taken: Mapping[str, tuple[str, ...]]
    free: _Taken

    def job(self, job: Job) -> Job:
        direct = job.parent is None
        values, unresolved = self.variables(job)
        return replace(
            job,
            name=self.names[job.name],
            own_name=job.own_name or job.name,
            own_stage=job.own_stage or job.stage,
            stage=self.stage(job.stage),
            parent=self.bridge if job.parent is None else self.names[job.parent],
            needs=self.needs(job.needs),
            rules=tuple(replace(rule, needs=self.needs(rule.needs)) for rule in job.rules),
            dependencies=None if job.dependencies is None else tuple(self.names[name] for name in job.dependencies),
            taken=self.taken.get(job.name, ()) if direct else tuple(self.names[name] for name in job.taken),
            child=job.child and replace(job.child, stages=tuple(map(self.stage, job.child.stages))),
            variables=values,
            unresolved_variables=unresolved,
            excluded_variables=self.excluded(job),
        )

    def needs(self, needs: tuple[Need, ...] | None) -> tuple[Need, ...] | None:
        return None if needs is None else tuple(replace(need, job=self.names[need.job]) for need in needs)

    def stage(self, name: str) -> str:
        if name not in self.stages:  # of a child of the child
            self.stages[name] = self.free.free(f"{self.bridge}: {name}")
        return self.stages[name]

    def variables(self, job: Job) -> tuple[dict[str, str], frozenset[str]]:
        """All variables of the job that differ from what jobs around the child get."""
        inner, outer = self.inner, self.outer
        gone: AbstractSet[str] = set(job.excluded_variables)
        values = {name: text for name, text in inner.values.items() if name not in gone} | dict(job.variables)
        left = {n for n in values if n in (job.unresolved_variables if n in job.variables else inner.unresolved)}
        differ = {
            name: text
            for name, text in values.items()
            if outer.values.get(name) != text or (name in left) != (name in outer.unresolved)
        }
        return in_order(differ, frozenset(left)), frozenset(left & differ.keys())

    def excluded(self, job: Job) -> tuple[str, ...]:
        there = self.inner.values.keys() - set(job.excluded_variables) | job.variables.keys()
        return tuple(name for name in self.outer.values if name not in there)
