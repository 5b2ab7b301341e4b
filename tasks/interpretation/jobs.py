"""Passes: decide which jobs run, and build the model's jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from typing import cast

from msgspec import Struct, field
from msgspec.structs import replace

from tasks.interpretation import fields
from tasks.interpretation.context import Context
from tasks.interpretation.evaluation import Scope
from tasks.interpretation.expansion import Expanded, expand, references
from tasks.interpretation.inheriting import brought_by_rules, heir_of, not_inherited
from tasks.interpretation.job_names import asked_by_rules, environment_variables, job_names, known_to_rules, raw
from tasks.interpretation.keywords import ENVIRONMENT_NAME
from tasks.interpretation.open_paths import open_paths
from tasks.interpretation.parallel import Instance, instances
from tasks.interpretation.pipeline import AllowFailure, Job, JobEnvironment, Undecided, When
from tasks.interpretation.rules import Choice, Decision, Judge, Outcome, allow_failure_of, decide_job, undecided
from tasks.interpretation.runner_text import is_predefined, run_text
from tasks.interpretation.state import JobDraft, State
from tasks.interpretation.variables import Variables, inherited, read_variables
from tasks.source.diagnostics import Findings
from tasks.source.nodes import Mapping_, Scalar

_NEVER_EXPANDED = "CI_RELEASE_DESCRIPTION"  # the only one that GitLab marks so


def decide_jobs(state: State) -> State:
    """Evaluate every job's rules; jobs that certainly do not run are dropped."""
    if state.workflow is False:
        return replace(state, declared={d.name: d.stage for d in state.drafts}, judged=state.drafts, drafts=())
    judge = Judge(state.context, state.findings)
    judged = tuple(_decided(draft, state, judge) for draft in state.drafts)
    kept = tuple(draft for draft in judged if not draft.decision.never)
    return replace(state, drafts=kept, judged=judged, declared={d.name: d.stage for d in state.drafts})


def _decided(draft: JobDraft, state: State, judge: Judge) -> JobDraft:
    """Decide a job, and each of those that `parallel` makes of it: their variables may decide differently."""
    parallel = draft.node.get("parallel")
    apart = parallel is not None or draft.node.get("environment") is not None
    texts = asked_by_rules(draft) if apart else []
    state = heir_of(state, draft.node)
    if parallel is None or not any(map(_tells_apart, texts) if isinstance(parallel, Scalar) else texts):
        own = _known(draft, Instance(draft.name), state, texts)
        return replace(draft, decision=_decision(draft, _scope(own, state), state, judge))
    found: dict[str, Decision] = {}
    known: dict[frozenset[tuple[str, str]], Decision] = {}
    for made in instances(draft.name, parallel, Findings()):
        own = _known(draft, made, state, texts)
        asked = frozenset(item for item in own.items() if any(item[0] in text for text in texts))
        if asked not in known:
            known[asked] = _decision(draft, _scope(own, state), state, judge)
        found[made.name] = known[asked]
    running = [decision for decision in found.values() if not decision.never]
    first = running[0] if running else Decision(())
    same = all(decision == first for decision in found.values())
    return replace(draft, decision=first, decisions={} if same else found)


def _tells_apart(text: str) -> bool:
    return "CI_NODE_INDEX" in text or "CI_JOB_NAME" in text or "CI_NODE_TOTAL" in text


def _known(draft: JobDraft, instance: Instance, state: State, texts: list[str]) -> dict[str, str]:
    """The variables of one job as its rules see them, above those of the pipeline."""
    made = known_to_rules(draft, instance, state.scope.known, texts)
    made = {name: text for name, text in made.items() if name not in state.variables.values}
    return {**made, **draft.variables.values, **instance.variables}


def _scope(own: Mapping[str, str], state: State) -> Scope:
    return state.scope.over({**own, **state.context.overrides})


