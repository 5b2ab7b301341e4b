"""Start a flow run, in this process or through the API, and show its steps as they go.

Both ways the display reads Prefect's API, so what a user sees on the terminal is what the UI shows.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from console.patience import impatient, told
from errors import InputError, NotFoundError, printable
from tasks.jenkins_build.mirrors import is_job

DEPLOYMENT = "smartclide"
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 30
_SILENT_SECONDS = 10
_SETTLING_SECONDS = 3  # Prefect's server hears of the states of task runs later than of their flow run's
_LOOK = {
    "COMPLETED": ("✔", "green"),
    "FAILED": ("✘", "red"),
    "CRASHED": ("✘", "red"),
    "CANCELLED": ("■", "yellow"),
    "CANCELLING": ("■", "yellow"),
    "RUNNING": ("▶", "cyan"),
    "PENDING": ("·", "dim"),
    "SCHEDULED": ("·", "dim"),
    "PAUSED": ("‖", "yellow"),
}
_NAMED = {"Unstable": ("!", "yellow"), "Skipped": ("-", "dim")}  # states of GitLab jobs


@dataclass(frozen=True)
class RunResult:
    """How a flow run ended.

    Attributes:
        id: The flow run.
        state: Prefect's state type, e.g. ``COMPLETED``.
        message: The state's message: for a failed run the error, in one paragraph.
        data: What the flow handed back as its table artifact ``result``, or None.
    """

    id: UUID
    name: str
    state: str
    message: str
    data: Any

    @property
    def ok(self) -> bool:
        """Whether the run completed."""
        return self.state == "COMPLETED"


def start_remote(flow_name: str, parameters: Mapping[str, Any]) -> UUID:
    """Create a flow run of ``flow_name/smartclide`` for the worker to pick up.

    Raises:
        NotFoundError: The Prefect server has no such deployment.
        InputError: The parameters do not fit the flow.
    """
    with impatient(), get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{flow_name}/{DEPLOYMENT}")
        except ObjectNotFound:
            remedy = "Run `smartclide serve` (it also starts a worker), or add --local to run in this process."
            if not PREFECT_API_URL.value():
                remedy = f"PREFECT_API_URL is not set: set it to your server's address. {remedy}"
            what = f"The Prefect server has no deployment {flow_name}/{DEPLOYMENT}."
            raise NotFoundError(what, remedy=remedy) from None
        try:
            once = str(uuid4())  # a request that is sent again, as its answer was late, makes no second run
            return client.create_flow_run_from_deployment(
                deployment.id, parameters=dict(parameters), idempotency_key=once
            ).id
        except PrefectHTTPStatusError as error:
            if error.response.status_code in (409, 422):
                raise InputError(f"The parameters of {flow_name} are refused: {error.response.text}") from error
            raise


class LocalRun(threading.Thread):
    """A flow run in a thread of this process, recorded on the server like any other.

    Attributes:
        run_id: Of the flow run.
        failure: What ended the thread before the run had an end, or None: of Prefect's server, most likely.
    """

    def __init__(self, flow: Flow[..., Any], parameters: Mapping[str, Any]) -> None:
        with told(), get_client(sync_client=True) as client:
            self._run = client.create_flow_run(flow, parameters=dict(parameters))
        self._flow, self._parameters = flow, dict(parameters)
        self.run_id: UUID = self._run.id
        self.failure: Exception | None = None
        self._context = copy_context()  # Prefect's settings, as the caller has them
        super().__init__(name=f"flow-{self._run.name}", daemon=True)

    def run(self) -> None:
        """What the thread does."""
        try:
            self._context.run(self._work)
        except Exception as error:  # noqa: BLE001  whatever it is, who follows the run is told
            self.failure = error

    def _work(self) -> None:
        state = run_flow(self._flow, flow_run=self._run, parameters=self._parameters, return_type="state")
        if inspect.iscoroutine(state):
            asyncio.run(state)


def start_local(flow: Flow[..., Any], parameters: Mapping[str, Any]) -> LocalRun:
    """Run a flow in a thread of this process."""
    local = LocalRun(flow, parameters)
    local.start()
    return local


@contextmanager
def quiet_logging() -> Iterator[None]:
    """Keep Prefect's log off the terminal while a live display is on it; the server still gets it."""
    quieted: list[tuple[logging.Handler, int]] = []
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "prefect"]
    for logger in [logging.getLogger(), *(logging.getLogger(name) for name in names)]:
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler):
                quieted.append((handler, handler.level))
                handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in quieted:
            handler.setLevel(level)


