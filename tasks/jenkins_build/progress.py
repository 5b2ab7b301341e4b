"""How far a build is: a progress artifact of the run, and for builds of very many jobs a table of them."""

from __future__ import annotations

import time
from uuid import UUID

import httpx
from prefect.artifacts import acreate_progress_artifact, acreate_table_artifact, aupdate_progress_artifact
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectHTTPStatusError

from tasks.jenkins_build.console import Console
from tasks.logs import Logger

_PAUSE = 2.0
_TABLE_PAUSE = 15.0


class Progress:
    """Tells Prefect at most every few seconds. A Prefect that does not answer stops nothing.

    Args:
        jobs: How many jobs the build has, as far as is known.
        table: Whether to list the jobs in a table, too: they have no task runs.
    """

    def __init__(self, log: Logger, jobs: int, *, table: bool) -> None:
        self._log, self._jobs, self._table = log, jobs, table
        self._artifact: UUID | None = None
        self._shown = -1.0
        self._next = self._next_table = 0.0
        self._off = FlowRunContext.get() is None

    async def show(self, console: Console, description: str, *, ended: bool = False) -> None:
        """Bring the artifacts up to date, if it is time to."""
        now = time.monotonic()
        if self._off or (now < self._next and not ended):
            return
        self._next = now + _PAUSE
        done = len(console.stages) - len(console.running)
        share = 100.0 if ended else min(99.0, round(100.0 * done / max(self._jobs, len(console.stages), 1), 1))
        try:
            if share != self._shown:
                await self._progress(share, description)
            if self._table and (now >= self._next_table or ended):
                self._next_table = now + _TABLE_PAUSE
                rows = [{"job": name, "status": status} for name, status in console.stages.items()]
                await acreate_table_artifact(rows, key="build-jobs", description=description)
        except (httpx.HTTPError, PrefectHTTPStatusError) as error:
            self._off = True
            self._log.warning("Prefect takes no more progress of the build: %s", error)

    async def _progress(self, share: float, description: str) -> None:
        if self._artifact is None:
            made = await acreate_progress_artifact(share, key="build-progress", description=description)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            await aupdate_progress_artifact(self._artifact, share)
        self._shown = share
