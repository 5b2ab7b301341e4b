"""What Jenkins is to build of a commit: the Jenkinsfile, the job, its credentials, the image it makes.

Consumes the snapshot, the pipeline and the blocks; produces values. No request is made here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from pydantic import SecretStr

from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from errors import InputError
from tasks.interpretation.pipeline import Pipeline
from tasks.jenkins_build.job_config import ParameterDefinition, Retention, job_config
from tasks.jenkins_build.jobs import Credential
from tasks.jenkins_build.outcome import build_key
from tasks.jenkins_build.rendered import Rendered, rendered
from tasks.jenkins_build.settings import HOUR_SECONDS, ImageBuild, RenderSettings
from tasks.jenkins_build.superseding import AutoCancel
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
        auto_cancel: What of the build a newer deployment may stop.
    """

    jenkinsfile: str
    job: JobSpec
    image: str
    auto_cancel: AutoCancel = field(default_factory=AutoCancel)


@dataclass(frozen=True)
class Wanted:
    """What a deployment wants of its build.

    Attributes:
        snapshot: The commit and its files.
        gitlab: Where it comes from.
        registry: Where its image goes.
        choice: How the image is made.
        terms: What holds for every build of it.
    """

    snapshot: Snapshot
    gitlab: GitLabServer
    registry: ImageRegistry
    choice: ImageChoice
    terms: Terms = Terms()

    @property
    def repository(self) -> str:
        """``registry/repository`` of the image."""
        return self.registry.image_name(self.snapshot.commit.project_path)

    @property
    def builds_image(self) -> bool:
        """Whether the Jenkinsfile ends with our image stage."""
        return self.choice.from_job is None and self.choice.builder == "jenkins"

    @property
    def store(self) -> VariableStore:
        """Where the secret variables lie, if there are any."""
        return self.terms.secrets or VariableStore(self.snapshot.commit.project_path, 0)

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """What the Jenkinsfile uses by id."""
        return _credentials(self.gitlab, self.registry)


def specify(wanted: Wanted, pipeline: Pipeline) -> Specification:
    """Decide what Jenkins builds.

    Raises:
        NotFoundError: There is no Dockerfile in the main folder, and no job makes the image.
        InputError: ``image.from_job`` names no job that runs; or the pipeline does not fit into a Jenkinsfile.
    """
    check_image(wanted, [job.name for job in pipeline.jobs])
    return specification(wanted, rendered(pipeline, render_settings(wanted)))


def render_settings(wanted: Wanted) -> RenderSettings:
    """What the renderer has to know of a deployment."""
    commit, choice, ids = wanted.snapshot.commit, wanted.choice, sorted(c.id for c in wanted.credentials)
    registry_id = next((i for i in ids if i.startswith(REGISTRY_CREDENTIALS)), None)
    return RenderSettings(
        clone_url=commit.clone_url,
        commit_sha=commit.sha,
        git_credentials_id=next((i for i in ids if i.startswith(GITLAB_CREDENTIALS)), None),
        image=ImageBuild(wanted.repository, commit.sha, choice.build_args, registry_id)
        if wanted.builds_image
        else None,
        source=wanted.snapshot.ci_path,
        manual=wanted.terms.manual,
        # Jenkins' own deadline is for the case that nobody follows the build any more
        manual_wait_seconds=wanted.terms.manual_seconds + _GRACE_SECONDS,
        registry_credentials_id=registry_id,
        registry_job=choice.from_job,
        bound_variables=tuple(stored.bound for stored in wanted.store.stored),
    )


def specification(wanted: Wanted, made: Rendered) -> Specification:
    """The Jenkins job of a Jenkinsfile."""
    commit, choice, store = wanted.snapshot.commit, wanted.choice, wanted.store
    image = choice.reference if choice.from_job and choice.reference else f"{wanted.repository}:{commit.sha}"
    config = job_config(
        made.jenkinsfile,
        [ParameterDefinition(name) for name in made.parameters],
        "\n".join([f"GitLab project {commit.project_path}: {commit.web_url}", *_links(wanted.terms)]),
        retention=replace(wanted.terms.retention, stashes=made.stashes),
        concurrent=not made.one_at_a_time,
    )
    key = build_key(commit.project_id, commit.sha, made.jenkinsfile, wanted.repository)
    jobs = 0 if made.foreign else len(made.jobs) + wanted.builds_image
    more = (wanted.credentials, wanted.terms.secrets, jobs, made.coverage, made.restart, made.foreign)
    # with secrets of its own the job lies in a folder of its own: other projects' jobs must not read them
    own = f"{store.folder}/{commit.project_path.rpartition('/')[2]}"
    job = JobSpec(own if made.has_secrets else store.job, config, commit.sha, key, made.values, *more)
    return Specification(made.jenkinsfile, job, image, made.auto_cancel)


def _links(terms: Terms) -> list[str]:
    return [f"Deployments: {terms.deployments}"] if terms.deployments else []


def check_image(wanted: Wanted, jobs: Collection[str]) -> None:
    """Whether the image can be made as the descriptor says.

    Args:
        wanted: What is deployed.
        jobs: Names of the jobs that run.

    Raises:
        NotFoundError: There is no Dockerfile in the main folder, and no job makes the image.
        InputError: ``image.from_job`` names no job that runs.
    """
    name = wanted.choice.from_job
    if name is None:
        check_dockerfile(wanted.snapshot)
    elif name not in jobs:
        raise InputError(
            f"image.from_job names {name!r}, which does not run at this commit. Those that do: {', '.join(jobs)}.",
            remedy="Correct it in .smartclide.yml, or leave it out to have the Dockerfile built.",
        )


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