def _decision(draft: JobDraft, scope: Scope, state: State, judge: Judge) -> Decision:
    """The decision about one job: where the build chooses variables by `workflow:rules`, one for each choice."""
    if not state.workflow_choices:
        return decide_job(draft.node, scope, judge, state.governed)
    inherit = draft.node.get("inherit")
    given = inherit.get("variables") if isinstance(inherit, Mapping_) else None
    stronger = read_variables(draft.node.get("variables")).values.keys() | state.context.overrides.keys()
    choices: list[Choice] = []
    for workflow in state.workflow_choices:
        wide = inherited(Variables(workflow.outcome.variables), given).values
        own = {name: text for name, text in wide.items() if name not in stronger}
        never = workflow.outcome.when == "never"
        there = scope.over(own).supposing(workflow.condition)
        found = Decision(()) if never else decide_job(draft.node, there, judge, state.governed)
        for choice in found.choices:
            outcome = replace(choice.outcome, variables={**own, **choice.outcome.variables}) if own else choice.outcome
            choices.append(Choice(judge.together(workflow.condition, choice.condition), outcome, choice.span))
        if not found.choices or found.choices[-1].condition is not True:  # no later rule of the workflow counts
            choices.append(Choice(workflow.condition, Outcome(when="never"), workflow.span))
    return Decision(tuple(choices))


def _settled(names: Mapping[str, str], rules: Iterable[Undecided]) -> Mapping[str, str]:
    """Those that are the same whichever of the rules holds: an image's name refers to the others in the build."""
    chosen = {name for rule in rules for name in rule.variables}
    return {name: text for name, text in names.items() if name not in chosen} if chosen else names


def _when(draft: JobDraft, outcome: Outcome) -> When:
    return outcome.when or cast(When, fields.text_of(draft.node.get("when")) or "on_success")


def build_jobs(state: State) -> State:
    """Build the jobs of the model, several for one with `parallel`. `needs` are added by a later pass."""
    wide = wide_variables(state)
    builder = Builder(state, wide, wide.expanded())
    jobs: list[Job] = []
    names: dict[str, tuple[Instance, ...]] = {}
    owners = _owners(state)
    for draft in state.drafts:
        made = instances(draft.name, draft.node.get("parallel"), state.findings)
        own = (i for i in made if owners.get(i.name) == draft.name)
        names[draft.name] = tuple(i for i in own if not draft.decided(i.name).decision.never)
        jobs += [builder.job(draft.decided(instance.name), instance) for instance in names[draft.name]]
    return replace(state, jobs=tuple(jobs), instances=names)


def _owners(state: State) -> dict[str, str]:
    """Of which written job each name is: where `parallel` makes one that is written too, the last one counts."""
    parallels = ((draft.name, draft.node.get("parallel")) for draft in state.judged)
    return {made.name: name for name, node in parallels for made in instances(name, node, Findings())}


def forwarded(state: State, draft: JobDraft, instance: Instance, *, reopened: bool = False) -> Variables:
    """The variables a trigger job has from the text, with what is known put in: its child pipeline gets them.

    With `reopened`, references to others of them stay.
    """
    wide = wide_variables(heir_of(state, draft.node))
    outcome = draft.decision.certain or Outcome()
    own = Variables({**instance.variables, **outcome.variables}).over(draft.variables)
    own = own.hiding(state.context.variables or {})
    given = own.over(raw(_job_names(draft, instance)))
    there = environment_variables(draft, given.over(wide).expanded().values)
    kept = frozenset(own.values) if reopened else frozenset[str]()
    expanded = given.over(there).over(wide).expanded(kept)
    values = {name: expanded.values[name] for name in own.values}
    return Variables(values, frozenset(values.keys() - expanded.unresolved))


def wide_variables(state: State) -> Variables:
    """What every job gets: predefined variables, the global ones, and overrides, in this order of strength."""
    context = state.context
    known = dict(context.variables or {})
    predefined = open_predefined(context).over(Variables(known, frozenset(known)))
    overrides = Variables(dict(context.overrides), context.raw_overrides & context.overrides.keys())
    return overrides.over(state.variables.hiding(predefined.values).over(predefined)).without(context.secrets)


