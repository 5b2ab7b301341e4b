"""The order of the rollout's tasks, under one Lease: roll out (and back on failure), roll back, undeploy.

Called by flows, in a flow run; every effect is a task of `task`.
"""

from __future__ import annotations

from dataclasses import replace

from blocks.cluster import Cluster
from blocks.image_registry import ImageRegistry
from errors import RolloutFailedError, SmartClideError
from tasks.rollout import history, operations
from tasks.rollout.history import ReleaseRecord
from tasks.rollout.lease import DEFAULT_TIMES, LeaseTimes
from tasks.rollout.names import Identity
from tasks.rollout.release import Outcome, Release, again, utc_now
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

    async def roll_out(self, release: Release, holder: str, times: LeaseTimes = DEFAULT_TIMES) -> Outcome:
        """Roll `release` out, unless it runs already; undo it when it fails and there is a good one to go back to.

        Raises:
            RolloutFailedError: It did not get running; the message says why and what was done about it.
            ConflictError: Another rollout holds the service, or its name is taken.
        """
        async with self._lease(holder, times):
            known = await list_releases(self._cluster, self._identity)
            current = history.deployed(known)
            if current is not None and await self._runs(current, release):
                return Outcome(
                    "already-deployed", current, f"{self._what} is already deployed as revision {current.revision}"
                )
            await self._close_abandoned(known)
            record = release.record(history.next_revision(known))
            try:
                record = await self._carry_out(record)
            except RolloutFailedError as error:
                await self._undo(record, current, error)
                raise
            return Outcome("deployed", record, f"{self._what} is deployed as revision {record.revision}")

    async def roll_back(
        self, holder: str, to_revision: int | None = None, flow_run_id: str = "", times: LeaseTimes = DEFAULT_TIMES
    ) -> Outcome:
        """Take an earlier revision's manifests up again, as a new revision.

        Args:
            holder: Who, for the Lease.
            to_revision: Which; default: the last good one before the one that runs.
            flow_run_id: For the record.
            times: Seconds of the Lease.

        Raises:
            NotFoundError: No such revision, or none before.
            RolloutFailedError: It does not get running either; it is left as it is.
        """
        async with self._lease(holder, times):
            known = await list_releases(self._cluster, self._identity)
            old = operations.choose(known, to_revision)
            await self._close_abandoned(known)
            record = again(old, history.next_revision(known), flow_run_id)
            try:
                record = await self._carry_out(record)
            except RolloutFailedError as error:
                await self._close(record, "failed", str(error.cause or error.message))
                raise
            message = f"{self._what} is back at revision {old.revision}, as revision {record.revision}"
            return Outcome("rolled-back", record, message)

    async def undeploy(self, holder: str, *, purge: bool = False, times: LeaseTimes = DEFAULT_TIMES) -> tuple[str, ...]:
        """Delete what we own of the service; its history stays, marked ``uninstalled``, unless `purge`."""
        async with self._lease(holder, times):
            return await delete_objects(self._cluster, self._identity, purge=purge)

    def _lease(self, holder: str, times: LeaseTimes):  # type: ignore[no-untyped-def]  # the context manager's own type
        return hold_lease(self._cluster, self._identity.namespace, self._identity.service, holder, times)

    @property
    def _what(self) -> str:
        return f"{self._identity.service} in namespace {self._identity.namespace}"

    async def _runs(self, current: ReleaseRecord, release: Release) -> bool:
        """Whether the release in question is the one that runs, and is healthy."""
        if current.release_key != release.origin.release_key:
            return False
        found = await service_status(self._cluster, self._identity)
        return found.state in {"running", "stopped"} and found.revision == current.revision

    async def _carry_out(self, record: ReleaseRecord) -> ReleaseRecord:
        """Record, apply, wait, record. An apply that is refused changes nothing and is recorded as failed."""
        await record_release(self._cluster, self._identity, record)
        try:
            await apply_release(self._cluster, self._registry, self._identity, record.manifests)
            await wait_for_rollout(self._cluster, self._identity, record.revision, self._timeout)
        except RolloutFailedError:  # the caller knows what to do about it
            raise
        except SmartClideError as error:
            await self._close(record, "failed", str(error))
            raise
        return await self._close(record, "deployed")

    async def _undo(self, failed: ReleaseRecord, good: ReleaseRecord | None, error: RolloutFailedError) -> None:
        """Go back to `good`, if there is one; add to the error what was done."""
        cause = str(error.cause or error.message)
        await self._close(failed, "failed", cause)
        if good is None:
            error.message += " It is the first release, and was left for inspection."
            return
        back = again(good, failed.revision + 1, failed.flow_run_id)
        try:
            back = await self._carry_out(back)
        except SmartClideError as second:
            await self._close(back, "failed", str(second))
            error.message += f" Going back to revision {good.revision} failed too: {second.message}"
            return
        await self._close(failed, "rolled-back", cause)
        error.message += f" Rolled back to revision {good.revision}, as revision {back.revision}."

    async def _close(self, record: ReleaseRecord, state: history.State, cause: str = "") -> ReleaseRecord:
        return await record_release(
            self._cluster, self._identity, replace(record, state=state, cause=cause, finished=utc_now())
        )

    async def _close_abandoned(self, known: tuple[ReleaseRecord, ...]) -> None:
        """Who holds the Lease knows that no other run is alive: ``pending`` records are of runs that died."""
        for record in known:
            if record.state == "pending":
                await self._close(record, "failed", "The run that began this rollout ended without finishing it.")
