"""Whose turn it is to deploy a service: one flow run at a time for each service of an Environment.

A turn is the one slot of a Prefect global concurrency limit, held by a lease that is renewed while the run lives: the
slot of a run that was killed is free after a minute, or at once where it can be told that the run is over. A Prefect
server that restarts may forget leases and keep their slots taken; so who holds a turn is also written into a Prefect
variable, with a beat, and whoever waits frees a slot whose holder beats no more. All this only queues: what must never
happen twice is excluded in Jenkins (the build key) and in the cluster (the Lease).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.variables import Variable

from errors import ConflictError, DeadlineError, SupersededError, UnavailableError
from tasks.claims import Claim, Note
from tasks.logs import Logger

T = TypeVar("T")
OnConflict = Literal["wait", "auto_cancel", "newest", "fail"]
_LOCKED, _GONE = 423, 410
_AWAY_SECONDS = 15.0  # after so long without an answer the server was away, and nobody could beat
_ANSWER_SECONDS = 30.0  # for which a look of the holder waits for its answers
_SETTLING_SECONDS = 8.0  # for giving a turn back while the run is being ended


@dataclass(frozen=True)
class TurnTimes:
    """Seconds.

    Attributes:
        lease: Until the slot of a run that was killed is free; Prefect takes no less than 60.
        renew: Between renewals, each with a beat.
        look: Between looks at who holds it, and at whether a newer run supersedes this one.
        stale: After which a turn whose holder did not beat is free.
        outage: For which the Prefect server may be out of reach.
    """

    lease: float = 60.0
    renew: float = 15.0
    look: float = 4.0
    stale: float = 75.0
    outage: float = 300.0


DEFAULT_TIMES = TurnTimes()


@dataclass
class Turn:
    """The turn of one run; made by `take_turn`."""

    claim: Claim
    log: Logger
    times: TurnTimes
    client: PrefectClient
    lease: UUID | None = None
    superseded: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _beats: int = 0
    _kept: bool = False
    _before: Note | None = None

    async def within(self, work: Awaitable[T]) -> T:
        """Do `work`; it is cancelled when a newer run supersedes this one.

        Raises:
            SupersededError: It was.
        """
        task: asyncio.Future[T] = asyncio.ensure_future(work)
        try:
            waited: set[asyncio.Future[Any]] = {task, self.superseded}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self.superseded.done():
            if not task.cancelled():
                task.exception()
            raise self._superseded_error()
        return await task

    def keep(self) -> None:
        """From here on this run is not superseded any more: it rolls out.

        Raises:
            SupersededError: It was before.
        """
        if self.superseded.done():
            raise self._superseded_error()
        self._kept = True

    def _superseded_error(self) -> SupersededError:
        return SupersededError(f"Superseded: flow run {self.superseded.result()} deploys {self.claim.what} instead.")

    async def acquire(self, on_conflict: OnConflict, limit_seconds: float) -> None:
        """Wait for the turn."""
        deadline, shown = time.monotonic() + limit_seconds, ""
        holder = await self._note("turn")
        changed = looked = time.monotonic()
        while not await self._taken(on_conflict, holder, time.monotonic() - changed):
            found, now = await self._note("turn"), time.monotonic()
            if found != holder or now - looked > _AWAY_SECONDS:  # nobody beats while the server is away
                holder, changed = found, now
            looked = now
            name = holder.run_name if holder else "another run"
            age = time.monotonic() - changed
            # the note of the last holder stays until the next one has written its own: not at the first look
            if age > self.times.stale or (age > self.times.look and holder and await self._over(holder)):
                self.log.warning("flow run %s had the turn of %s, but is gone: freed", name, self.claim.what)
                await self._free(holder)
                if await self._try():
                    break
                changed = time.monotonic()
            if on_conflict == "fail":
                raise ConflictError(f"{self.claim.what} is being deployed by flow run {name}.", remedy="Try later.")
            if time.monotonic() > deadline:
                raise DeadlineError(f"{self.claim.what} is still being deployed by flow run {name}.")
            await self._look_for_newer()
            if self.superseded.done():
                raise self._superseded_error()
            if shown != name:
                self.log.info("waits: %s is being deployed by flow run %s", self.claim.what, name)
                shown = name
            await asyncio.sleep(self.times.look)
        self._before = holder
        await self._beat()

    async def _taken(self, on_conflict: OnConflict, holder: Note | None, unchanged: float) -> bool:
        """Take the slot, unless a run seems to hold it that lives: after an outage its slot may look free."""
        held = holder is not None and holder.lease and unchanged <= 2 * self.times.renew
        if held and on_conflict != "fail" and holder is not None and not await self._over(holder):
            return False
        return await self._try()

    async def hold(self) -> None:
        """Renew and look, until cancelled. Losing touch with the Prefect server ends nothing that is under way.

        Nothing is tried again by Prefect's client, whose pauses grow: a server that is back frees what was not renewed.
        """
        renewed, told = time.monotonic(), False
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            while True:
                await asyncio.sleep(self.times.look)
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        if time.monotonic() - renewed >= self.times.renew:
                            await self._renew()
                            await self._beat()
                            renewed, told = time.monotonic(), False
                        if not self._kept:
                            await self._look_for_newer()
                except (httpx.HTTPError, UnavailableError, TimeoutError) as error:
                    if not told:
                        self.log.warning("The turn of %s is not renewed: %s", self.claim.what, type(error).__name__)
                    told = True

    async def lost(self) -> UUID | None:
        """The run that had the turn before, when its process was lost and it may have left something open."""
        before = self._before
        if before is None or not before.lease or before.run_id == self.claim.run_id:
            return None
        try:
            run = await self.client.read_flow_run(UUID(before.run_id))
        except (ObjectNotFound, ValueError, httpx.HTTPError):
            return None
        if run.state is not None and run.state.is_final():
            return run.id if run.state.is_crashed() else None
        return run.id if before.ended() else None

    async def give_back(self) -> None:
        """Free the slot, for the next run."""
        try:
            async with asyncio.timeout(_SETTLING_SECONDS):
                await self._renew()  # a server that restarted would free nothing for a lease it forgot
                if self.lease is not None:
                    await self._write("turn", self.claim.note(self._beats + 1))  # no lease: given back
                    await self.client.release_concurrency_slots_with_lease(self.lease)
        except (httpx.HTTPError, TimeoutError) as error:
            self.log.warning(
                "The turn of %s is free in %.0f s only: %s", self.claim.what, self.times.lease, type(error).__name__
            )

    async def announce(self, on_conflict: OnConflict) -> None:
        """Say that this run supersedes those before it: all, or those whose pipelines let it."""
        if on_conflict in ("newest", "auto_cancel"):
            await self._write(on_conflict, self.claim.note())

    async def _look_for_newer(self) -> None:
        if self.superseded.done():
            return
        newer = await self._note("newest")
        if not self.claim.yields_to(newer) and self.claim.stops_for_newer():
            asking = await self._note("auto_cancel")
            newer = asking if asking is not None and asking.ref == self.claim.ref else None
        if newer is not None and self.claim.yields_to(newer):
            self.superseded.set_result(newer.run_name)

    async def _try(self) -> bool:
        began = time.monotonic()
        while True:
            try:
                answer = await self.client.increment_concurrency_slots_with_lease(
                    names=[self.claim.limit], slots=1, mode="concurrency", lease_duration=self.times.lease
                )
            except httpx.HTTPStatusError as error:
                if error.response.status_code != _LOCKED:
                    raise
                return False
            except httpx.TransportError as error:
                if time.monotonic() - began > self.times.outage:
                    raise UnavailableError("The Prefect server is out of reach.") from error
                await asyncio.sleep(self.times.look)
                continue
            found = answer.json()
            if not found.get("limits"):
                await self.ensure_limit()
                continue
            self.lease = UUID(found["lease_id"])
            return True

    async def _renew(self) -> None:
        if self.lease is None:
            return
        try:
            await self.client.renew_concurrency_lease(self.lease, self.times.lease)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != _GONE:
                raise
            self.lease = None
            holder = await self._note("turn")
            if holder is None or holder.run_id == self.claim.run_id:  # forgotten by a restart: ours still
                await self._free(holder)
                await self._try()
            if self.lease is None:
                self.log.warning("The turn of %s passed to another run meanwhile.", self.claim.what)

    async def _over(self, holder: Note) -> bool:
        """Whether the run that has the turn is known to be over: by its process or by its state."""
        if holder.ended() or holder.run_id == self.claim.run_id:
            return True
        try:
            state = (await self.client.read_flow_run(UUID(holder.run_id))).state
        except (ObjectNotFound, ValueError):
            return False
        return state is not None and state.is_final()

    async def _free(self, holder: Note | None) -> None:
        """Take back a slot whose holder is gone, with its lease: that would free the next holder's when it expires."""
        if holder and holder.lease:
            await self.client.release_concurrency_slots_with_lease(UUID(holder.lease))
        if (await self.client.read_global_concurrency_limit_by_name(self.claim.limit)).active_slots:
            free = GlobalConcurrencyLimitUpdate(active_slots=0)
            await self.client.update_global_concurrency_limit(self.claim.limit, free)

    async def _beat(self) -> None:
        if self.lease is not None:
            self._beats += 1
            await self._write("turn", self.claim.note(self._beats, self.lease))

    async def _write(self, kind: str, note: Note) -> None:
        await Variable.aset(self.claim.variable(kind), json.dumps(asdict(note)), overwrite=True)

    async def _note(self, kind: str) -> Note | None:
        found = await Variable.aget(self.claim.variable(kind))
        return Note(**json.loads(found)) if isinstance(found, str) else None

    async def ensure_limit(self) -> None:
        """Make the limit: Prefect lets everybody pass where there is none.

        It is looked for first: to have one refused leaves a traceback in the log of Prefect's server each time.
        """
        try:
            await self.client.read_global_concurrency_limit_by_name(self.claim.limit)
        except ObjectNotFound:
            with suppress(ObjectAlreadyExists):
                await self.client.create_global_concurrency_limit(
                    GlobalConcurrencyLimitCreate(name=self.claim.limit, limit=1)
                )


