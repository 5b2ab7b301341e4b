"""Takes a build that failed up again from the stage that failed, by Jenkins' own restart-from-stage.

Jenkins runs the old Jenkinsfile again with the old parameters, passes over the stages before, and names neither queue
item nor build: the new build is found by the cause it carries. See `outcome.numbered` for its attempt.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from errors import InputError, NotFoundError, UnavailableError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.outcome import BuildRef, KnownBuild, counting
from tasks.jenkins_build.polling import Poller
from tasks.jenkins_build.resumable import TopStage
from tasks.jenkins_build.server import Jenkins
from tasks.logs import task_logger

_FOUND_SECONDS = 60.0
_PAUSE = 0.5
_BROKEN = ("FAILED", "ABORTED")


def failed_stage(tops: Iterable[TopStage], statuses: Mapping[str, str]) -> str | None:
    """The first of the top-level stages with something that failed or was stopped; None when nothing did.

    What is skipped after a failure shows that failure too, so only the first tells anything.

    >>> tops = (TopStage("build", ("build",)), TopStage("test", ("unit", "lint")))
    >>> failed_stage(tops, {"build": "SUCCESS", "test": "SUCCESS", "unit": "SUCCESS", "lint": "FAILED"})
    'test'
    """
    return next((top.title for top in tops if any(statuses.get(name) in _BROKEN for name in top.stages)), None)


def restartable_stages(jenkins: Jenkins, job: str, number: int) -> list[str]:
    """The stages that Jenkins lets a build be restarted from; [] when it cannot be."""
    what = f"the stages to restart build {job} #{number} from"
    try:
        found = jenkins.connection.json(f"{job_path(job)}/{number}/restart/api/json", what=what)
    except NotFoundError:
        return []
    stages = found.get("restartableStages") if found.get("restartEnabled") else None
    return [str(stage) for stage in stages or []]


def restart(jenkins: Jenkins, job: str, number: int, stage: str) -> None:
    """Restart a build from a stage.

    Raises:
        InputError: Jenkins does not do it; the message has its reason.
    """
    form = {"json": json.dumps({"stageName": stage})}
    what = f"restart of build {job} #{number} from stage {stage}"
    jenkins.connection.send("POST", f"{job_path(job)}/{number}/restart/restart", what=what, form=form)


async def taken_up(poller: Poller, ref: BuildRef, failed: KnownBuild, tops: Sequence[TopStage]) -> BuildRef | None:
    """The build that takes a failed one up again, as the attempt `ref`; None where a fresh one is needed.

    Raises:
        UnavailableError: Jenkins was asked, and no build is to be seen yet: look again before asking again.
    """
    stage = await _stage(poller, ref, failed, tops)
    if stage is None or failed.number is None:
        return None
    try:
        await poller.call(restart, poller.jenkins, ref.job, failed.number, stage)
    except InputError as error:
        task_logger().warning("a fresh build is made: %s", error)
        return None
    task_logger().info("build %s #%d is taken up again from stage %r", ref.job, failed.number, stage)
    return await _found(poller, ref)


async def _stage(poller: Poller, ref: BuildRef, failed: KnownBuild, tops: Sequence[TopStage]) -> str | None:
    if not tops or failed.number is None:
        why = "its jobs ask for what a restarted build would not have: see docs/deploy.md"
        task_logger().warning("a fresh build is made: this pipeline cannot be taken up in the middle (%s)", why)
        return None
    jenkins, where = poller.jenkins, (ref.job, failed.number)
    described = await poller.call(jenkins.stages, *where)
    statuses = {str(stage.get("name")): str(stage.get("status")) for stage in described}
    stage = failed_stage(tops, statuses)
    if stage is None or stage == tops[0].title:
        task_logger().info("a fresh build is made: %s", "the first stage failed" if stage else "no stage failed")
        return None
    if stage not in await poller.call(restartable_stages, jenkins, *where):
        task_logger().warning("a fresh build is made: Jenkins does not restart from stage %r", stage)
        return None
    return stage


async def _found(poller: Poller, ref: BuildRef) -> BuildRef:
    end = time.monotonic() + _FOUND_SECONDS
    while time.monotonic() < end:
        known = counting(await poller.call(poller.jenkins.find_builds, ref.job), ref.build_key, ref.attempt)
        if known is not None:
            return replace(ref, queue_id=known.queue_id, number=known.number, url=known.url or ref.url)
        await asyncio.sleep(_PAUSE)
    raise UnavailableError(f"{poller.jenkins} shows no build that restarts one of {ref.job}.")
