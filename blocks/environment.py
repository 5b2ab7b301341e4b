"""`Environment`: *where* a service is deployed. One block names every system that takes part."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, field_validator

from blocks.cluster import Cluster
from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from blocks.jenkins_server import JenkinsServer
from blocks.metrics_store import MetricsStore

_DNS_LABEL_LENGTH = 63


class Environment(Block):
    """A place to deploy to, e.g. ``staging`` or ``production``; the block document's name is the Environment's name."""

    _block_type_name = "Deployment Environment"
    _block_type_slug = "deployment-environment"
    _description = "Where a service is deployed: GitLab, Jenkins, registry, cluster, namespace."

    gitlab: GitLabServer = Field(title="GitLab")
    jenkins: JenkinsServer = Field(title="Jenkins")
    registry: ImageRegistry = Field(title="Registry")
    cluster: Cluster = Field(title="Cluster")
    metrics: MetricsStore = Field(title="Metrics store")
    namespace: str = Field(default="default", title="Namespace", description="Kubernetes namespace; created when absent.")
    build_timeout_seconds: int = Field(default=3600, gt=0, title="Build timeout", description="Seconds a Jenkins build may take.")
    rollout_timeout_seconds: int = Field(default=600, gt=0, title="Rollout timeout", description="Seconds a rollout may take.")

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
