"""Pass: which jobs run. `rules`, `only`/`except` and `workflow:rules`, by one evaluator with three values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from msgspec import Struct, field

from tasks.interpretation.context import Context
from tasks.interpretation.evaluation import Scope, evaluate
from tasks.interpretation.expressions import (
    Constant,
    Expression,
    Files,
    both,
    either,
    opposite,
    variables_of,
)
from tasks.interpretation.pipeline import AllowFailure, OnNewCommit, Undecided, When
from tasks.interpretation.policies import condition_of, default_policy, policy_condition
from tasks.interpretation.remembered import remembered
from tasks.interpretation.shapes import flattened
from tasks.interpretation.variables import read_variables
from tasks.interpretation.wanted_paths import Wanted, question, wanted_paths
from tasks.source.diagnostics import Findings, Span
from tasks.source.durations import seconds
from tasks.source.nodes import Mapping_, Node, Scalar, Sequence
from tasks.source.regex import RegexError

_VARIABLE = "a path holds a variable that only the build knows"
_COMPARING = ("push", "merge_request_event", "external_pull_request_event")


class Outcome(Struct, frozen=True):
    """What a rule that matches sets; None = the job's own."""

    when: When | None = None
    allow_failure: AllowFailure | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    start_in_seconds: int | None = None
    needs: Node | None = None
    interruptible: bool | None = None
    on_job_failure: str | None = None
    on_new_commit: OnNewCommit | None = None


class Choice(Struct, frozen=True):
    """One rule that may match: its condition (True = it does), what it sets, and where it stands."""

    condition: bool | Expression
    outcome: Outcome
    span: Span


class Decision(Struct, frozen=True):
    """The rules that are left, in order; the first whose condition holds counts, none means the job does not run."""

    choices: tuple[Choice, ...]

    @property
    def certain(self) -> Outcome | None:
        """What holds when nothing is undecided; None when the job does not run or is undecided."""
        return self.choices[0].outcome if self.choices and self.choices[0].condition is True else None

    @property
    def never(self) -> bool:
        """Whether the job certainly does not run."""
        return all(choice.outcome.when == "never" for choice in self.choices)

    def condition(self) -> Expression:
        """When the decision is to run: some rule holds, and no earlier one that says never."""
        result: Expression = Constant(False)
        for choice in reversed(self.choices):
            term = Constant(choice.condition) if isinstance(choice.condition, bool) else choice.condition
            never = choice.outcome.when == "never"
            result = both(opposite(term), result) if never else either(term, result)
        return result


def decide_job(node: Mapping_, scope: Scope, judge: Judge, governed: bool) -> Decision:
    """Return the decision about one job.

    Args:
        node: The job, checked, with everything inherited.
        scope: Its variables as `rules:if` sees them.
        judge: Evaluates files and expressions.
        governed: Whether there are `workflow:rules`, which switch off the default of a job without `only`.
    """
    rules = node.get("rules")
    if isinstance(rules, Sequence):
        return judge.decide(flattened(rules), scope, "rules")
    only, exclude = node.get("only"), node.get("except")
    condition: Expression = Constant(True)
    if only is not None:
        condition = policy_condition(only, "only", lambda n: judge.changes(n, "only:changes", scope), judge.findings)
    if scope.complete and assumes_policy(node, governed):  # one to keep builds branches and tags, never merge requests
        condition = both(default_policy(), condition)
    if exclude is not None:
        unless = partial(judge.changes, name="except:changes", scope=scope, against=True)
        excluded = policy_condition(exclude, "except", unless, judge.findings)
        condition = both(condition, opposite(excluded))
    span = node.place("only") if only else node.place("except")
    value = evaluate(condition, scope)
    return Decision(()) if value is False else Decision((Choice(value, Outcome(), span),))


def assumes_policy(node: Mapping_, governed: bool) -> bool:
    """Whether GitLab takes a job for one of branches and tags: without `only` and `rules`, or as `only` has no refs."""
    only = node.get("only")
    if only is not None:
        return isinstance(only, Mapping_) and "refs" not in only.entries
    return not governed and "rules" not in node.entries  # `rules` without a value switch it off as well


