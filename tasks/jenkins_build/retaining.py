"""Builds that run in production outlive Jenkins' retention: kept for as long as a release made of them is deployed.

Jenkins knows one flag for it ("keep this build forever"), and a call that turns it over: it is read before and after.
Who needs the build stands in its description, a line each, so that one Environment does not let go of what another
runs, and people see why it is kept. A build that somebody kept by hand is left alone. Blocking: in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from errors import ConflictError
from tasks.jenkins_build.connection import job_path
from tasks.jenkins_build.server import Jenkins

_MARK = "Kept while it is deployed: "
_TRIES = 3  # two runs may turn the flag over in the same moment


@dataclass(frozen=True)
class RetainedBuild:
    """A build of a job.

    Attributes:
        number: Its number.
        kept: Whether Jenkins keeps it for ever.
        description: What people read about it.
    """

    number: int
    kept: bool
    description: str = ""

    @property
    def holders(self) -> tuple[str, ...]:
        """Who needs it."""
        lines = self.description.splitlines()
        return tuple(line.removeprefix(_MARK) for line in lines if line.startswith(_MARK))

    def described(self, holders: tuple[str, ...]) -> str:
        """Its description with just these holders."""
        others = [line for line in self.description.splitlines() if not line.startswith(_MARK)]
        return "\n".join([*others, *(f"{_MARK}{holder}" for holder in holders)])


def retain(jenkins: Jenkins, job: str, number: int | None, holder: str) -> list[str]:
    """Keep one build of a job for a holder, and let go of the others that it held.

    Args:
        jenkins: Its Jenkins.
        job: The Jenkins job's full name.
        number: The build; None = the holder runs none any more.
        holder: Who needs it, e.g. ``production/shop``.

    Returns:
        What was changed, for people.

    Raises:
        AccessError: The permissions Run/Update (to keep) and Run/Delete (to let go) are missing.
        ConflictError: The flag does not stay as it was set.
    """
    changed = []
    for build in _builds(jenkins, job):
        said = _take(jenkins, job, build, holder) if build.number == number else _let_go(jenkins, job, build, holder)
        changed += [f"build {job} #{build.number} is {said}"] if said else []
    return changed


def _take(jenkins: Jenkins, job: str, build: RetainedBuild, holder: str) -> str:
    if build.kept and (not build.holders or holder in build.holders):
        return ""
    others = (other for other in build.holders if other != holder)
    _describe(jenkins, job, build, (*others, holder))  # first: a flag without it counts as set by hand
    _turn(jenkins, job, build, keep=True)
    return f"kept while it is deployed as {holder}"


def _let_go(jenkins: Jenkins, job: str, build: RetainedBuild, holder: str) -> str:
    if holder not in build.holders:
        return ""
    others = tuple(other for other in build.holders if other != holder)
    if not others:
        _turn(jenkins, job, build, keep=False)
    _describe(jenkins, job, build, others)
    return f"kept for {', '.join(others)} only" if others else "left to the job's retention"


def _builds(jenkins: Jenkins, job: str) -> list[RetainedBuild]:
    tree = "allBuilds[number,keepLog,description]"
    found = jenkins.connection.json(f"{job_path(job)}/api/json?tree={tree}", what=f"the builds of job {job}")
    return [
        RetainedBuild(int(one["number"]), bool(one.get("keepLog")), str(one.get("description") or ""))
        for one in found.get("allBuilds") or ()
    ]


def _describe(jenkins: Jenkins, job: str, build: RetainedBuild, holders: tuple[str, ...]) -> None:
    path = f"{job_path(job)}/{build.number}/submitDescription"
    form = {"description": build.described(holders)}
    jenkins.connection.send("POST", path, what=f"description of build {job} #{build.number}", form=form)


def _turn(jenkins: Jenkins, job: str, build: RetainedBuild, *, keep: bool) -> None:
    path, what = f"{job_path(job)}/{build.number}", f"build {job} #{build.number}"
    kept = build.kept
    for _ in range(_TRIES):
        if kept == keep:
            return
        jenkins.connection.send("POST", f"{path}/toggleLogKeep", what=f"keeping of {what}")
        kept = bool(jenkins.connection.json(f"{path}/api/json?tree=keepLog", what=what).get("keepLog"))
    if kept != keep:
        raise ConflictError(f"{jenkins} does not leave the keeping of {what} as it was set.")
