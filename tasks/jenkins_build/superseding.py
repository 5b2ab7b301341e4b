"""Whether a newer deployment of the same ref may stop a build: `interruptible`, `workflow:auto_cancel:on_new_commit`.

As GitLab decides it, but for whole builds: Jenkins stops no single job of one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.interpretation.pipeline import Job, OnNewCommit, Pipeline
from tasks.jenkins_build.outcome import StageStatus


@dataclass(frozen=True)
class AutoCancel:
    """What the pipeline says of newer commits.

    Attributes:
        on_new_commit: ``conservative``: it may be stopped until a job that is not interruptible has begun;
            ``interruptible``: whenever none of those runs; ``none``: never.
        holding: The jobs that are not interruptible.
    """

    on_new_commit: OnNewCommit = "none"
    holding: tuple[str, ...] = ()

    def allows(self, stages: Mapping[str, StageStatus] | None) -> bool:
        """Whether the build may be stopped now.

        Args:
            stages: State of the jobs that have begun or were passed over, by name; None = not known yet.
        """
        if self.on_new_commit == "none" or stages is None:
            return False
        if self.on_new_commit == "interruptible":
            return not any(stages.get(job) == "running" for job in self.holding)
        return all(stages.get(job, "skipped") == "skipped" for job in self.holding)


@dataclass
class Seen:
    """What is known of a build's jobs: written by who follows it, read by who may stop it. A run begins with nothing.

    Attributes:
        stages: As in `AutoCancel.allows`.
    """

    stages: Mapping[str, StageStatus] | None = field(default_factory=dict)


def auto_cancel(pipeline: Pipeline) -> AutoCancel:
    """What a pipeline says of newer commits."""
    holding = tuple(job.name for job in pipeline.jobs if not _is_interruptible(job))
    return AutoCancel(pipeline.on_new_commit, holding)


def _is_interruptible(job: Job) -> bool:
    """Whichever of its rules holds."""
    said = [rule.interruptible for rule in job.rules] or [None]
    return all(job.interruptible if own is None else own for own in said)
