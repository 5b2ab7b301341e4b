"""Follows one Jenkins build from the queue to its end, and stops it when the run is cancelled or too late.

Talks to Jenkins through `tasks.jenkins_build.polling` only; every wait has a deadline on the monotonic clock.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from errors import BuildFailedError, DeadlineError, NotFoundError, UnavailableError
from tasks.jenkins_build.approvals import Approvals, Ask
from tasks.jenkins_build.console import Console
from tasks.jenkins_build.inputs import Inputs
from tasks.jenkins_build.outcome import (
    BuildOutcome,
    BuildRef,
    StageOutcome,
    counting,
    failed_error,
    passed,
    read_image,
)
from tasks.jenkins_build.pacing import next_look, quiet_left
from tasks.jenkins_build.polling import Poller
from tasks.jenkins_build.reports import read_report
from tasks.jenkins_build.server import QUIET_SECONDS, BuildState, Jenkins
from tasks.jenkins_build.stopping import stop_build, stop_undisturbed
from tasks.jenkins_build.watching import Watch, Watching
from tasks.logs import Logger

T = TypeVar("T")
_QUEUE_PAUSE = 15.0  # between looks at why a step of the build waits
_IMAGE = "image.json"
_BACKOFF = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Limits:
    """Seconds.

    Attributes:
        queue: Until the build must have left the queue.
        build: Until it must have ended, from then on, without the time it waits for somebody's approval.
        approval: How long somebody's answer is waited for; then it is a "no".
        silence: How long it may write nothing while a job of it runs; 0 = any time.
        outage: How long Jenkins may be out of reach in between (it restarts, and the build goes on).
        poll: Shortest and longest pause between two looks at a build; see `tasks.jenkins_build.pacing`.
    """

    queue: float = 900.0
    build: float = 3600.0
    approval: float = 3600.0
    silence: float = 1800.0
    outage: float = 300.0
    poll: tuple[float, float] = (0.3, 2.5)


@dataclass
class Follower:
    """Follows the build `ref`; `ref` is kept up to date with the build's number and address."""

    poller: Poller
    ref: BuildRef
    limits: Limits
    log: Logger
    ask: Ask | None = None
    watch: Watch = field(default_factory=Watch)
    _approvals: Approvals | None = None
    _watching: Watching | None = None
    _looked_at_queue: float = 0.0
    _estimate: float | None = None
    _down_since: float | None = None
    _faults: int = 0

    @property
    def jenkins(self) -> Jenkins:
        """The Jenkins of the poller."""
        return self.poller.jenkins

    async def follow(self) -> BuildOutcome:
        """Wait for the build's end.

        Raises:
            BuildFailedError: It did not pass; carries the outcome.
            DeadlineError: It took too long, and was stopped.
            NotFoundError: The queue item vanished without a build; to be triggered again.
            UnavailableError: Jenkins was out of reach for longer than `Limits.outage`.
        """
        try:
            with self.poller.queueing():
                number = await self._leave_queue()
            with self.poller.following():
                state = await self._to_end(await self._that_counts(number))
            return await self._outcome(state)
        except DeadlineError:
            await stop_build(self.jenkins, self.ref, self.log)
            raise
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit) as error:
            self.log.warning("cancelled (%s): stopping %s", type(error).__name__, self.ref)
            try:
                await stop_undisturbed(self.jenkins, self.ref, self.log)
            finally:
                await self._close_approvals("cancelled")
            raise
        except BaseException as error:
            if not isinstance(error, (Exception, GeneratorExit)):  # Prefect's TerminationSignal
                await stop_undisturbed(self.jenkins, self.ref, self.log)
            raise
        finally:
            await self._close_approvals("elsewhere")
            if self._watching is not None:
                await self._watching.close()

    async def _leave_queue(self) -> int:
        deadline, shown, pause = time.monotonic() + self.limits.queue, "", self.limits.poll[0]
        if self.ref.fresh:
            await asyncio.sleep(QUIET_SECONDS)
        while self.ref.number is None:
            why = await self._tolerant(self._look_into_queue)
            if why and _steady(why) != shown:
                self.log.info("%s waits: %s", self.ref.job, why)
                shown = _steady(why)
            if self.ref.number is None:
                if time.monotonic() > deadline:
                    raise self._queued_too_long(shown)
                quiet = quiet_left(why)
                await asyncio.sleep(pause if quiet is None else quiet + 0.02)
                pause = min(pause * 1.3, self.limits.poll[1])
        self.log.info("build %s: %s", self.ref, self.ref.url)
        return self.ref.number

    def _queued_too_long(self, why: str) -> DeadlineError:
        seconds = f"{self.limits.queue:.0f} s"
        return DeadlineError(
            f"{self.ref.job} did not leave Jenkins' queue within {seconds}: {why or 'Jenkins gave no reason'}.",
            remedy="Check Jenkins' executors and labels.",
        )

    async def _look_into_queue(self) -> str | None:
        if self.ref.queue_id is None:
            await self._find_again()
            return None
        try:
            item = await self.poller.queue_item(self.ref.queue_id)
        except NotFoundError:  # forgotten: some minutes after it left, or by a restart
            await self._find_again()
            return None
        if item.number is not None:
            self._began(item.number, item.url)
        elif item.cancelled:
            outcome = BuildOutcome(self.ref, "ABORTED", 0.0)
            raise BuildFailedError(
                f"Somebody took {self.ref} out of Jenkins' queue.", outcome=outcome, remedy="Run it again."
            )
        return item.why

    async def _find_again(self) -> None:
        known = counting(await self._call(self.jenkins.find_builds, self.ref.job), self.ref.build_key, self.ref.attempt)
        if known is None:
            raise NotFoundError(
                f"{self.ref} is gone from {self.jenkins}, and no build came of it.", remedy="Run it again."
            )
        self.ref = replace(self.ref, queue_id=known.queue_id)
        if known.number is not None:
            self._began(known.number, known.url)

    async def _that_counts(self, number: int) -> int:
        """Number of the build that counts: another run may have triggered this one in the same moment.

        Jenkins makes one of two such requests while the first waits in its queue; where they were further apart, the
        build that began later finds the earlier one here, is stopped, and its run follows the earlier one.
        """
        recent = await self._tolerant(lambda: self._call(self.jenkins.recent_builds, self.ref.job))
        self._estimate = recent.estimate_seconds
        first = counting(recent.known, self.ref.build_key, self.ref.attempt)
        if first is None or first.number is None or first.number == number:
            return number
        self.log.warning("%s was triggered twice: #%d began first and counts", self.ref, first.number)
        await stop_build(self.jenkins, self.ref, self.log)
        self.ref = replace(self.ref, queue_id=first.queue_id)
        self._began(first.number, first.url)
        return first.number

    def _began(self, number: int, url: str | None) -> None:
        self.ref = replace(self.ref, number=number, url=url or self.ref.url)

    async def _to_end(self, number: int) -> BuildState:
        began, start = time.monotonic(), 0
        watching = self._watching = Watching(self.watch, self.ref, self.log)
        if self.ask is not None:
            inputs = Inputs(self.jenkins, self.ref, self._patiently)
            self._approvals = Approvals(self.ask, inputs, self.limits.approval, self.log)
        while True:
            chunk = await self._tolerant(lambda at=start: self._call(self.jenkins.log, self.ref.job, number, at))  # type: ignore[misc]
            await watching.take(chunk)
            start = chunk.next
            await self._judge(watching, number)
            if not chunk.more:
                state = await self._tolerant(lambda: self._call(self.jenkins.build, self.ref.job, number))
                if not state.building and state.result is not None:
                    await self._judge(watching, number)
                    await watching.finish()
                    return state
            elif self._approvals is not None:
                await self._approvals.see(watching.console)
            await self._waits_or_silence(watching)
            age = time.monotonic() - began - (self._approvals.waited if self._approvals else 0.0)
            if age > self.limits.build:
                raise DeadlineError(
                    f"Build {self.ref} did not end within {self.limits.build:.0f} s, and was stopped."
                    f"{watching.reader.doing}",
                    remedy="Raise the Environment's build timeout, or make the pipeline faster.",
                )
            followers = self.poller.followers
            pause = next_look(age, self._estimate, self.limits.poll, followers, to_come=watching.to_come)
            await asyncio.sleep(pause if followers == 1 else pause * random.uniform(0.8, 1.0))  # noqa: S311 - no secret

    async def _judge(self, watching: Watching, number: int) -> None:
        """Find out how the stages of a Jenkinsfile that is not ours ended, of those that are over."""
        if watching.unjudged:
            described = await self._patiently(self.jenkins.stages, self.ref.job, number)
            statuses = {str(stage.get("id")): str(stage.get("status")) for stage in described}
            colors = await self._patiently(self.jenkins.node_colors, self.ref.job, number)
            watching.reader.judge(colors, statuses)

    async def _close_approvals(self, way: Literal["elsewhere", "cancelled"]) -> None:
        if self._approvals is not None and self._watching is not None:
            await self._approvals.close(self._watching.console, way)

    async def _waits_or_silence(self, watching: Watching) -> None:
        """Show why a step waits for an agent; a job that runs and writes nothing for too long ends the build."""
        now, agents = time.monotonic(), watching.reader.agents
        if agents.reasons:
            watching.heard = now  # Jenkins has no agent for it: `Limits.build` is for that
            if now - self._looked_at_queue > _QUEUE_PAUSE:
                self._looked_at_queue = now
                if why := agents.changed(await self._tolerant(lambda: self._call(self.jenkins.waiting_steps))):
                    self.log.info("it still waits for an agent: %s", why)
        if not self.limits.silence or now - watching.heard <= self.limits.silence:
            return
        if await self._tolerant(lambda: self._call(self.jenkins.waits_for_input, self.ref.job, self.ref.number)):
            watching.heard = now
            return
        raise DeadlineError(
            f"Build {self.ref} wrote nothing for {self.limits.silence:.0f} s, and was stopped.{watching.reader.doing}",
            remedy="See what hangs there; if it is only slow, let it write something, or raise the Environment's "
            "silence timeout.",
        )

    async def _outcome(self, state: BuildState) -> BuildOutcome:
        outcome = BuildOutcome(self.ref, state.result, state.duration_seconds)  # type: ignore[arg-type]
        assert self._watching is not None  # noqa: S101 - it was watched to its end
        console = self._watching.console
        await self._watching.ended(passed(outcome), outcome.result == "ABORTED")
        await self._close_approvals("elsewhere")
        build = (self.ref.job, state.number)
        stages, report, text = await asyncio.gather(
            self._patiently(self.jenkins.stages, *build),
            self._patiently(self.jenkins.test_report, *build) if state.tested else _nothing(),
            self._patiently(self.jenkins.artifact, *build, _IMAGE) if state.may_have(_IMAGE) else _nothing(),
        )
        outcome = replace(
            outcome,
            stages=_timed(console, stages),
            log_tail=tuple(console.tail),
            failure=console.failure,
            rewritten=console.rewritten,
            tests=read_report(report) if report is not None else None,
            coverage=dict(self._watching.reader.coverage.found),
            decisions=tuple(map(str, self._approvals.decisions)) if self._approvals else (),
            artifacts=state.artifacts,
            log=self._watching.whole_log,
        )
        if not passed(outcome):
            raise failed_error(outcome)
        image, digest = read_image(text.decode("utf-8", "replace")) if text is not None else (None, None)
        return replace(outcome, image=image, digest=digest)

    async def _call(self, method: Callable[..., T], *arguments: Any) -> T:
        return await self.poller.call(method, *arguments)

    async def _patiently(self, method: Callable[..., T], *arguments: Any) -> T:
        return await self._tolerant(lambda: self._call(method, *arguments))

    async def _tolerant(self, look: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                found = await look()
            except UnavailableError as error:
                await self._bear(error)
            else:
                if self._down_since is not None:
                    self.log.info("%s is back after %.0f s", self.jenkins, time.monotonic() - self._down_since)
                self._down_since, self._faults = None, 0
                return found

    async def _bear(self, error: UnavailableError) -> None:
        now = time.monotonic()
        if self._down_since is None:
            self._down_since = now
            self.log.warning("%s Trying again for %.0f s.", error.message, self.limits.outage)
        if now - self._down_since > self.limits.outage:
            raise error
        pause = error.retry_after or _BACKOFF[min(self._faults, len(_BACKOFF) - 1)]
        self._faults += 1
        await asyncio.sleep(min(pause, self.limits.outage))


async def _nothing() -> None:
    """No request."""


def _steady(why: str) -> str:
    return why.partition(" Expires in")[0]  # the quiet period counts down


def _timed(console: Console, described: list[Mapping[str, Any]] | list[dict[str, Any]]) -> tuple[StageOutcome, ...]:
    times = {str(s.get("name")): s.get("durationMillis") for s in described}
    if not console.stages:  # not our Jenkinsfile: Jenkins' own words are all there is
        words = {"SUCCESS": "success", "UNSTABLE": "unstable", "FAILED": "failed", "ABORTED": "aborted"}
        found = [(str(s.get("name")), words.get(str(s.get("status")), "skipped")) for s in described]
        return tuple(StageOutcome(name, status, _seconds(times[name])) for name, status in found)  # type: ignore[arg-type]
    return tuple(StageOutcome(name, status, _seconds(times.get(name))) for name, status in console.stages.items())


def _seconds(millis: Any) -> float | None:
    return millis / 1000 if isinstance(millis, (int, float)) and millis >= 0 else None
