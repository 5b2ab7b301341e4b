"""The `undeploy` flow: removes a service, and leaves its history unless told otherwise."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact

from blocks.environment import Environment, environment_names, load_environment
from errors import SmartClideError
from flows.parameters import Name
from tasks.jenkins_build.task import keep_running_build, remove_job
from tasks.rollout.names import Identity
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
    left: list[str] = []

    async def purge_jenkins() -> list[str]:
        if kept := await _needed(place, identity):
            left.append(f"the Jenkins job of {identity.project}: {kept}")
            await keep_running_build(place.jenkins, identity.project, identity.place, None)
            return []
        return await remove_job(place.jenkins, identity.project)

    deleted = list(await rollouts.undeploy(run_holder(), purge=purge, elsewhere=purge_jenkins))
    if not purge:
        await keep_running_build(place.jenkins, identity.project, identity.place, None)
    for one in left:
        get_run_logger().info("left is %s", one)
    rows = [{"deleted": one} for one in deleted] + [{"deleted": f"not {one}"} for one in left]
    await acreate_table_artifact(rows, key="result-undeploy")
    return deleted


async def _needed(place: Environment, gone: Identity) -> str:
    """Why the Jenkins job of the project of a service that goes must stay; "" when nothing needs it."""
    for name in await environment_names():
        try:
            other = await load_environment(name)
            if (other.jenkins.url, other.jenkins.folder) != (place.jenkins.url, place.jenkins.folder):
                continue
            releases = await list_all_releases(other.cluster, other.namespace, name)
        except SmartClideError as error:
            return f"whether Environment {name} needs it cannot be told: {error.message}"
        if any(r.project == gone.project for service, r in releases if (name, service) != (place.name, gone.service)):
            return f"Environment {name} has releases of it"
    return ""
