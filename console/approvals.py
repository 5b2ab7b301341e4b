"""``smartclide approve`` and ``reject``: what running builds ask, listed and answered through Prefect's API."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import click
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort

from console.patience import impatient
from errors import ConflictError, InputError, NotFoundError

_FLOW = "approve"
_MOST = 200


@dataclass(frozen=True)
class Waiting:
    """One question that waits for an answer.

    Attributes:
        id: Id of the paused flow run.
        deployment: Id of the flow run that waits for it.
        question: What the build asks.
        build: The Jenkins build.
        address: Where it can be answered in Jenkins too.
        consequence: What a "no" means, and until when it can be answered.
        since: ISO 8601, UTC.
    """

    id: str
    deployment: str
    question: str
    build: str
    address: str
    consequence: str
    since: str


def waiting(client: SyncPrefectClient) -> list[Waiting]:
    """Questions that wait, oldest first; of those about the same thing only the newest: an older one's run is dead."""
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[_FLOW])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))),
        sort=FlowRunSort.START_TIME_ASC,
        limit=_MOST,
    )
    newest = {(run.parameters["build"], run.parameters["question"], _parent(client, run)): run for run in runs}
    return [_waiting(run, parent) for (_, _, parent), run in newest.items()]


def _parent(client: SyncPrefectClient, run: FlowRun) -> str:
    task_run = client.read_task_run(run.parent_task_run_id) if run.parent_task_run_id else None
    return str(task_run.flow_run_id) if task_run is not None else ""


def _waiting(run: FlowRun, parent: str) -> Waiting:
    told: Mapping[str, Any] = run.parameters
    since = run.start_time.isoformat(timespec="seconds") if run.start_time else ""
    question, build, address, consequence = (
        str(told[name]) for name in ("question", "build", "address", "consequence")
    )
    return Waiting(str(run.id), parent, question, build, address, consequence, since)


def show_waiting(as_json: bool) -> None:
    """Print the questions that wait."""
    from console.views import print_rows

    with impatient(), get_client(sync_client=True) as client:
        found = waiting(client)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    elif not found:
        click.echo("Nothing waits for an approval.")
    else:
        print_rows([{"run": w.id, "question": w.question, "build": w.build, "since": w.since, "note": w.consequence}
                    for w in found])  # fmt: skip


def answer(run: str, decision: str, comment: str, submitter: str | None, values: Mapping[str, str]) -> Waiting:
    """Answer the question that `run` is, or that the deployment `run` waits for.

    Raises:
        NotFoundError: None waits there.
        InputError: Several do, or the answer does not fit.
        ConflictError: It was answered in the same moment.
    """
    with impatient(), get_client(sync_client=True) as client:
        one = _the_one(waiting(client), run)
        given: dict[str, Any] = {"decision": decision, "comment": comment, "submitter": submitter or login_name()}
        if values:
            given["values"] = dict(values)
        done = client.resume_flow_run(UUID(one.id), run_input=given)
    if done.status == SetStateStatus.ACCEPT:
        return one
    reason = getattr(done.details, "reason", None) or "no reason given"
    if done.status == SetStateStatus.REJECT:
        raise InputError(f"Prefect refuses the answer to {one.question!r}: {reason}.")
    raise ConflictError(f"{one.question!r} waits for no answer any more: {reason}")


def _the_one(found: Iterable[Waiting], run: str) -> Waiting:
    mine = [one for one in found if run in (one.id, one.deployment)]
    if not mine:
        raise NotFoundError(
            f"No question waits for an answer in run {run!r}.", remedy="`smartclide approve` lists those that do."
        )
    if len(mine) > 1:
        listed = "; ".join(f"{one.id}: {one.question}" for one in mine)
        raise InputError(f"Run {run} asks {len(mine)} questions: {listed}.", remedy="Name the one to answer.")
    return mine[0]


def login_name() -> str:
    """Whose session this is; who decides, unless said otherwise."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise InputError("Your name is not known here.", remedy="Say it with --submitter.") from None