# The variables of a condition, and what it comes to by what is known of each of them.
_Known = tuple[frozenset[str], dict[tuple[tuple[str | None, bool], ...], bool | Expression]]


class Judge(Struct):
    """Evaluates rules in one context. Many jobs have the same rules: what these come to is remembered."""

    context: Context
    findings: Findings
    outcome: Callable[[Mapping_], Outcome] = field(default_factory=lambda: remembered(_outcome))
    together: Callable[[bool | Expression, bool | Expression], bool | Expression] = field(
        default_factory=lambda: remembered(_together)
    )
    known: dict[Expression, _Known] = field(default_factory=dict)

    def decide(self, rules: list[Node], scope: Scope, name: str) -> Decision:
        """Evaluate a list of rules in order, up to the first that certainly holds."""
        choices: list[Choice] = []
        for rule in rules:
            if not isinstance(rule, Mapping_):
                continue
            value = self.value(self.condition(rule, name, scope), scope)
            if value is not False:
                choices.append(Choice(value, self.outcome(rule), rule.span))
            if value is True:
                break
        return Decision(tuple(choices))

    def value(self, condition: Expression, scope: Scope) -> bool | Expression:
        """`evaluate`, once for all jobs for which the variables that are asked about are the same."""
        found = self.known.get(condition)
        if found is None:
            found = self.known[condition] = (variables_of(condition), {})
        names, values = found
        asked = tuple((scope.known.get(name), name in scope.unknown) for name in names)
        if asked not in values:
            values[asked] = evaluate(condition, scope)
        return values[asked]

    def condition(self, rule: Mapping_, name: str, scope: Scope) -> Expression:
        """The condition of one rule: all of its `if`, `changes` and `exists`."""
        result: Expression = Constant(True)
        if isinstance(condition := rule.get("if"), Scalar):
            result = both(result, condition_of(condition, f"{name}:if", self.findings))
        if (changes := rule.get("changes")) is not None:
            when = rule.get("when")
            against = isinstance(when, Scalar) and when.text == "never"
            result = both(result, self.changes(changes, f"{name}:changes", scope, against))
        if (exists := rule.get("exists")) is not None:
            result = both(result, self.exists(exists, f"{name}:exists", scope))
        return result

    def changes(self, node: Node, name: str, scope: Scope, against: bool = False) -> Expression:
        """Whether one of the files changed.

        Where that is not known it is left to the build, or assumed so that the job runs, and said so.

        Args:
            node: The list, or the mapping with `paths`.
            name: The keyword, for messages.
            scope: Variables in the paths.
            against: The job does not run where it is true (``when: never``, `except`).
        """
        compared = node.get("compare_to") if isinstance(node, Mapping_) else None
        wanted = self.wanted(node, name, scope)
        if compared is None and _without_changes(scope):
            return Constant(True)  # GitLab's rule for pipelines no push made: everything counts as changed
        if compared is None and self.context.changed_paths is not None:
            changed = self.context.changed_paths
            return self.answered(lambda: wanted.among_changed(changed), name, node)
        if self.context.files_later and (asked := question(wanted, scope, compared)) is not None:
            return asked
        unknown = "what changed is not known" if compared is None else "the changes since `compare_to` are not known"
        unknown = _VARIABLE if self.context.files_later else unknown
        message = f"`{name}` is taken as {str(not against).lower()}, so that the job runs: {unknown}."
        self.findings.add("changes-assumed", message, node.span)
        return Constant(not against)

    def exists(self, node: Node, name: str, scope: Scope) -> Expression:
        """Whether one of the files exists; left to the build, or assumed true and said so, where that is not known."""
        elsewhere = isinstance(node, Mapping_) and node.get("project") is not None
        context, wanted = self.context, self.wanted(node, name, scope)
        later = context.files_later and (context.tree is None or context.variables is None)  # the tree is of one commit
        if not elsewhere and (tree := context.tree) is not None and not later:
            return self.answered(lambda: wanted.among(tree), name, node)
        if not elsewhere and later and wanted.closed:
            return Files(wanted.paths, changed=False, regexp=wanted.regexp)
        unknown = _VARIABLE if later and not elsewhere else "the list of the files is not known here"
        message = f"`{name}` is taken as true: {unknown}."
        self.findings.add("exists-assumed", message, node.span)
        return Constant(True)

    def wanted(self, node: Node, name: str, scope: Scope) -> Wanted:
        """What is asked about files; a regular expression that GitLab would not take is noted."""
        wanted = wanted_paths(node, scope)
        try:
            wanted.checked()
        except RegexError as error:
            self.refuse(error, name, node)
        return wanted

    def answered(self, found: Callable[[], bool], name: str, node: Node) -> Constant:
        """The answer, false where a regular expression takes too long, which GitLab makes an error."""
        try:
            return Constant(found())
        except RegexError as error:
            self.refuse(error, name, node)
            return Constant(False)

    def refuse(self, error: RegexError, name: str, node: Node) -> None:
        """Note what is wrong with the regular expression of a `changes` or an `exists`."""
        place = node.place("regexp") if isinstance(node, Mapping_) else node.span
        self.findings.add("bad-expression", f"`{name}:regexp`: {error}.", place)


