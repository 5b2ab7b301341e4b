"""What became of one Jenkins build. Pure values; verdicts are made from Jenkins' answers in this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BuildResult = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
StageStatus = Literal["running", "success", "unstable", "failed", "aborted", "skipped"]


@dataclass(frozen=True)
class BuildRef:
    """One Jenkins build (or the queue item it waits as).

    Attributes:
        job: Full name of the Jenkins job, e.g. ``smartclide/group/app``.
        queue_id: Queue item id, or None when the build was found without it.
        number: Build number, or None while it waits.
        url: Address of the build (or of the job while it waits), for people.
        build_key: The build key it carries.
        attempt: 1 for the first build of that key.
    """

    job: str
    queue_id: int | None
    number: int | None
    url: str
    build_key: str
    attempt: int = 1


@dataclass(frozen=True)
class StageOutcome:
    """One stage or GitLab job of the build; `duration_seconds` is None where Jenkins does not tell."""

    name: str
    status: StageStatus
    duration_seconds: float | None = None


@dataclass(frozen=True)
class BuildOutcome:
    """A finished build.

    Attributes:
        ref: The build.
        result: Jenkins' own word.
        duration_seconds: Jenkins' duration of the build.
        stages: In the order they began.
        image: ``repository:tag`` that the build pushed, or None.
        digest: ``sha256:...`` the build reported, or None.
        log_tail: The last lines of the console, secrets masked by Jenkins.
    """

    ref: BuildRef
    result: BuildResult
    duration_seconds: float
    stages: tuple[StageOutcome, ...] = ()
    image: str | None = None
    digest: str | None = None
    log_tail: tuple[str, ...] = ()
