"""Every GitLab job as a Prefect task run of its own, beside the one that follows the build.

A mirror does nothing: it waits for what the follower reads, logs the job's lines, and takes the job's final state. So
jobs that run side by side in Jenkins do so in Prefect, and one poller feeds them all. None is left running: a mirror
that is cancelled says so, and `leftovers` ends those of a process that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import Context, ContextVar, copy_context
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed

from tasks.jenkins_build.outcome import Failure, StageStatus
from tasks.jenkins_build.reading import Display
from tasks.logs import Logger

_KEY = "gitlab_job"
"""What the task's key begins with. No tag: Prefect asks its server for a slot of every tag before a task run starts."""

MOST = 200
"""Jobs of a build that are mirrored; a build with more gets a table instead."""

Channel = asyncio.Queue["str | tuple[StageStatus, Failure | None] | None"]
"""What a mirror is told: lines; at last the job's end, or None: nobody saw it."""

_beside: ContextVar[Context | None] = ContextVar("smartclide-mirrors-beside", default=None)
_CLOSING_SECONDS = 10.0
LOST = "Nobody saw how it ended: this run stopped following the build."


@contextlib.contextmanager
def mirrors_here() -> Iterator[None]:
    """Mirrors that a task within makes stand beside it, not inside: there, its failure would roll them back."""
    token = _beside.set(copy_context())
    try:
        yield
    finally:
        _beside.reset(token)


class Plain:
    """Everything into one log: outside of a flow run, and for builds found again."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def begin(self, job: str) -> None:
        """Said by the reader already."""

    def send(self, job: str | None, text: str) -> None:
        """The lines."""
        self._log.info("%s", text)

    def end(self, job: str, status: StageStatus, failure: Failure | None) -> None:
        """Said by the reader already."""

    async def close(self) -> None:
        """Nothing is open."""


class Mirrors:
    """A task run a job. For use within a flow run."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._channels: dict[str, Channel] = {}
        self._runs: set[asyncio.Task[Any]] = set()

    def begin(self, job: str) -> None:
        """Start the job's task run."""
        if job in self._channels:
            return
        channel: Channel = asyncio.Queue()
        self._channels[job] = channel
        named = gitlab_job.with_options(task_run_name=lambda: job)
        beside = _beside.get()
        context = copy_context() if beside is None else beside.copy()
        run = asyncio.create_task(_shown(named, channel), name=f"mirror {job}", context=context)
        self._runs.add(run)

    def send(self, job: str | None, text: str) -> None:
        """Log lines in the job's task run; what is nobody's, or of a job that is over, in the follower's."""
        channel = self._channels.get(job) if job is not None else None
        if channel is None:
            self._log.info("%s", text)
        else:
            channel.put_nowait(text)

    def end(self, job: str, status: StageStatus, failure: Failure | None) -> None:
        """Give the job's task run its final state."""
        self.begin(job)
        self._channels.pop(job).put_nowait((status, failure))

    async def close(self) -> None:
        """End what is open as lost, and wait until every task run has its state."""
        for channel in self._channels.values():
            channel.put_nowait(None)
        self._channels.clear()
        if self._runs:
            await asyncio.wait(self._runs, timeout=_CLOSING_SECONDS)


@task(name="GitLab job", cache_policy=NO_CACHE, retries=0)
async def gitlab_job(channel: Channel) -> State[Any]:
    """Show one GitLab job: log what comes, until its end comes.

    The state is made here: one that is older than the run's own Running is not taken by Prefect's server.
    """
    logger = get_run_logger()
    try:
        while isinstance(item := await channel.get(), str):
            logger.info("%s", item)
    except asyncio.CancelledError:
        item = None
    return Cancelled(message=LOST) if item is None else final_state(*item)


async def _shown(named: Any, channel: Channel) -> None:
    """A mirror's failure is the job's: the build's verdict alone fails the flow."""
    await named(channel, return_state=True)


def final_state(status: StageStatus, failure: Failure | None = None) -> State[Any]:
    """Prefect's state for the end of a job."""
    why = ""
    if failure is not None:
        command = f", in the command `{failure.command}`" if failure.command else ""
        why = f"{failure.exit_line or 'failed'}{command}"
    if status == "failed":
        return Failed(message=why or "failed")
    if status == "aborted":
        return Cancelled(message="stopped with its build")
    if status == "unstable":
        return Completed(name="Unstable", message=f"failed, and is allowed to: {why}")
    if status == "skipped":
        return Completed(name="Skipped", message="did not run")
    return Completed(message="passed")


def is_job(run: TaskRun) -> bool:
    """Whether a task run shows a GitLab job."""
    return run.task_key.startswith(f"{_KEY}-")


def display(log: Logger, jobs: int) -> Display:
    """Task runs within a flow run, for up to `MOST` jobs; else one log."""
    return Mirrors(log) if FlowRunContext.get() is not None and jobs <= MOST else Plain(log)