@asynccontextmanager
async def take_turn(
    claim: Claim, on_conflict: OnConflict, limit_seconds: float, log: Logger, times: TurnTimes = DEFAULT_TIMES
) -> AsyncIterator[Turn]:
    """Wait until no other run deploys the service, and keep others waiting meanwhile.

    Args:
        claim: Who, and what.
        on_conflict: While another run deploys it: ``wait`` for it; ``newest``: have it stop, unless it rolls out
            already; ``auto_cancel``: the same, if it is of the same ref and its pipeline lets it; ``fail``.
        limit_seconds: How long to wait at most.
        log: Where to say for whom it waits.
        times: See there.

    Raises:
        ConflictError: Another run deploys it, and `on_conflict` is ``fail``.
        SupersededError: A newer run supersedes this one.
        DeadlineError: The other run took too long.
    """
    async with get_client() as client:
        turn = Turn(claim, log, times, client)
        await turn.ensure_limit()
        await turn.announce(on_conflict)
        await turn.acquire(on_conflict, limit_seconds)
        holding = asyncio.ensure_future(turn.hold())
        try:
            yield turn
        finally:
            holding.cancel()
            with suppress(asyncio.CancelledError):
                await holding
            await asyncio.shield(asyncio.ensure_future(turn.give_back()))
