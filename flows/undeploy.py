"""The `undeploy` flow: removes a service, and leaves its history unless told otherwise."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from pydantic import Field

from blocks.environment import load_environment
from flows.parameters import EnvironmentName, ServiceName
from tasks.rollout.publication import find_service, run_holder
from tasks.rollout.rollout import Rollouts


@flow(
    name="undeploy",
    flow_run_name="undeploy-{service}-from-{environment}",
    description="Remove a service from an Environment.",
)
async def undeploy(
    service: ServiceName,
    environment: EnvironmentName,
    purge: Annotated[bool, Field(title="Purge", description="Remove the release history too.")] = False,
) -> list[str]:
    """Delete what we deployed of the service; never the namespace, never what others own.

    Returns:
        What was deleted, e.g. ``Deployment shop``.
    """
    place = await load_environment(environment)
    identity = await find_service(place.cluster, place.namespace, environment, service)
    rollouts = Rollouts(place.cluster, place.registry, identity, place.rollout_timeout_seconds)
    deleted = list(await rollouts.undeploy(run_holder(), purge=purge))
    await acreate_table_artifact([{"deleted": one} for one in deleted], key="result-undeploy")
    return deleted
