"""The `undeploy` flow: removes a service, and leaves its history unless told otherwise."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact

from blocks.environment import Environment, environment_names, load_environment
from errors import SmartClideError
from flows.parameters import Name
from tasks.jenkins_build.task import keep_running_build, remove_job
from tasks.rollout.publication import find_service, list_all_releases, run_holder
from tasks.rollout.rollout import Rollouts


@flow(
    name="undeploy",
    flow_run_name="undeploy-{service}-from-{environment}",
    description="Remove a service from an Environment.",
)
async def undeploy(
    service: Name,
    environment: Name,
    purge: bool = False,
) -> list[str]:
    """Delete what we deployed of the service; never the namespace, never what others own.

    Args:
        service: Name of the service in the Environment.
        environment: Name of the Environment, e.g. staging.
        purge: Remove the release history too, and the project's Jenkins job when it is deployed nowhere else.

    Returns:
        What was deleted, e.g. ``Deployment shop``.
    """
    place = await load_environment(environment)
    identity = await find_service(place.cluster, place.namespace, environment, service)
    rollouts = Rollouts(place.cluster, place.registry, identity, place.rollout_timeout_seconds)
    deleted = list(await rollouts.undeploy(run_holder(), purge=purge))
    await keep_running_build(place.jenkins, identity.project, identity.place, None)
    if purge and (kept := await _needed(place, identity.project)):
        get_run_logger().info("the Jenkins job of %s is left: %s", identity.project, kept)
    elif purge:
        deleted += await remove_job(place.jenkins, identity.project)
    await acreate_table_artifact([{"deleted": one} for one in deleted], key="result-undeploy")
    return deleted


async def _needed(place: Environment, project: str) -> str:
    """Why the project's Jenkins job must stay; "" when nothing needs it."""
    for name in await environment_names():
        try:
            other = await load_environment(name)
            if (other.jenkins.url, other.jenkins.folder) != (place.jenkins.url, place.jenkins.folder):
                continue
            releases = await list_all_releases(other.cluster, other.namespace, name)
        except SmartClideError as error:
            return f"whether Environment {name} needs it cannot be told: {error.message}"
        if any(record.project == project for _, record in releases):
            return f"Environment {name} has releases of it"
    return ""
