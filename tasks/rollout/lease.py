"""One rollout at a time: a Lease per service in the cluster, whoever asks from wherever.

Expiry follows client-go's leader election: a holder is gone when its Lease has not changed for its duration *as
watched by us*; clocks of two machines are compared only with a wide margin, so that skew cannot steal a lock.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from errors import ConflictError, SmartClideError, UnavailableError
from tasks.rollout.cluster import ClusterClient
from tasks.rollout.manifest import Manifest, namespace
from tasks.rollout.names import FIELD_MANAGER, MANAGED_BY, NAME, PART

_SKEW_SECONDS = 300.0
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_T = TypeVar("_T")


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds.

    Attributes:
        duration: How long a silent holder keeps the lock.
        wait: How long to wait for another holder to end.
        poll: How often to ask.
        outage: How long a server that does not answer is waited for, when taking the lock or making sure of it.
    """

    duration: float = 30.0
    wait: float = 900.0
    poll: float = 2.0
    outage: float = 30.0


DEFAULT_TIMES = LeaseTimes()


def lease_name(service: str) -> str:
    """Name of a service's Lease."""
    return f"smartclide.{service}"


@asynccontextmanager
async def hold(
    client: ClusterClient, place: tuple[str, str], holder: str, times: LeaseTimes = DEFAULT_TIMES
) -> AsyncIterator[Held]:
    """Hold the Lease of ``(namespace, service)`` while the body runs, renewing it in the background.

    When someone took it, the body is cancelled: it must not go on. A server that does not answer is no such sign: the
    body goes on waiting, and makes sure of the Lease (`Held.confirm`) before it changes anything.

    Raises:
        ConflictError: Another holder kept it for all of ``times.wait``, or it was lost.
        UnavailableError: The server did not answer for all of ``times.outage``.
    """
    # unique: two rollouts of one flow run, or of runs of one name, exclude each other too
    held = Held(client, place, f"{holder} [{uuid.uuid4().hex[:8]}]", times)
    await held.acquire()
    body = asyncio.current_task()
    assert body is not None  # always inside a task  # noqa: S101
    renewal = asyncio.create_task(held.keep(body))
    try:
        yield held
    except asyncio.CancelledError:
        if held.lost is None:
            raise
        body.uncancel()
        raise ConflictError(held.lost, remedy="Look at the service's status, then deploy again.") from None
    finally:
        renewal.cancel()
        with suppress(asyncio.CancelledError):
            await renewal
        if held.lost is None:
            await asyncio.shield(held.release())


class Held:
    """A Lease, held.

    Attributes:
        lost: Why it is no longer held, or None.
        discard: Whether to delete the Lease once it is released: nothing is left of the service.
    """

    def __init__(self, client: ClusterClient, place: tuple[str, str], holder: str, times: LeaseTimes) -> None:
        self._client, self._holder, self._times = client, holder, times
        self._namespace, self._service = place
        self._last: Manifest = {}
        self._renewed = 0.0
        self._one = asyncio.Lock()
        self.lost: str | None = None
        self.discard = False

    async def acquire(self) -> None:
        """Take the Lease when it is free."""
        await self._patiently(self._client.ensure_namespace, namespace(self._namespace))
        deadline = time.monotonic() + self._times.wait
        seen, since = "", time.monotonic()
        while not await self._patiently(self._try, seen, time.monotonic() - since):
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
        self._renewed = time.monotonic()

    async def confirm(self) -> None:
        """Make sure that the Lease is still ours, before a change: renew it unless that was done lately.

        Raises:
            ConflictError: It was lost.
            UnavailableError: The server did not answer for all of ``times.outage``.
        """
        if self.lost is None and time.monotonic() - self._renewed > self._times.duration * 2 / 3:
            async with self._one:
                await self._patiently(self._renew)
        if self.lost is not None:
            raise ConflictError(self.lost, remedy="Look at the service's status, then deploy again.")

    async def _patiently(self, work: Callable[..., _T], *arguments: object) -> _T:
        deadline = time.monotonic() + self._times.outage
        while True:
            try:
                return await asyncio.to_thread(work, *arguments)
            except UnavailableError as error:
                pause = max(error.retry_after or 0.0, self._times.poll)
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    async def _spec(self) -> Manifest:
        found = await self._patiently(self._client.find, "Lease", self._namespace, lease_name(self._service))
        spec: Manifest = (found or {}).get("spec") or {}
        return spec

    def _try(self, seen: str, unchanged: float) -> bool:
        """Take the Lease if it is free, ours, or its holder is gone; guarded by resourceVersion."""
        found = self._client.find("Lease", self._namespace, lease_name(self._service))
        try:
            if found is None:
                self._last = self._client.create(self._body({}))
            elif self._free(found.get("spec") or {}, seen, unchanged):
                self._last = self._client.replace(self._body(found))
            else:
                return False
        except ConflictError:
            return False
        return True

    def _free(self, spec: Manifest, seen: str, unchanged: float) -> bool:
        holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
        if not holder or not renewed or holder == self._holder:  # ours: the answer to taking it was lost
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

    def _renew(self) -> None:
        """Renew; sets `lost` when someone else has it.

        Raises:
            UnavailableError: Nothing is known.
        """
        try:
            self._last = self._client.replace(self._body(self._last))
        except ConflictError as error:  # taken, or the answer to our own last write was lost
            found = self._client.find("Lease", self._namespace, lease_name(self._service))
            if found is None or (found.get("spec") or {}).get("holderIdentity") != self._holder:
                self.lost = f"The lock on {self._service} was lost: {error.message}"
                return
            self._last = self._client.replace(self._body(found))
        except UnavailableError:
            raise
        except SmartClideError as error:
            self.lost = f"The lock on {self._service} was lost: {error.message}"
            return
        self._renewed = time.monotonic()

    async def keep(self, body: asyncio.Task[object]) -> None:
        """Renew in time, again and again; cancel `body` when the Lease is lost."""
        pause = self._times.duration / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._times.duration / 3
            try:
                async with self._one:
                    await asyncio.to_thread(self._renew)
            except UnavailableError:
                pause = min(self._times.poll, pause)
            if self.lost is not None:
                body.cancel()
                return

    async def release(self) -> None:
        """Give the Lease back at once; if that fails it expires by itself."""
        with suppress(SmartClideError):
            await asyncio.to_thread(self._release)

    def _release(self) -> None:
        try:
            freed = self._client.replace(_without_holder(self._body(self._last)))
        except ConflictError:
            found = self._client.find("Lease", self._namespace, lease_name(self._service)) or {}
            if (found.get("spec") or {}).get("holderIdentity") != self._holder:
                return
            freed = self._client.replace(_without_holder(self._body(found)))
        if self.discard:  # unless someone took it just now
            version = freed["metadata"]["resourceVersion"]
            self._client.delete("Lease", self._namespace, lease_name(self._service), version)


def _without_holder(body: Manifest) -> Manifest:
    del body["spec"]["holderIdentity"]
    return body
