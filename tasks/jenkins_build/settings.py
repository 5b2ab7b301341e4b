"""What a Jenkinsfile needs to know besides the pipeline: where the sources are, and the image to build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from tasks.source.model import CI_FILE, DOCKERFILE

HOUR_SECONDS = 3600
IMAGE_STAGE = "image"  # as builds announce it


class ImageBuild(Struct, frozen=True, forbid_unknown_fields=True):
    """The image stage: builds `dockerfile` in the main folder, pushes ``repository:tag``.

    Attributes:
        repository: ``host:port/path``, the registry always named.
        tag: Normally the commit SHA; None in a Jenkinsfile to keep: then it is the build's COMMIT_SHA.
        build_args: ``--build-arg`` by name.
        registry_credentials_id: Username and password in Jenkins' credentials store; None = a registry without login.
        dockerfile: Path in the repository.
        agent_label: Label expression of agents that have Docker; None = any agent.
    """

    repository: str
    tag: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    registry_credentials_id: str | None = None
    dockerfile: str = DOCKERFILE
    agent_label: str | None = None


class BoundVariable(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret CI/CD variable that every job gets from Jenkins' credentials store.

    Attributes:
        name: The environment variable.
        credentials_id: A secret text, or a secret file, in the store of the job's folder.
        is_file: The variable holds the path of a file with the secret.
    """

    name: str
    credentials_id: str
    is_file: bool = False


class RenderSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a Jenkinsfile's build gets its sources, and its limits.

    Attributes:
        clone_url: Clone address without credentials; unused when the pipeline is undecided (parameter REPO_URL).
        commit_sha: The commit; unused when the pipeline is undecided (parameter COMMIT_SHA).
        git_credentials_id: Credentials in Jenkins' store to clone with; None = a public project.
        image: The image stage; None = there is none.
        source: What the header names as the text's origin.
        default_timeout_seconds: For jobs without ``timeout:`` (GitLab's own default is one hour).
        manual: What becomes of an optional manual job. GitLab goes on at once and leaves it to be played later, but a
            Jenkins build cannot be re-entered: either somebody is asked for a while, or it is skipped straight away.
        manual_wait_seconds: How long ``ask`` waits for an answer before the job is skipped.
        registry_credentials_id: Login of the image registry in Jenkins' store, for jobs that use it or
            the image there (see `Plan.uses_login`); None = there is none, they are not set.
        registry_job: A job that gets the login although its text does not mention it.
        bound_variables: Secret variables, by reference to the credentials that hold them.
        default_branch: CI_DEFAULT_BRANCH of a build that is given none, when the pipeline is undecided; empty = none.
        rendering: ``stages``: declarative stages, which wait for each other. ``graph``: jobs as data with a fixed
            runner, which starts every job as soon as its needs are met. ``auto``: the graph where there are needs,
            more than `auto_stages` stages, or stages that do not fit a JVM method of 64 KB.
        auto_stages: See `rendering`.
        max_stages: More stages than this are refused by ``stages``, as are those that do not fit a JVM method of 64 KB.
    """

    clone_url: str = ""
    commit_sha: str = ""
    git_credentials_id: str | None = None
    image: ImageBuild | None = None
    source: str = CI_FILE
    default_timeout_seconds: int = HOUR_SECONDS
    manual: Literal["ask", "skip"] = "ask"
    manual_wait_seconds: int = HOUR_SECONDS
    registry_credentials_id: str | None = None
    registry_job: str | None = None
    bound_variables: tuple[BoundVariable, ...] = ()
    default_branch: str = ""
    rendering: Literal["auto", "stages", "graph"] = "auto"
    auto_stages: int = 20
    max_stages: int = 25
