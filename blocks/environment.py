"""`Environment`: *where* a service is deployed. One block names every system that takes part."""

from __future__ import annotations

from typing import Literal

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import Field, ValidationError, field_validator

from blocks.cluster import Cluster
from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from blocks.interpreter_server import InterpreterServer
from blocks.jenkins_server import JenkinsServer
from blocks.metrics_store import MetricsStore
from blocks.schema_once import SchemaOnce
from errors import InputError, NotFoundError

_DNS_LABEL_LENGTH = 63


class Environment(SchemaOnce):
    """A place to deploy to, e.g. ``staging`` or ``production``; the block document's name is the Environment's name."""

    _block_type_name = "Deployment Environment"
    _block_type_slug = "deployment-environment"
    _description = "Where a service is deployed: GitLab, Jenkins, registry, cluster, namespace."

    gitlab: GitLabServer = Field(title="GitLab")
    jenkins: JenkinsServer = Field(title="Jenkins")
    registry: ImageRegistry = Field(title="Registry")
    cluster: Cluster = Field(title="Cluster")
    metrics: MetricsStore = Field(title="Metrics store")
    interpreter: InterpreterServer | None = Field(
        default=None, title="Interpreter", description="A remote interpreter; none for the embedded one."
    )
    namespace: str = Field(
        default="default", title="Namespace", description="Kubernetes namespace; created when absent."
    )
    build_timeout_seconds: int = Field(
        default=3600, gt=0, title="Build timeout", description="Seconds a Jenkins build may take."
    )
    approval_timeout_seconds: int = Field(
        default=3600,
        gt=0,
        title="Approval timeout",
        description="Seconds an answer to a manual job is waited for; no answer is a no.",
    )
    keep_builds: int = Field(
        default=50, gt=0, title="Builds to keep", description="So many builds of a project Jenkins keeps."
    )
    keep_days: int | None = Field(
        default=None, gt=0, title="Days to keep builds", description="Older builds are discarded; empty: any age."
    )
    manual_jobs: Literal["skip", "ask"] = Field(
        default="skip",
        title="Optional manual jobs",
        description="skip: a deployment leaves them out. ask: people are asked whether they run.",
    )
    silence_timeout_seconds: int = Field(
        default=1800,
        ge=0,
        title="Silence timeout",
        description="Seconds a Jenkins build may write nothing while a job of it runs; 0 = any time.",
    )
    unstable: Literal["warn", "fail"] = Field(
        default="warn",
        title="Unstable builds",
        description="warn: a build whose tests failed in a report is deployed, with a warning. fail: it is not.",
    )
    rollout_timeout_seconds: int = Field(
        default=600, gt=0, title="Rollout timeout", description="Seconds a rollout may take."
    )

    @field_validator("namespace")
    @classmethod
    def _is_dns_label(cls, name: str) -> str:
        ok = name and len(name) <= _DNS_LABEL_LENGTH and all(c.isdigit() or "a" <= c <= "z" or c == "-" for c in name)
        if not ok or name.startswith("-") or name.endswith("-"):
            raise ValueError("a namespace is at most 63 lower-case letters, digits and hyphens")
        return name

    @property
    def name(self) -> str:
        """The Environment's name, that of its block document."""
        return self._block_document_name or "unsaved"


async def environment_names() -> list[str]:
    """Names of all saved Environments, sorted."""
    async with get_client() as client:
        try:
            documents = await client.read_block_documents_by_type(Environment.get_block_type_slug())
        except ObjectNotFound:
            return []
    return sorted(document.name for document in documents if document.name)


async def load_environment(name: str) -> Environment:
    """The saved Environment of that name.

    Raises:
        NotFoundError: There is none; the message lists those that are.
        InputError: It was saved by another version and does not fit any more.
    """
    try:
        return await Environment.aload(name)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise InputError(
            f"Environment {name} is not valid: {problems}.", remedy="Run `smartclide init` again."
        ) from None
    except (ValueError, ObjectNotFound):
        known = ", ".join(await environment_names()) or "none"
        raise NotFoundError(
            f"There is no Environment named {name!r}; saved ones: {known}.",
            remedy=f"Make it with `smartclide init {name}`.",
        ) from None
