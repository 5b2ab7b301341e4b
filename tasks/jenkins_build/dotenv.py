"""Whose dotenv reports (``artifacts:reports:dotenv``) a job gets as variables, or its variables may refer to."""

from __future__ import annotations

from tasks.interpretation.pipeline import Job, Pipeline
from tasks.jenkins_build.artifacts import sources_of


def told(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports are variables of the job, the strongest last."""
    return (*_taken(job, pipeline), *passed(job, pipeline))


def passed(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports were passed on to the child pipeline it is of (``forward:pipeline_variables``)."""
    bridge = _bridge(job, pipeline)
    if bridge is None or bridge.child is None or not bridge.child.forwards:
        return ()
    return (*_taken(bridge, pipeline), *passed(bridge, pipeline))


def lent(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    """Jobs whose reports its variables may refer to, as they came to its child pipeline from outside."""
    bridge = _bridge(job, pipeline) if job.unresolved_variables else None
    found: dict[str, Job] = {}
    while bridge is not None:
        found = {other.name: other for other in _taken(bridge, pipeline)} | found
        bridge = _bridge(bridge, pipeline)
    return tuple(found.values())


def _taken(job: Job, pipeline: Pipeline) -> tuple[Job, ...]:
    reporters = pipeline.reporters
    if not reporters:
        return ()
    return tuple(other for other in sources_of(job, pipeline, reporters) if other.artifacts.reports.get("dotenv"))


def _bridge(job: Job, pipeline: Pipeline) -> Job | None:
    """The job that starts the child pipeline it is of."""
    return None if job.parent is None else pipeline.jobs[pipeline.places[job.parent]]