def follow(run_id: UUID, console: Console, local: LocalRun | None = None) -> RunResult:
    """Show the run's steps until it ends.

    On a terminal a live table; elsewhere one line for each change. Leaving it (Ctrl-C) does not stop a remote run.

    Args:
        run_id: Of the flow run.
        console: Where to show it.
        local: The run itself, if this process runs it: what ends it before its time is raised, not waited for.
    """
    begin = time.monotonic()
    hinted, end = False, 0.0
    with get_client(sync_client=True) as client:
        display = _LiveDisplay(console) if console.is_terminal else _LineDisplay(console)
        with display:
            while True:
                with told():
                    run, tasks = client.read_flow_run(run_id), _task_runs(client, run_id)
                    log = _last_log(client, run_id)
                display.show(run, tasks, log)
                if run.state is not None and run.state.is_final():
                    end = end or time.monotonic()
                    if all(map(_is_over, tasks)) or time.monotonic() - end > _SETTLING_SECONDS:
                        break
                elif local is not None and local.failure is not None:
                    raise local.failure
                waits = run.state is None or run.state.is_scheduled()
                if waits and not hinted and time.monotonic() - begin > _PATIENCE_SECONDS:
                    hinted = True
                    console.print("No worker has taken the run up yet: is `smartclide serve` running?", style="yellow")
                time.sleep(_POLL_SECONDS)
        state, message = (run.state.type.value, run.state.message or "") if run.state else ("PENDING", "")
        return RunResult(run_id, run.name, state, message, read_result(client, run_id))


def read_result(client: SyncPrefectClient, run_id: UUID) -> Any:
    """The newest artifact of the run whose key starts with ``result-``, or None."""
    artifacts = client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])), limit=200
    )
    found = [a for a in artifacts if (a.key or "").startswith("result-")]
    if not found:
        return None
    newest = max(found, key=lambda a: a.created or datetime.min.replace(tzinfo=UTC))
    return json.loads(newest.data) if isinstance(newest.data, str) else newest.data


def _task_runs(client: SyncPrefectClient, run_id: UUID) -> list[TaskRun]:
    return client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])),
        sort=TaskRunSort.EXPECTED_START_TIME_ASC,
        limit=200,
    )


def _last_log(client: SyncPrefectClient, run_id: UUID) -> str:
    logs = client.read_logs(
        LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id])), limit=1, sort=LogSort.TIMESTAMP_DESC
    )
    return printable(logs[0].message.strip().splitlines()[-1]) if logs and logs[0].message.strip() else ""


def _step(run: TaskRun | FlowRun) -> str:
    """A run's name; of a task run without the suffix that makes it unique, which a GitLab job's has not."""
    if isinstance(run, TaskRun) and not is_job(run):
        return printable(run.name.removesuffix(f"-{run.dynamic_key[:3]}"))
    return printable(run.name)


def _is_job(run: TaskRun | FlowRun) -> bool:
    return isinstance(run, TaskRun) and is_job(run)


def _is_over(run: TaskRun) -> bool:
    return run.state is not None and run.state.is_final()


def _seconds(run: TaskRun | FlowRun) -> str:
    if run.start_time is None:
        return ""
    end = run.end_time or datetime.now(UTC)
    return f"{(end - run.start_time).total_seconds():.1f} s"


class _LiveDisplay:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> _LiveDisplay:
        self.live.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.live.__exit__(*exc)

    def show(self, run: FlowRun, tasks: list[TaskRun], log: str) -> None:
        table = Table.grid(padding=(0, 1))
        for task in tasks:
            kind = task.state_type.value if task.state_type else "PENDING"
            icon, style = _NAMED.get(task.state_name or "") or _LOOK.get(kind, ("·", "dim"))
            name = f"  {_step(task)}" if _is_job(task) else _step(task)
            table.add_row(Text(icon, style=style), Text(name), Text(_seconds(task), style="dim"))
        state = run.state.name if run.state else "Pending"
        head = Text.assemble((run.name, "bold"), f": {state} ", (_seconds(run), "dim"))
        final = run.state is not None and run.state.is_final()
        last = [] if final or not log else [Text(f"  {log[: max(20, self.console.width - 4)]}", style="dim")]
        self.live.update(Group(head, table, *last), refresh=True)


class _LineDisplay:
    """One line for each change, and while nothing changes the newest line of the log now and then."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seen: dict[object, str] = {}
        self.told, self.printed = "", time.monotonic()

    def __enter__(self) -> _LineDisplay:
        return self

    def __exit__(self, *_exc: Any) -> None:
        pass

    def show(self, run: FlowRun, tasks: list[TaskRun], log: str) -> None:
        items: list[TaskRun | FlowRun] = [*tasks, run]
        for item in items:
            state = item.state_name or "Pending"
            if self.seen.get(item.id) != state and state not in ("Pending", "Scheduled"):
                self.seen[item.id] = state
                kind = "run" if isinstance(item, FlowRun) else "job" if _is_job(item) else "step"
                self._print(f"{kind} {_step(item)}: {state} {_seconds(item)}".rstrip())
        if log not in ("", self.told) and time.monotonic() - self.printed > _SILENT_SECONDS:
            self.told = log
            self._print(f"log {log}")

    def _print(self, line: str) -> None:
        print(line, file=self.console.file, flush=True)
        self.printed = time.monotonic()