def _together(*conditions: bool | Expression) -> bool | Expression:
    """Both conditions."""
    found = both(*(Constant(term) if isinstance(term, bool) else term for term in conditions))
    return found.value if isinstance(found, Constant) else found


def _without_changes(scope: Scope) -> bool:
    """Whether it is certain that GitLab would not compare: a tag, or a pipeline that no push or merge request made.

    https://docs.gitlab.com/ci/yaml/#ruleschanges
    """
    source = scope.known.get("CI_PIPELINE_SOURCE", "push")
    return bool(scope.known.get("CI_COMMIT_TAG")) or source not in _COMPARING


def _outcome(rule: Mapping_) -> Outcome:
    when, start, interruptible = rule.get("when"), rule.get("start_in"), rule.get("interruptible")
    return Outcome(
        when=cast(When, when.text) if isinstance(when, Scalar) else None,
        allow_failure=allow_failure_of(rule.get("allow_failure")),
        variables=read_variables(rule.get("variables")).values,
        start_in_seconds=seconds(start.text) if isinstance(start, Scalar) else None,
        needs=rule.get("needs"),
        interruptible=interruptible.text == "true" if isinstance(interruptible, Scalar) else None,
        on_job_failure=auto_cancel_of(rule, "on_job_failure"),
        on_new_commit=cast(OnNewCommit | None, auto_cancel_of(rule, "on_new_commit")),
    )


def auto_cancel_of(node: Mapping_, key: str) -> str | None:
    """A value of ``auto_cancel`` of `workflow` or of one of its rules."""
    found = node.get("auto_cancel")
    value = found.get(key) if isinstance(found, Mapping_) else None
    return value.text if isinstance(value, Scalar) else None


def allow_failure_of(node: Node | None) -> AllowFailure | None:
    """The value of an `allow_failure`, or None where there is none."""
    if isinstance(node, Scalar):
        return AllowFailure(always=node.text == "true")
    if isinstance(node, Mapping_):
        return AllowFailure(exit_codes=integers(node.get("exit_codes")))
    return None


def integers(node: Node | None) -> tuple[int, ...]:
    """One or several whole numbers."""
    items = node.items if isinstance(node, Sequence) else [node]
    return tuple(int(i.text) for i in items if isinstance(i, Scalar) and i.kind == "integer")


def undecided(decision: Decision, when: When, workflow: bool | Expression) -> tuple[Undecided, ...]:
    """Return the job's rules as the model wants them: empty where nothing is undecided."""
    if decision.certain is not None and workflow is True:
        return ()
    if workflow is True or isinstance(workflow, bool):
        guard: Expression = Constant(True)
    else:
        guard = workflow
    return tuple(
        Undecided(
            expression=both(guard, Constant(c.condition) if isinstance(c.condition, bool) else c.condition),
            when=c.outcome.when or when,
            allow_failure=c.outcome.allow_failure,
            variables=c.outcome.variables,
            start_in_seconds=c.outcome.start_in_seconds,
            interruptible=c.outcome.interruptible,
        )
        for c in decision.choices
    )
