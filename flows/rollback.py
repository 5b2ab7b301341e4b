"""The `rollback` flow: an earlier revision's manifests, applied again as a new revision."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from blocks.environment import load_environment
from flows.parameters import Name
from tasks.jenkins_build.outcome import built_by
from tasks.jenkins_build.task import keep_running_build
from tasks.rollout.publication import find_service, publish_release, run_holder
from tasks.rollout.rollout import Rollouts


@flow(
    name="rollback",
    flow_run_name="rollback-{service}-in-{environment}",
    description="Bring a service back to an earlier revision.",
)
async def rollback(
    service: Name,
    environment: Name,
    revision: Annotated[int, Field(ge=1)] | None = None,
) -> dict[str, Any]:
    """Roll back, wait until it runs, and say what runs now.

    Args:
        service: Name of the service in the Environment.
        environment: Name of the Environment, e.g. staging.
        revision: Revision to go back to; leave empty for the last good one before the current.

    Raises:
        NotFoundError: No such service or revision.
        RolloutFailedError: The earlier revision does not get running either.
    """
    place = await load_environment(environment)
    identity = await find_service(place.cluster, place.namespace, environment, service)
    rollouts = Rollouts(place.cluster, place.registry, identity, place.rollout_timeout_seconds)
    outcome = await rollouts.roll_back(run_holder(), revision, str(flow_run.id or ""))
    await keep_running_build(place.jenkins, identity.project, identity.place, built_by(outcome.record.results))
    return await publish_release("result-rollback", identity, outcome)
