"""The Prefect tasks of this step: a project and a ref become a commit, a commit becomes its files."""

from __future__ import annotations

import asyncio

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.gitlab_server import GitLabServer
from errors import printable
from tasks.logs import task_logger
from tasks.retrying import TRANSIENT
from tasks.source.ci_variables import CIVariables
from tasks.source.include_options import IncludeOptions
from tasks.source.model import Commit, Snapshot
from tasks.source.repository import GitLab
from tasks.source.snapshot import read_snapshot
from tasks.source.variable_levels import read_ci_variables


@task(name="resolve commit", cache_policy=NO_CACHE, **TRANSIENT)
async def resolve_commit(gitlab: GitLabServer, project: str, ref: str = "") -> Commit:
    """Find the commit a branch, tag or SHA of a project names. See `GitLab.commit`."""
    commit = await asyncio.to_thread(lambda: GitLab(gitlab).commit(project, ref))
    task_logger().info(
        "%s at %s %s is %s: %s", commit.project_path, commit.ref_kind, commit.ref, commit.sha, printable(commit.title)
    )
    return commit


@task(name="read source", cache_policy=NO_CACHE, **TRANSIENT)
async def read_source(
    gitlab: GitLabServer, commit: Commit, generate_pipeline: bool = False, includes: IncludeOptions | None = None
) -> Snapshot:
    """Read what the later steps need of the commit's files, with all they include. See `read_snapshot`."""
    snapshot = await asyncio.to_thread(lambda: read_snapshot(GitLab(gitlab), commit, generate_pipeline, includes))
    origin = "generated, the project has none" if snapshot.generated else "read"
    task_logger().info(
        "pipeline definition %s %s; files: %s", snapshot.ci_path, origin, printable(", ".join(snapshot.files))
    )
    return snapshot


@task(name="read CI/CD variables", cache_policy=NO_CACHE, persist_result=False, **TRANSIENT)
async def read_variables(gitlab: GitLabServer, commit: Commit, environment: str) -> CIVariables:
    """Read the CI/CD variables that hold for a commit in an Environment. See `read_ci_variables`."""
    found = await asyncio.to_thread(lambda: read_ci_variables(GitLab(gitlab), commit, environment))
    if found.chosen:
        plain, secret = (", ".join(sorted(names)) or "none" for names in (found.plain, found.secret))
        task_logger().info("CI/CD variables: %s; secret, kept in Jenkins' credentials: %s", plain, secret)
    return found
