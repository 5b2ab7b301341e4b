"""What Jenkins is to build of a commit: the Jenkinsfile, the job, its credentials, the image it makes.

Consumes the snapshot, the pipeline and the blocks; produces values. No request is made here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from errors import InputError
from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build.jenkinsfile import parameter_names, render, restart_stages
from tasks.jenkins_build.job_config import ParameterDefinition, Retention, job_config
from tasks.jenkins_build.jobs import Credential
from tasks.jenkins_build.outcome import build_key
from tasks.jenkins_build.restarting import TopStage
from tasks.jenkins_build.settings import HOUR_SECONDS, ImageBuild, RenderSettings
from tasks.jenkins_build.task import JobSpec
from tasks.jenkins_build.variables import VariableStore
from tasks.source.model import Snapshot
from tasks.source.snapshot import check_dockerfile

GIT_USER = "oauth2"  # GitLab takes any user name with a token; this one by its documentation
GITLAB_CREDENTIALS = "smartclide-gitlab"
REGISTRY_CREDENTIALS = "smartclide-registry"
_GRACE_SECONDS = 120
_SLUG = re.compile(r"[^a-z0-9]+")


class ImageChoice(Protocol):
    """Where the image comes from; `tasks.rollout.descriptor.ImageOptions` is one."""

    @property
    def builder(self) -> str:
        """``jenkins`` or ``engine``."""

    @property
    def from_job(self) -> str | None:
        """The GitLab job that pushes the image already."""

    @property
    def reference(self) -> str | None:
        """What that job pushes, if not ``<repository>:<sha>``."""

    @property
    def build_args(self) -> Mapping[str, str]:
        """Build arguments of the Dockerfile."""


@dataclass(frozen=True)
class Terms:
    """What the project and the Environment say of every build.

    Attributes:
        secrets: The project's secret CI/CD variables; None = it has none.
        manual: What becomes of optional manual jobs: people are asked, or they are skipped.
        manual_seconds: How long an answer is waited for.
        retention: Which builds Jenkins keeps.
        deployments: Where people see the deployments, for the job's description; "" = not told.
    """

    secrets: VariableStore | None = None
    manual: Literal["ask", "skip"] = "skip"
    manual_seconds: int = HOUR_SECONDS
    retention: Retention = field(default_factory=Retention)
    deployments: str = ""


@dataclass(frozen=True)
class Specification:
    """A build, ready to be triggered.

    Attributes:
        jenkinsfile: What Jenkins runs.
        job: The Jenkins job, its parameters and credentials.
        image: ``registry/repository:tag`` that the build pushes, or that the engine is to push.
    """

    jenkinsfile: str
    job: JobSpec
    image: str


def specify(
    snapshot: Snapshot,
    pipeline: Pipeline,
    servers: tuple[GitLabServer, ImageRegistry],
    choice: ImageChoice,
    terms: Terms = Terms(),
) -> Specification:
    """Decide what Jenkins builds.

    Args:
        snapshot: The commit and its files.
        pipeline: What its pipeline definition means.
        servers: Where it comes from and where its image goes.
        choice: How the image is made.
        terms: What holds for every build of it.

    Raises:
        NotFoundError: There is no Dockerfile in the main folder, and no job makes the image.
        InputError: ``image.from_job`` names no job that runs; or the pipeline does not fit into a Jenkinsfile.
    """
    commit, secrets = snapshot.commit, terms.secrets
    variables = secrets or VariableStore(snapshot.commit.project_path, 0)
    gitlab, registry = servers
    repository = registry.image_name(commit.project_path)
    credentials = _credentials(gitlab, registry)
    ids = {c.id for c in credentials}
    ours = _our_image(snapshot, pipeline, choice)
    registry_id = next((i for i in sorted(ids) if i.startswith(REGISTRY_CREDENTIALS)), None)
    build = ImageBuild(repository, commit.sha, choice.build_args, registry_id) if ours else None
    settings = RenderSettings(
        clone_url=commit.clone_url,
        commit_sha=commit.sha,
        git_credentials_id=next((i for i in sorted(ids) if i.startswith(GITLAB_CREDENTIALS)), None),
        image=build,
        source=snapshot.ci_path,
        manual=terms.manual,
        # Jenkins' own deadline is for the case that nobody follows the build any more
        manual_wait_seconds=terms.manual_seconds + _GRACE_SECONDS,
        registry_credentials_id=registry_id,
        registry_job=choice.from_job,
        bound_variables=tuple(stored.bound for stored in variables.stored),
    )
    jenkinsfile = render(pipeline, settings)
    image = choice.reference if choice.from_job and choice.reference else f"{repository}:{commit.sha}"
    config = job_config(
        jenkinsfile,
        [ParameterDefinition(name) for name in parameter_names(pipeline)],
        "\n".join([f"GitLab project {commit.project_path}: {commit.web_url}", *_links(terms)]),
        retention=terms.retention,
        concurrent=not any(job.resource_group for job in pipeline.jobs),
    )
    key = build_key(commit.project_id, commit.sha, jenkinsfile, repository)
    coverage = {job.name: job.coverage for job in pipeline.jobs if job.coverage}
    jobs = len(pipeline.jobs) + (build is not None)
    restart = _restart(pipeline, settings)
    # with secrets of its own the job lies in a folder of its own: other projects' jobs must not read them
    own = f"{variables.folder}/{commit.project_path.rpartition('/')[2]}"
    path = own if any(job.secrets for job in pipeline.jobs) else variables.job
    job = JobSpec(path, config, commit.sha, key, {}, credentials, secrets, jobs, coverage, restart)
    return Specification(jenkinsfile, job, image)


def _links(terms: Terms) -> list[str]:
    return [f"Deployments: {terms.deployments}"] if terms.deployments else []


def _restart(pipeline: Pipeline, settings: RenderSettings) -> tuple[TopStage, ...]:
    return tuple(TopStage(title, stages) for title, stages in restart_stages(pipeline, settings))


def _our_image(snapshot: Snapshot, pipeline: Pipeline, choice: ImageChoice) -> bool:
    """Whether the Jenkinsfile ends with our image stage."""
    if choice.from_job is not None:
        names = [job.name for job in pipeline.jobs]
        if choice.from_job not in names:
            raise InputError(
                f"image.from_job names {choice.from_job!r}, which does not run at this commit. "
                f"Those that do: {', '.join(names)}.",
                remedy="Correct it in .smartclide.yml, or leave it out to have the Dockerfile built.",
            )
        return False
    check_dockerfile(snapshot)
    return choice.builder == "jenkins"


def _credentials(gitlab: GitLabServer, registry: ImageRegistry) -> tuple[Credential, ...]:
    """What the Jenkinsfile uses by id. Ids name the host and user, as Environments may share a Jenkins folder."""
    found = []
    token, login = gitlab.token(), registry.login()
    if token is not None:
        found.append(Credential(_id(GITLAB_CREDENTIALS, gitlab.url), GIT_USER, token, f"Reads {gitlab.url}"))
    if login is not None:
        name = _id(REGISTRY_CREDENTIALS, f"{registry.address}-{login[0]}")
        found.append(Credential(name, login[0], SecretStr(login[1]), f"Pushes to {registry.address}"))
    return tuple(found)


def _id(prefix: str, what: str) -> str:
    return f"{prefix}-{_SLUG.sub('-', what.lower().removeprefix('https://').removeprefix('http://')).strip('-')}"
