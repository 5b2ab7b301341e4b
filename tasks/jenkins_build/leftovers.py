"""What a flow run whose process was killed left open in Prefect.

That is: jobs that look as if they ran, questions whose answer nobody hears, and where no worker watched it, itself.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

from tasks.jenkins_build.mirrors import LOST, is_job
from tasks.logs import Logger

_OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_UNHEARD = "Nobody hears the answer any more: the deployment that asked is over"


async def end_leftovers(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """A hook of flows that build: when their process is gone, its worker ends what it left open."""
    await close_leftovers(flow_run.id, state)


async def close_leftovers(flow_run_id: UUID, state: State[Any]) -> int:
    """End the jobs and questions that a flow run which is over left open.

    Args:
        flow_run_id: The flow run.
        state: Whether it was cancelled or crashed, by its name.

    Returns:
        How many were open.
    """
    async with get_client() as client:
        runs = await client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
            task_run_filter=TaskRunFilter(
                state=TaskRunFilterState(type=TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING]))
            ),
            limit=200,
        )
        jobs = [run for run in runs if is_job(run)]
        for job in jobs:
            await client.set_task_run_state(job.id, Cancelled(message=f"{LOST} ({state.name})"), force=True)
        questions = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run_id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN)),
            )
        )
        for question in questions:
            ended: State[Any] = Cancelled(message=f"{_UNHEARD} ({state.name}).")
            await client.set_flow_run_state(question.id, ended, force=True)
    return len(jobs) + len(questions)


async def bury(flow_run_id: UUID | None, log: Logger) -> None:
    """Close what a run left whose process is known to be gone; one that nobody saw end is Crashed.

    A Prefect server that does not answer stops nothing.
    """
    if flow_run_id is None:
        return
    try:
        closed = await _buried(flow_run_id)
    except httpx.HTTPError as error:
        log.warning("what flow run %s left open stays so: %s", flow_run_id, error)
    else:
        log.warning("flow run %s had the turn before, and its process is gone; ended for it: %d", flow_run_id, closed)


async def _buried(flow_run_id: UUID) -> int:
    async with get_client() as client:
        state = (await client.read_flow_run(flow_run_id)).state
        if state is None or not state.is_final():
            state = Crashed(message="Its process is gone, and nobody saw how it ended.")
            await client.set_flow_run_state(flow_run_id, state, force=True)
    return await close_leftovers(flow_run_id, state)