def open_predefined(context: Context) -> Variables:
    """The predefined variables whose values hold references, such as a commit's message: GitLab expands these too."""
    known = context.variables or {}
    found = {name: text for name, text in known.items() if ("$" in text or "%" in text) and name != _NEVER_EXPANDED}
    return Variables(found).hiding(known) if found else Variables()


class Builder(Struct, frozen=True, dict=True):
    """Makes jobs of drafts.

    Attributes:
        wide: What every job gets; see `wide_variables`.
        settled: The same, with the references between them resolved.
        shared: The rules of jobs that one `parallel` makes, by all that they depend on.
    """

    state: State
    wide: Variables
    settled: Expanded
    shared: dict[object, tuple[Undecided, ...]] = field(default_factory=dict)

    @cached_property
    def open(self) -> list[str]:
        """Predefined variables that may refer to a job's own."""
        return [name for name in open_predefined(self.state.context).values if name in self.settled.values]

    def own(self, draft: JobDraft, instance: Instance, brought: Mapping[str, str]) -> Variables:
        """The variables the job has from the text, those that its rule brings among them."""
        if self.state.workflow_choices and instance.variables:  # the workflow's are weaker than a matrix
            weak = instance.variables.keys() - brought_by_rules(draft.node)
            brought = {name: text for name, text in brought.items() if name not in weak}
        own = Variables({**instance.variables, **brought}).replacing(draft.variables).over(draft.variables)
        own = own.hiding(self.state.context.variables or {}).replacing(heir_of(self.state, draft.node).variables)
        return own.without(self.state.context.overrides).without(self.state.context.secrets)

    def job(self, draft: JobDraft, instance: Instance) -> Job:
        """The job, without its `needs`."""
        outcome = draft.decision.certain or Outcome()
        own = self.own(draft, instance, outcome.variables)
        expanded = self.expanded(draft, instance, own)
        for circle in expanded.cycles.values():
            message = f"Variables refer to each other in a circle: {' -> '.join(circle)}."
            if all(map(is_predefined, circle)):
                message += " The commit's own texts do: reword its message; GitLab makes no pipeline of it either."
            self.state.findings.add("variable-cycle", message, draft.node.place("variables"))
        node = draft.node
        shown = self.variables(own, expanded, node)
        names = self.names(draft, instance, expanded)
        environment = fields.environment_of(node.get("environment"), partial(expand, values=names))
        _note_name(environment, node, self.state.findings)
        put = partial(expand, values=names)
        rules = self.rules(draft, instance, expanded)
        run = partial(run_text, values=_settled(names, rules), unresolved=expanded.unresolved)
        artifacts = fields.artifacts_of(node.get("artifacts"), put, fields.published_of(draft.name, node))
        return Job(
            name=instance.name,
            stage=draft.stage,
            script=fields.commands_of(node.get("script")),
            before_script=fields.commands_of(node.get("before_script")),
            after_script=fields.commands_of(node.get("after_script")),
            pre_get_sources=fields.hook_of(node.get("hooks")),
            image=fields.image_of(node.get("image"), run),
            services=fields.services_of(node.get("services"), run),
            variables=shown,
            tags=tuple(put(tag) for tag in fields.filled_of(node.get("tags"))),
            artifacts=open_paths(artifacts, node.place("artifacts"), self.state.findings),
            caches=fields.caches_of(node.get("cache"), put),
            when=_when(draft, outcome),
            start_in_seconds=outcome.start_in_seconds or fields.seconds_of(node.get("start_in")),
            allow_failure=_allow_failure(draft, outcome),
            retry=fields.retry_of(node.get("retry")),
            timeout_seconds=fields.seconds_of(node.get("timeout")),
            rules=rules,
            environment=environment,
            secrets=fields.secrets_of(node.get("secrets")),
            coverage=fields.text_of(node.get("coverage")),
            confirmation=put(fields.text_of(node.get("manual_confirmation")) or "") or None,
            resource_group=put(fields.text_of(node.get("resource_group")) or "") or None,
            interruptible=_interruptible(draft, outcome),
            span=draft.span,
            unresolved_variables=frozenset(expanded.unresolved & shown.keys()),
            excluded_variables=not_inherited(self.state, node),
        )

    def rules(self, draft: JobDraft, instance: Instance, plain: Expanded) -> tuple[Undecided, ...]:
        """The rules left to the build; jobs of one `parallel` share them, as far as their variables let them."""
        if not instance.variables:
            return self.made_rules(draft, instance, plain)
        key = (draft.name, id(draft.decision), self.asked(draft, instance))
        if key not in self.shared:
            self.shared[key] = self.made_rules(draft, instance, plain)
        return self.shared[key]

    def asked(self, draft: JobDraft, instance: Instance) -> frozenset[tuple[str, str]]:
        """What the job has of its own, and the variables that its rules bring may depend on."""
        own = {**instance.variables, "CI_JOB_NAME": instance.name}
        brought = [choice.outcome.variables for choice in draft.decision.choices if choice.outcome.variables]
        levels = (draft.variables.values, self.wide.values, *brought)
        texts = [text for level in levels for text in level.values() if "$" in text or "%" in text]
        names = {name for level in brought for name in level}
        return frozenset(
            (name, text)
            for name, text in own.items()
            if name in names or "$" in text or "%" in text or any(name in other for other in texts)
        )

    def made_rules(self, draft: JobDraft, instance: Instance, plain: Expanded) -> tuple[Undecided, ...]:
        """The rules left to the build, each with the variables that are others where it holds."""
        guard = True if self.state.workflow_choices else self.state.workflow
        rules = undecided(draft.decision, _when(draft, Outcome()), guard)
        chosen: dict[frozenset[tuple[str, str]], Undecided] = {}  # many rules bring the same few variables
        found: list[Undecided] = []
        for rule in rules:
            key = frozenset(rule.variables.items())
            if not key:
                found.append(rule)
                continue
            if key not in chosen:
                chosen[key] = self.chosen(rule, draft, instance, plain)
            same = chosen[key]
            found.append(replace(rule, variables=same.variables, unresolved_variables=same.unresolved_variables))
        return tuple(found)

    def chosen(self, rule: Undecided, draft: JobDraft, instance: Instance, plain: Expanded) -> Undecided:
        """A rule that brings variables, with all that are others than without it."""
        own = self.own(draft, instance, rule.variables)
        found = self.expanded(draft, instance, own)
        gone = set(not_inherited(self.state, draft.node))
        values = {
            name: text
            for name, text in found.values.items()
            if (name in own.values or (name in self.settled.values and name not in gone))
            and (text != plain.values.get(name) or (name in found.unresolved) != (name in plain.unresolved))
        }
        return replace(rule, variables=values, unresolved_variables=frozenset(found.unresolved & values.keys()))

    def expanded(self, draft: JobDraft, instance: Instance, own: Variables) -> Expanded:
        """All variables of a job, with the references between them resolved."""
        usual = own.values.keys() <= self.state.variables.values.keys() and all(
            self.state.variables.values[k] == v for k, v in own.values.items()
        )
        if usual and draft.node.get("environment") is None and not not_inherited(self.state, draft.node):
            return self.settled
        return self.resolved(draft, instance, own)

    def resolved(
        self, draft: JobDraft, instance: Instance, own: Variables, kept: frozenset[str] = frozenset()
    ) -> Expanded:
        """The same, made anew; references to those `kept` stay."""
        given = raw(_job_names(draft, instance))
        heir = heir_of(self.state, draft.node)
        wide = self.wide if heir is self.state else wide_variables(heir)
        plain = own.over(wide).over(given).expanded(kept)
        if draft.node.get("environment") is None:
            return plain
        there = environment_variables(draft, plain.values).without({"CI_ENVIRONMENT_URL"})  # which reports may make
        return own.over(there).over(wide).over(given).expanded(kept)

    def reopened(self, job: Job, draft: JobDraft, instance: Instance, *, told: bool) -> Job:
        """The job whose variables refer to others as the build has them: of the text, where it is `told` reports."""
        own = self.own(draft, instance, (draft.decision.certain or Outcome()).variables)
        late = self.state.context.late
        kept = frozenset(own.values if told else ()) | late.keys()
        expanded = self.resolved(draft, instance, own, kept)
        names = {n: v for n, v in expanded.values.items() if n not in kept}
        put = partial(expand, values=names)
        run = partial(run_text, values=_settled(names, job.rules), unresolved=expanded.unresolved)
        unresolved = expanded.unresolved | late.keys()
        shown = in_order({**self.variables(own, expanded, draft.node), **late}, unresolved)
        environment = fields.environment_of(draft.node.get("environment"), put)
        if job.environment is not None and environment is not None:
            environment = replace(job.environment, url=environment.url)
        return replace(
            job,
            variables=shown,
            unresolved_variables=frozenset(unresolved & shown.keys()),
            image=fields.image_of(draft.node.get("image"), run),
            services=fields.services_of(draft.node.get("services"), run),
            environment=environment,
        )

    def names(self, draft: JobDraft, instance: Instance, expanded: Expanded) -> Mapping[str, str]:
        """What may be put into keywords other than `variables`."""
        return {**_job_names(draft, instance), **expanded.values}

    def variables(self, own: Variables, expanded: Expanded, node: Mapping_) -> dict[str, str]:
        """The job's variables that differ from what every job gets."""
        others = (*self.renamed(node, expanded.values), *self.open)
        return {
            name: expanded.values[name]
            for name in dict.fromkeys((*expanded.first(own.values), *own.values, *others))
            if expanded.values[name] != self.settled.values.get(name)
            or (name in expanded.unresolved) != (name in self.settled.unresolved)
        }

    def renamed(self, node: Mapping_, there: Mapping[str, str]) -> list[str]:
        """The variables of all jobs that may refer to the job's own environment, or to what it does not inherit."""
        if node.get("environment") is None and not not_inherited(self.state, node):
            return []
        return [name for name in (*self.state.variables.values, *self.state.context.overrides) if name in there]


