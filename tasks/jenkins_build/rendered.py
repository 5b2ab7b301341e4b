"""A Jenkinsfile with what its Jenkins job and whoever follows its builds have to know of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build.jenkinsfile import render_planned
from tasks.jenkins_build.resumable import TopStage, kept_stashes, restart_stages
from tasks.jenkins_build.settings import RenderSettings
from tasks.jenkins_build.superseding import AutoCancel, auto_cancel


@dataclass(frozen=True)
class Rendered:
    """A Jenkinsfile, wherever it was made.

    Attributes:
        jenkinsfile: The text.
        jobs: Names of the GitLab jobs that it runs.
        parameters: Build parameters to declare.
        values: Values of those that are not the build's own (COMMIT_SHA, BUILD_KEY).
        coverage: GitLab's ``coverage:`` by job, where there is one.
        one_at_a_time: Whether builds of the job wait for each other (``resource_group``).
        restart: Its top-level stages, where a build can be taken up again in the middle.
        stashes: Of how many builds Jenkins keeps what their jobs hand on, for that.
        has_secrets: Whether a job has ``secrets:``.
        auto_cancel: What of it a newer deployment may stop.
        foreign: Whether somebody else's interpreter made it, who announces no jobs.
    """

    jenkinsfile: str
    jobs: tuple[str, ...]
    parameters: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    coverage: Mapping[str, str] = field(default_factory=dict)
    one_at_a_time: bool = False
    restart: tuple[TopStage, ...] = ()
    stashes: int = 0
    has_secrets: bool = False
    auto_cancel: AutoCancel = field(default_factory=AutoCancel)
    foreign: bool = False


def rendered(pipeline: Pipeline, settings: RenderSettings) -> Rendered:
    """The Jenkinsfile of a pipeline, and what its job has to know of it.

    Raises:
        InputError: The pipeline does not fit into a Jenkinsfile.
    """
    jenkinsfile, plan = render_planned(pipeline, settings)
    return Rendered(
        jenkinsfile,
        tuple(job.name for job in pipeline.jobs),
        plan.parameters,
        coverage={job.name: job.coverage for job in pipeline.jobs if job.coverage},
        one_at_a_time=any(job.resource_group for job in pipeline.jobs),
        restart=restart_stages(plan),
        stashes=kept_stashes(plan),
        has_secrets=any(job.secrets for job in pipeline.jobs),
        auto_cancel=auto_cancel(pipeline),
    )
