"""Which Jenkinsfiles a build can be taken up again in the middle of, and what that needs in their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tasks.interpretation.pipeline import Job
from tasks.jenkins_build.artifacts import has_stash
from tasks.jenkins_build.settings import IMAGE_STAGE

if TYPE_CHECKING:
    from tasks.jenkins_build.plan import Plan

FETCH = """
// Artifacts of earlier jobs, as far as there are any. A build that was restarted from a later stage has those of the
// build before: a job that has no state here ended there.
void fetch(List jobs) {
  for (job in jobs) {
    if (job in stashes) {
      unstash job
    } else if (!states.containsKey(job)) {
      catchError(buildResult: 'SUCCESS', stageResult: 'SUCCESS', catchInterruptions: false) {
        unstash job
      }
    }
  }
}
"""

_KEPT_BUILDS = 3


class TopStage(Struct, frozen=True):
    """A stage of the Jenkinsfile that is in no other: what Jenkins can restart from.

    Attributes:
        title: Its name.
        stages: Names of the stages of the jobs in it; its own where it is one job's.
    """

    title: str
    stages: tuple[str, ...]


def restart_stages(plan: Plan) -> tuple[TopStage, ...]:
    """Its top-level stages; () where a restart cannot be right."""
    return top_stages(plan) if is_restartable(plan) else ()


def top_stages(plan: Plan) -> tuple[TopStage, ...]:
    """The stages of the Jenkinsfile that are in no other."""
    found = []
    for group in plan.groups:
        names = tuple(plan.names[job.name].stage for job in group.jobs)
        found.append(TopStage(group.title if len(names) > 1 else names[0], names))
    return (*found, *([TopStage(IMAGE_STAGE, (IMAGE_STAGE,))] if plan.settings.image else []))


def kept_stashes(plan: Plan) -> int:
    """Of how many builds the artifacts are kept for one that is restarted; 0 where none can use them."""
    gives = any(has_stash(job) for job in plan.pipeline.jobs)
    return _KEPT_BUILDS if gives and is_restartable(plan) and len(top_stages(plan)) > 1 else 0


def is_restartable(plan: Plan) -> bool:
    """Whether a build of it can be taken up again from a later stage.

    Nothing of the build before is known then but its stashes: no states that `needs` and child pipelines ask for, no
    dotenv reports, no answers about files; and whether a job ran again in this build is told by its state, under the
    name of its stash.
    """
    jobs = plan.pipeline.jobs
    if plan.is_graph or not plan.pipeline.decided:
        return False
    apart = any(has_stash(job) and plan.names[job.name].stash != plan.names[job.name].mark for job in jobs)
    return not apart and not any(map(_asks_back, jobs))


def _asks_back(job: Job) -> bool:
    return bool(job.needs is not None or job.parent is not None or job.rules or job.artifacts.reports.get("dotenv"))