def _note_name(environment: JobEnvironment | None, node: Mapping_, findings: Findings) -> None:
    if environment is not None and not re.search(ENVIRONMENT_NAME, environment.name):
        message = (
            f"The name of the `environment` becomes `{environment.name[:80]}`, with which GitLab fails the job: "
            "check the variables in it."
        )
        findings.add("odd-value", message, node.place("environment"))


def in_order(values: Mapping[str, str], unresolved: frozenset[str]) -> dict[str, str]:
    """The variables, each behind those it refers to; as they were where they refer to each other in a circle."""
    known = unresolved & values.keys()
    graph = {name: known.intersection(references(values[name])) - {name} for name in values if name in known}
    try:
        last = tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        return dict(values)
    return {name: values[name] for name in (*(n for n in values if n not in known), *last)}


def _job_names(draft: JobDraft, instance: Instance) -> dict[str, str]:
    return job_names(draft, instance, _when(draft, draft.decision.certain or Outcome()))


def _allow_failure(draft: JobDraft, outcome: Outcome) -> AllowFailure:
    """The rule's, else the job's, else true for a job that is manual by its own `when` (not by a rule's)."""
    if outcome.allow_failure is not None:
        return outcome.allow_failure
    own = allow_failure_of(draft.node.get("allow_failure"))
    if own is not None:
        return own
    return AllowFailure(always=fields.text_of(draft.node.get("when")) == "manual")


def _interruptible(draft: JobDraft, outcome: Outcome) -> bool:
    if outcome.interruptible is not None:
        return outcome.interruptible
    return fields.flag_of(draft.node.get("interruptible"))
