"""The order of the rollout's tasks, under one Lease: roll out (and back on failure), roll back, undeploy.

Called by flows; every effect is a task of `task`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from prefect.exceptions import TerminationSignal

from blocks.cluster import Cluster
from blocks.image_registry import ImageRegistry
from errors import ConflictError, RolloutFailedError, SmartClideError, then
from tasks.logs import task_logger
from tasks.rollout import history, operations
from tasks.rollout.cluster import in_thread
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.lease import DEFAULT_TIMES, Held, LeaseTimes
from tasks.rollout.names import Identity
from tasks.rollout.release import Outcome, Release, reissue, utc_now
from tasks.rollout.task import (
    apply_release,
    delete_objects,
    hold_lease,
    list_releases,
    record_release,
    service_status,
    wait_for_rollout,
)


class Rollouts:
    """Rollouts of one service on one cluster, each exclusive.

    Args:
        cluster: Where.
        registry: Whose login the pods pull with, or None.
        identity: Which service.
        timeout_seconds: How long one rollout (and one rollback) may take.
    """

    def __init__(
        self, cluster: Cluster, registry: ImageRegistry | None, identity: Identity, timeout_seconds: float = 600.0
    ) -> None:
        self._cluster, self._registry = cluster, registry
        self._identity, self._timeout = identity, timeout_seconds

    async def roll_out(
        self, release: Release, holder: str, times: LeaseTimes = DEFAULT_TIMES, *, again: bool = False
    ) -> Outcome:
        """Roll `release` out, unless it runs already; undo it when it fails and there is a good one to go back to.

        Args:
            release: What.
            holder: Who, for the Lease.
            times: Seconds of the Lease.
            again: Also a release that was rolled back by hand, and nothing else deployed since. Without, it is
                refused: a schedule or a webhook must not undo what a person decided
                (argoproj-labs/argocd-image-updater#1249).

        Raises:
            RolloutFailedError: It did not get running; the message says why and what was done about it.
            ConflictError: Another rollout holds the service, its name is taken, or it was rolled back by hand.
        """
        async with self._lease(holder, times) as held:
            known = await list_releases(self._cluster, self._identity)
            current = history.deployed(known)
            if current is not None and await self._runs(current, release):
                return Outcome(
                    "already-deployed", current, f"{self._what} is already deployed as revision {current.revision}"
                )
            if not again:
                self._refuse_left(known, release)
            await self._close_abandoned(known)
            record = release.record(history.next_revision(known))
            try:
                record = await self._carry_out(record, held)
            except RolloutFailedError as error:
                await self._undo(record, current, error, held)
                raise
            return Outcome("deployed", record, f"{self._what} is deployed as revision {record.revision}")

    async def roll_back(
        self, holder: str, to_revision: int | None = None, flow_run_id: str = "", times: LeaseTimes = DEFAULT_TIMES
    ) -> Outcome:
        """Take an earlier revision's manifests up again, as a new revision.

        Args:
            holder: Who, for the Lease.
            to_revision: Which; default: the last good one that is another release than what runs.
            flow_run_id: For the record.
            times: Seconds of the Lease.

        Raises:
            NotFoundError: No such revision, or none before.
            RolloutFailedError: It does not get running either; it is left as it is.
        """
        async with self._lease(holder, times) as held:
            known = await list_releases(self._cluster, self._identity)
            old = operations.choose(known, to_revision)
            await self._close_abandoned(known)
            record = reissue(old, history.next_revision(known), flow_run_id, leaving=history.deployed(known))
            try:
                record = await self._carry_out(record, held, patient=True)
            except RolloutFailedError as error:
                await self._close_if_possible(record, "failed", str(error.cause or error.message))
                raise
            message = f"{self._what} is back at revision {old.revision}, as revision {record.revision}"
            return Outcome("rolled-back", record, message)

    async def undeploy(
        self,
        holder: str,
        *,
        purge: bool = False,
        elsewhere: Callable[[], Awaitable[Sequence[str]]] | None = None,
        times: LeaseTimes = DEFAULT_TIMES,
    ) -> tuple[str, ...]:
        """Delete what we own of the service; its history stays, marked ``uninstalled``, unless `purge`.

        Args:
            holder: Who, for the Lease.
            purge: Delete the history too, last of all: while it is there the service is found, so that a purge that
                failed can be repeated.
            elsewhere: Removes what a purge takes away besides, and says what.
            times: Seconds of the Lease.
        """
        async with self._lease(holder, times) as held:
            deleted = await delete_objects(self._cluster, self._identity)
            if not purge:
                return deleted
            try:
                deleted += tuple(await elsewhere()) if elsewhere else ()
            except SmartClideError as error:
                so_far = f" Deleted before that: {', '.join(deleted)}." if deleted else ""
                error.message += f"{so_far} The history is kept: repeat the purge when that is mended."
                raise
            deleted += await delete_objects(self._cluster, self._identity, purge=True)
            held.discard = True
            return deleted

    def _lease(self, holder: str, times: LeaseTimes) -> AbstractAsyncContextManager[Held]:
        return hold_lease(self._cluster, self._identity.namespace, self._identity.service, holder, times)

    def _refuse_left(self, known: tuple[ReleaseRecord, ...], release: Release) -> None:
        back = history.left_by_hand(known, release.origin.release_key)
        if back is not None:
            raise ConflictError(
                f"This release of {self._what} was rolled back by hand: revision {back.revision} runs instead.",
                remedy="Deploy another commit, or this one again with the option Redeploy (--redeploy).",
            )

    @property
    def _what(self) -> str:
        return f"{self._identity.service} in namespace {self._identity.namespace}"

    async def _runs(self, current: ReleaseRecord, release: Release) -> bool:
        """Whether the release in question is the one that runs, and is healthy."""
        if current.release_key != release.origin.release_key:
            return False
        found = await service_status(self._cluster, self._identity)
        return found.state in {"running", "stopped"} and found.revision == current.revision

    async def _carry_out(self, record: ReleaseRecord, held: Held, *, patient: bool = False) -> ReleaseRecord:
        """Record, apply, wait, record. An apply that is refused changes nothing and is recorded as failed.

        On the way back the Deployment's own deadline does not count: it was chosen to give a bad release up soon.
        """
        async with self._named_when_cancelled(record, "beginning", held):
            await record_release(self._cluster, self._identity, record)
        try:
            async with self._named_when_cancelled(record, "applying its objects", held):
                await held.confirm()
                await apply_release(self._cluster, self._registry, self._identity, record.manifests)
            async with self._named_when_cancelled(record, "waiting for its pods", held):
                await wait_for_rollout(self._cluster, self._identity, record.revision, self._timeout, patient=patient)
                await held.confirm()
        except RolloutFailedError:  # the caller knows what to do about it
            raise
        except SmartClideError as error:
            if held.lost is None:
                await self._close_if_possible(record, "failed", str(error))
            raise
        return await self._close(record, "deployed")

    @asynccontextmanager
    async def _named_when_cancelled(self, record: ReleaseRecord, doing: str, held: Held) -> AsyncIterator[None]:
        """Cancelling leaves the cluster as it is, and says so in the record.

        Not by a task: Prefect runs none in a flow run that is being cancelled. `TerminationSignal` is what SIGTERM
        raises in whatever runs at that moment; `asyncio.run` turns it into a cancellation of the rest.
        """
        try:
            yield
        except (asyncio.CancelledError, TerminationSignal):
            if held.lost is None:
                why = f"Cancelled while {doing}; the cluster was left as it was then."
                await asyncio.shield(asyncio.ensure_future(self._close_untracked(record, why)))
            raise

    async def _close_untracked(self, record: ReleaseRecord, cause: str) -> None:
        closed = replace(record, state="failed", cause=cause, finished=utc_now())
        try:
            await in_thread(self._cluster, lambda c: operations.record(c, self._identity, closed))
        except SmartClideError as error:
            task_logger().warning("Revision %d stays recorded as pending: %s", record.revision, error.message)

    async def _undo(
        self, failed: ReleaseRecord, good: ReleaseRecord | None, error: RolloutFailedError, held: Held
    ) -> None:
        """Go back to `good`, if there is one; add to the error what was done."""
        cause = str(error.cause or error.message)
        await held.confirm()
        await self._close(failed, "failed", cause)
        if good is None:
            error.message = then(error.message, "It is the first release, and was left for inspection.")
            return
        back = reissue(good, failed.revision + 1, failed.flow_run_id)
        try:
            back = await self._carry_out(back, held, patient=True)
        except SmartClideError as second:
            if held.lost is None:
                await self._close_if_possible(back, "failed", str(second))
            error.message = then(error.message, f"Going back to revision {good.revision} failed too: {second.message}")
            return
        await self._close(failed, "rolled-back", cause)
        back_at = f"Rolled back to revision {good.revision}, as revision {back.revision}."
        error.message = then(error.message, back_at)

    async def _close_if_possible(self, record: ReleaseRecord, state: history.State, cause: str) -> None:
        """Close a record when there is another error to tell already, which this one must not hide."""
        try:
            await self._close(record, state, cause)
        except SmartClideError as error:
            task_logger().warning("Revision %d stays recorded as pending: %s", record.revision, error.message)

    async def _close(self, record: ReleaseRecord, state: history.State, cause: str = "") -> ReleaseRecord:
        return await record_release(
            self._cluster, self._identity, replace(record, state=state, cause=cause, finished=utc_now())
        )

    async def _close_abandoned(self, known: tuple[ReleaseRecord, ...]) -> None:
        """Who holds the Lease knows that no other run is alive: ``pending`` records are of runs that died."""
        for record in known:
            if record.state == "pending":
                await self._close(record, "failed", "The run that began this rollout ended without finishing it.")
