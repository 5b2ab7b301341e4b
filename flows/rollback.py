"""The `rollback` flow: an earlier revision's manifests, applied again as a new revision."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from blocks.environment import load_environment
from flows.parameters import EnvironmentName, ServiceName
from tasks.rollout.publication import find_service, publish_release, run_holder
from tasks.rollout.rollout import Rollouts


@flow(
    name="rollback",
    flow_run_name="rollback-{service}-in-{environment}",
    description="Bring a service back to an earlier revision.",
)
async def rollback(
    service: ServiceName,
    environment: EnvironmentName,
    revision: Annotated[
        int | None, Field(ge=1, title="Revision", description="Leave empty for the last good one before the current.")
    ] = None,
) -> dict[str, Any]:
    """Roll back, wait until it runs, and say what runs now.

    Raises:
        NotFoundError: No such service or revision.
        RolloutFailedError: The earlier revision does not get running either.
    """
    place = await load_environment(environment)
    identity = await find_service(place.cluster, place.namespace, environment, service)
    rollouts = Rollouts(place.cluster, place.registry, identity, place.rollout_timeout_seconds)
    outcome = await rollouts.roll_back(run_holder(), revision, str(flow_run.id or ""))
    return await publish_release("result-rollback", identity, outcome)
