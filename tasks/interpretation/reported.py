"""Pass: what dotenv reports may say otherwise is left to the build, in jobs that take some.

Variables of reports (``artifacts:reports:dotenv``) are stronger than all of the text, also for the variables that refer
to them: ``IMAGE: "app:$TAG"`` is made of the reported ``TAG`` even where the text gives one.
https://docs.gitlab.com/ci/variables/#cicd-variable-precedence
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from tasks.interpretation.jobs import Builder, wide_variables
from tasks.interpretation.pipeline import Job
from tasks.interpretation.state import State


def reopen(state: State) -> State:
    """Keep the references between variables of the text, in jobs that take reports.

    In a child pipeline all jobs keep those to what came from a trigger job that takes some. Where the build chooses
    among rules with variables, what these say counts, and is known as it was made here.
    """
    told, late = told_jobs(state), bool(state.context.late)
    if not told and not late:
        return state
    wide = wide_variables(state)
    builder = Builder(state, wide, wide.expanded())
    made = {
        instance.name: (draft.decided(instance.name), instance)
        for draft in state.drafts
        for instance in state.instances[draft.name]
    }
    jobs = (
        builder.reopened(job, *made[job.name], told=job.name in told)
        if (late or job.name in told) and not any(rule.variables for rule in job.rules)
        else job
        for job in state.jobs
    )
    return replace(state, jobs=tuple(jobs))


def told_jobs(state: State) -> frozenset[str]:
    """The jobs that get a report."""
    rank = {stage: place for place, stage in enumerate(state.stages)}
    reporters = {job.name: rank.get(job.stage, 0) for job in state.jobs if job.artifacts.reports.get("dotenv")}
    first = min(reporters.values(), default=0)
    found = (job.name for job in state.jobs if reporters and _takes(job, reporters, rank.get(job.stage, 0) > first))
    return frozenset(found)


def _takes(job: Job, reporters: Mapping[str, int], later: bool) -> bool:
    """Whether the job gets a report: by `needs`, its own or those of a rule, else from an earlier stage."""
    if job.dependencies is not None and reporters.keys().isdisjoint(job.dependencies):
        return False
    chosen = (job.needs, *(rule.needs for rule in job.rules if rule.needs is not None))
    if job.needs is None and later:
        return True
    return any(need.artifacts and need.job in reporters for needs in chosen for need in needs or ())
