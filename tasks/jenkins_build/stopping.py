"""Stops a build, wherever it is: out of the queue, or stop, then term, then kill."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

from errors import NotFoundError, SmartClideError, UnavailableError
from tasks.jenkins_build.outcome import BuildRef, counting
from tasks.jenkins_build.server import Jenkins
from tasks.logs import Logger

# Seconds to wait after each. A Groovy catch can survive stop and term. All in all less than Prefect's 30 s of grace.
STEPS = (("stop", 8.0), ("term", 4.0), ("kill", 4.0))
_QUEUE_SECONDS = 5.0
_PAUSE = 0.3


async def stop_build(jenkins: Jenkins, ref: BuildRef, log: Logger) -> None:
    """Stop the build `ref` names, or take it out of the queue. What is over already is left alone. Never raises."""
    end = time.monotonic() + sum(seconds for _, seconds in STEPS)
    while True:
        try:
            await _stop(jenkins, ref, log)
        except UnavailableError as error:
            if time.monotonic() < end:
                await asyncio.sleep(_PAUSE)
                continue
            log.warning("%s could not be stopped: %s", ref, error)
        except SmartClideError as error:
            log.warning("%s could not be stopped: %s", ref, error)
        return


async def stop_undisturbed(jenkins: Jenkins, ref: BuildRef, log: Logger) -> None:
    """`stop_build` for a run that is being cancelled: no further cancelling cuts it off.

    A signal cancels a run from several sides at once. In a thread with a loop of its own the stop goes on, and
    ``asyncio.run`` waits for its threads.
    """
    stopping = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(stop_build(jenkins, ref, log))))
    while not stopping.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(stopping)


async def _stop(jenkins: Jenkins, ref: BuildRef, log: Logger) -> None:
    number = ref.number if ref.number is not None else await _leave_queue(jenkins, ref)
    if number is None:
        log.warning("%s is out of the queue", ref)
        return
    began = replace(ref, number=number)
    for how, seconds in STEPS:
        if not (await asyncio.to_thread(jenkins.build, ref.job, number)).building:
            return
        await asyncio.to_thread(jenkins.stop, ref.job, number, how)
        if await _ended(jenkins, ref.job, number, seconds):
            log.warning("%s is stopped (%s)", began, how)
            return
    log.warning("%s still runs after stop, term and kill", began)


async def _leave_queue(jenkins: Jenkins, ref: BuildRef) -> int | None:
    """Cancel the queue item; the number of the build it became meanwhile, if it did."""
    if ref.queue_id is None:
        return await asyncio.to_thread(_find, jenkins, ref)
    await asyncio.to_thread(jenkins.cancel, ref.queue_id)
    end = time.monotonic() + _QUEUE_SECONDS
    while time.monotonic() < end:  # for a moment after leaving the queue an item names no build
        try:
            item = await asyncio.to_thread(jenkins.queue_item, ref.queue_id)
        except NotFoundError:
            return await asyncio.to_thread(_find, jenkins, ref)
        if item.cancelled or item.number is not None:
            return item.number
        await asyncio.sleep(_PAUSE)
    return await asyncio.to_thread(_find, jenkins, ref)


def _find(jenkins: Jenkins, ref: BuildRef) -> int | None:
    found = counting(jenkins.find_builds(ref.job), ref.build_key, ref.attempt)
    return found.number if found else None


async def _ended(jenkins: Jenkins, job: str, number: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not (await asyncio.to_thread(jenkins.build, job, number)).building:
            return True
        await asyncio.sleep(_PAUSE)
    return False
