"""What a user sees of a build while it runs: jobs as task runs, their lines, the progress, and the whole log as a file.

Everything here is fed by the one follower of the build; nothing here decides what becomes of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.jenkins_build.console import Console
from tasks.jenkins_build.log_file import LogFile
from tasks.jenkins_build.mirrors import MOST, Plain, display
from tasks.jenkins_build.outcome import BuildRef
from tasks.jenkins_build.progress import Progress
from tasks.jenkins_build.reading import Reader
from tasks.jenkins_build.reports import Coverage
from tasks.jenkins_build.server import LogChunk
from tasks.jenkins_build.stages import Stages
from tasks.jenkins_build.superseding import Seen
from tasks.logs import Logger
from tasks.masking import masking
from tasks.storing import Store


@dataclass(frozen=True)
class Watch:
    """What is wanted of a build beside its verdict.

    Attributes:
        jobs: How many jobs it has, the image stage too; 0 = not known.
        coverage: GitLab's ``coverage:`` expressions, by job.
        store: Where its whole log is kept; None = nowhere.
        foreign: Its Jenkinsfile is not ours: its stages are shown in the place of jobs.
        seen: Where what is known of its jobs is written for others.
        unmasked: Secrets of the project that Jenkins does not mask in its log.
    """

    jobs: int = 0
    coverage: Mapping[str, str] = field(default_factory=dict)
    store: Store | None = None
    foreign: bool = False
    seen: Seen = field(default_factory=Seen)
    unmasked: tuple[str, ...] = field(default=(), repr=False)


class Watching:
    """One build that runs (or ran: then it was shown before, and is only read).

    Attributes:
        reader: What the console said so far.
        heard: When it said something last, on the monotonic clock.
        log_file: Where the whole log is kept, or None.
        whole_log: Address of the whole log: of that file, else in Jenkins.
    """

    def __init__(self, watch: Watch, ref: BuildRef, log: Logger) -> None:
        assert ref.number is not None  # noqa: S101 - only a build that began is watched
        self.log_file = LogFile(watch.store, ref.job, ref.number) if watch.store is not None else None
        self.heard = time.monotonic()
        self.whole_log = self.log_file.address if self.log_file else f"{ref.url}consoleText"
        shown = Plain(log) if ref.reused else display(log, watch.jobs)
        self.reader = Reader(
            shown,
            log,
            self.whole_log,
            quiet=ref.reused,
            coverage=Coverage(watch.coverage),
            stages=Stages() if watch.foreign else None,
            mask=masking(watch.unmasked) if watch.unmasked else str,
        )
        self._name, self._log, self._seen, self._jobs = str(ref), log, watch.seen, watch.jobs
        self._progress = None if ref.reused else Progress(log, watch.jobs, table=watch.jobs > MOST)

    @property
    def console(self) -> Console:
        """The jobs, and the last lines."""
        return self.reader.console

    @property
    def to_come(self) -> bool:
        """Whether the build has jobs that have not begun, and none that failed, which may be why."""
        stages = self.console.stages
        return len(stages) < self._jobs and not {"failed", "aborted"} & set(stages.values())

    @property
    def unjudged(self) -> bool:
        """Whether stages are over of which only the flow graph knows how they ended; see `Reader.judge`."""
        return self.reader.stages is not None and bool(self.reader.stages.ends)

    async def take(self, chunk: LogChunk) -> None:
        """Read an answer, piece by piece."""
        with chunk.body:
            for piece in chunk.pieces():
                self.heard = time.monotonic()
                await self._keep(self.reader.take(piece, last=False))
                await asyncio.sleep(0)  # a flood keeps nobody else from running
            self.reader.end_answer()
        self._seen.stages = self.console.stages
        if self._progress is not None:
            await self._progress.show(self.console, self._name)

    async def finish(self) -> None:
        """The console has ended."""
        await self._keep(self.reader.finish())

    async def ended(self, succeeded: bool, aborted: bool) -> None:
        """The build has this result."""
        self.reader.ended(succeeded, aborted)
        for problem in self.reader.coverage.problems:
            self._log.warning("%s", problem)
        if self._progress is not None:
            await self._progress.show(self.console, self._name, ended=True)

    async def close(self) -> None:
        """Nothing more comes, whatever became of the build."""
        await self.reader.close()
        if self.log_file is not None:
            await asyncio.to_thread(self.log_file.close)

    async def _keep(self, text: str) -> None:
        if self.log_file is not None and text:
            await asyncio.to_thread(self.log_file.write, text)
