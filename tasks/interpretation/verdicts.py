"""Which jobs run, which do not, and what decided it: for people who ask why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.interpretation.compiler import Examined
from tasks.interpretation.parallel import instances
from tasks.interpretation.pipeline import Job, Need
from tasks.interpretation.rules import Decision, assumes_policy
from tasks.interpretation.state import JobDraft, State
from tasks.source.diagnostics import Findings


@dataclass(frozen=True)
class Verdict:
    """What becomes of one job.

    Attributes:
        name: Its name, as GitLab shows it: one of several where there is `parallel`.
        stage: Its stage.
        when: How it starts, ``never`` where it does not run here; None = the build decides.
        allow_failure: True, False, or the exit codes that are allowed.
        needs: The jobs it starts after; None = the earlier stages.
        reason: What decided.
        place: ``file:line:column`` of the rule, or of the keyword; empty where nothing was written.
    """

    name: str
    stage: str
    when: str | None
    allow_failure: bool | tuple[int, ...]
    needs: tuple[Need, ...] | None
    reason: str
    place: str


def verdicts(examined: Examined) -> list[Verdict]:
    """All jobs in the order of their stages, then of the text."""
    state = examined.state
    jobs = {job.name: job for job in examined.pipeline.jobs}
    out = {job.name: job.reason for job in state.left_out}
    rank = {stage: place for place, stage in enumerate(state.stages)}
    found: list[Verdict] = []
    for draft in sorted(state.judged, key=lambda draft: rank.get(draft.stage, 0)):
        made = state.instances.get(draft.name, ())
        for instance in made:
            running = _running(draft.decided(instance.name), jobs[instance.name], state)
            found += [running, *_children(instance.name, examined)]
        if not made and draft.name not in jobs:
            found.append(_absent(draft, out.get(draft.name), state))
    return found


def _children(parent: str, examined: Examined) -> Iterator[Verdict]:
    """The jobs of the child pipeline that a job starts, and those of theirs."""
    for job in examined.pipeline.jobs:
        if job.parent == parent:
            yield _verdict(job, f"in the child pipeline of `{parent}`", str(job.span))
            yield from _children(job.name, examined)


def _running(draft: JobDraft, job: Job, state: State) -> Verdict:
    return _verdict(job, *_why(draft, state))


def _verdict(job: Job, reason: str, place: str) -> Verdict:
    allowed = job.allow_failure.exit_codes or job.allow_failure.always
    return Verdict(job.name, job.stage, None if job.rules else job.when, allowed, job.needs, reason, place)


def _absent(draft: JobDraft, left_out: str | None, state: State) -> Verdict:
    reason, place = _why(draft, state)
    if state.workflow is False:
        reason, place = "`workflow:rules` let no pipeline run", ""
    elif left_out is not None:
        reason = left_out
    elif not instances(draft.name, parallel := draft.node.get("parallel"), Findings()) and parallel is not None:
        reason, place = "its `parallel:matrix` has no values", str(parallel.span)
    return Verdict(draft.name, draft.stage, "never", False, None, reason, place)


def _why(draft: JobDraft, state: State) -> tuple[str, str]:
    decision, node = draft.decision, draft.node
    if node.get("rules") is not None:
        return _by_rules(decision, str(node.place("rules")))
    keyword = next((key for key in ("only", "except") if node.get(key) is not None), None)
    place = "" if keyword is None else str(node.place(keyword))
    if decision.never and assumes_policy(node, state.governed) and _of_no_ref(state):
        lacks = "`only` without `refs`" if keyword == "only" else "a job without `rules` and `only`"
        return f"{lacks} is for branches and tags", place
    if keyword is None:
        return "no condition", ""
    says = "does not let it run" if decision.never else "lets it run" if decision.certain else "is decided later"
    return f"`{keyword}` {says}", place


def _of_no_ref(state: State) -> bool:
    known = state.context.variables or {}
    return not known.get("CI_COMMIT_BRANCH") and not known.get("CI_COMMIT_TAG")


def _by_rules(decision: Decision, rules: str) -> tuple[str, str]:
    if not decision.choices:
        return "no rule matches", rules
    first = decision.choices[0]
    if first.condition is True:
        return ("a rule says never" if first.outcome.when == "never" else "a rule matches"), str(first.span)
    return f"the build decides {len(decision.choices)} rule(s)", str(first.span)
