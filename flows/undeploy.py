"""The `undeploy` flow: removes a service, and leaves its history unless told otherwise."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import acreate_table_artifact

from blocks.environment import load_environment
from flows.parameters import Name
from tasks.rollout.publication import find_service, run_holder
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
        purge: Remove the release history too.

    Returns:
        What was deleted, e.g. ``Deployment shop``.
    """
    place = await load_environment(environment)
    identity = await find_service(place.cluster, place.namespace, environment, service)
    rollouts = Rollouts(place.cluster, place.registry, identity, place.rollout_timeout_seconds)
    deleted = list(await rollouts.undeploy(run_holder(), purge=purge))
    await acreate_table_artifact([{"deleted": one} for one in deleted], key="result-undeploy")
    return deleted
