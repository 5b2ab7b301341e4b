"""One rollout at a time: a Lease per service in the cluster, whoever asks from wherever.

Expiry follows client-go's leader election: a holder is gone when its Lease has not changed for its duration *as
watched by us*; clocks of two machines are compared only with a wide margin, so that skew cannot steal a lock.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from errors import ConflictError, SmartClideError, UnavailableError
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.manifest import Manifest, namespace
from tasks.rollout.names import FIELD_MANAGER, MANAGED_BY, NAME, PART

_SKEW_SECONDS = 300.0
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds: how long a silent holder keeps the lock, how long to wait for it, how often to ask."""

    duration: float = 30.0
    wait: float = 900.0
    poll: float = 2.0


DEFAULT_TIMES = LeaseTimes()


def lease_name(service: str) -> str:
    """Name of a service's Lease."""
    return f"smartclide.{service}"


@asynccontextmanager
async def hold(
    client: ClusterClient, place: tuple[str, str], holder: str, times: LeaseTimes = DEFAULT_TIMES
) -> AsyncIterator[None]:
    """Hold the Lease of ``(namespace, service)`` while the body runs, renewing it in the background.

    When it cannot be renewed in time, or someone took it, the body is cancelled: it must not go on.

    Raises:
        ConflictError: Another holder kept it for all of ``times.wait``, or it was lost.
    """
    # unique: two rollouts of one flow run, or of runs of one name, exclude each other too
    lock = _Lock(client, place, f"{holder} [{uuid.uuid4().hex[:8]}]", times)
    await lock.acquire()
    body = asyncio.current_task()
    assert body is not None  # always inside a task  # noqa: S101
    renewal = asyncio.create_task(lock.renew(body))
    try:
        yield
    except asyncio.CancelledError:
        if lock.lost is None:
            raise
        body.uncancel()
        raise ConflictError(lock.lost, remedy="Look at the service's status, then deploy again.") from None
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal
        if lock.lost is None:
            await asyncio.shield(lock.release())


class _Lock:
    def __init__(self, client: ClusterClient, place: tuple[str, str], holder: str, times: LeaseTimes) -> None:
        self._client, self._holder, self._times = client, holder, times
        self._namespace, self._service = place
        self._held: Manifest = {}
        self.lost: str | None = None

    async def acquire(self) -> None:
        await asyncio.to_thread(self._client.ensure_namespace, namespace(self._namespace))
        deadline = time.monotonic() + self._times.wait
        seen, since = "", time.monotonic()
        while not await asyncio.to_thread(self._try, seen, time.monotonic() - since):
            spec = await self._spec()
            version = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
            if version != seen:
                seen, since = version, time.monotonic()
            if time.monotonic() > deadline:
                raise ConflictError(
                    f"Service {self._service} in namespace {self._namespace} is being rolled out by "
                    f"{spec.get('holderIdentity')} since {spec.get('acquireTime')}.",
                    remedy="Wait for that run to end, or cancel it.",
                )
            await asyncio.sleep(self._times.poll)

    async def _spec(self) -> Manifest:
        found = await asyncio.to_thread(self._client.find, "Lease", self._namespace, lease_name(self._service))
        spec: Manifest = (found or {}).get("spec") or {}
        return spec

    def _try(self, seen: str, unchanged: float) -> bool:
        """Take the Lease if it is free, ours, or its holder is gone; guarded by resourceVersion."""
        found = self._client.find("Lease", self._namespace, lease_name(self._service))
        try:
            if found is None:
                self._held = self._client.create(self._body({}))
            elif self._free(found.get("spec") or {}, seen, unchanged):
                self._held = self._client.replace(self._body(found))
            else:
                return False
        except ConflictError:
            return False
        return True

    def _free(self, spec: Manifest, seen: str, unchanged: float) -> bool:
        holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
        if not holder or not renewed:
            return True
        duration = float(spec.get("leaseDurationSeconds") or self._times.duration)
        if seen == f"{holder} {renewed}" and unchanged > duration:
            return True
        age = datetime.now(UTC) - datetime.fromisoformat(renewed.replace("Z", "+00:00"))
        return age.total_seconds() > duration + _SKEW_SECONDS

    def _body(self, found: Manifest) -> Manifest:
        now = datetime.now(UTC).strftime(_TIME)
        old = found.get("spec") or {}
        metadata: Manifest = {
            "name": lease_name(self._service),
            "namespace": self._namespace,
            "labels": {NAME: self._service, MANAGED_BY: FIELD_MANAGER, PART: "lease"},
        }
        if found:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": max(1, int(self._times.duration)),
                "acquireTime": old.get("acquireTime") if old.get("holderIdentity") == self._holder else now,
                "renewTime": now,
                "leaseTransitions": int(old.get("leaseTransitions") or 0)
                + (bool(old) and old.get("holderIdentity") != self._holder),
            },
        }

    async def renew(self, body: asyncio.Task[object]) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._times.duration / 3)
            try:
                self._held = await asyncio.to_thread(self._client.replace, self._body(self._held))
                renewed = time.monotonic()
            except UnavailableError as error:
                if time.monotonic() - renewed < self._times.duration * 2 / 3:
                    continue
                self.lost = f"The lock on {self._service} could not be renewed: {error.message}"
            except SmartClideError as error:
                self.lost = f"The lock on {self._service} was lost: {error.message}"
            if self.lost is not None:
                body.cancel()
                return

    async def release(self) -> None:
        """Give the Lease back at once; if that fails it expires by itself."""
        freed = self._body(self._held)
        del freed["spec"]["holderIdentity"]
        with suppress(SmartClideError):
            await asyncio.to_thread(self._client.replace, freed)
