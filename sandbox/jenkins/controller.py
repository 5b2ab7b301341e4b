"""The state behind the routes: items, builds, queue, agents, credentials, users."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from sandbox.jenkins.agents import Agents
from sandbox.jenkins.builds import Build, Builds, now
from sandbox.jenkins.credentials import Store
from sandbox.jenkins.declared import declared
from sandbox.jenkins.from_scm import UnreadableError
from sandbox.jenkins.host import Host
from sandbox.jenkins.items import Folder, Item, Job
from sandbox.jenkins.model import BuildAbortedError, BuildHost, Result
from sandbox.jenkins.queueing import Queue, QueueItem
from sandbox.jenkins.security import Security

Run = Callable[[BuildHost], Result]


@dataclass(frozen=True)
class Settings:
    """What a stand-in is started with; see `sandbox.jenkins.server.Jenkins`."""

    home: Path
    public_url: Callable[[], str]
    agent_path: str
    users: Mapping[str, str]
    passwords: Mapping[str, str] = field(default_factory=dict)
    executors: int = 4
    quiet_period: float = 0.2
    labels: Collection[str] = ()
    still_waiting: float = 15.0
    run: Run | None = None


class Controller:
    """Everything Jenkins keeps; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = settings.home
        self.public_url = settings.public_url
        self.agent_path = settings.agent_path
        self.still_waiting = settings.still_waiting
        self.home.mkdir(parents=True, exist_ok=True)
        self.security = Security(self.home, settings.users, settings.passwords)
        self.agents = Agents(self.home, settings.executors, settings.labels)
        self.root = Folder("", None, self.home)
        self.root.load()
        self.builds = Builds()
        for item in self.root.walk():
            if isinstance(item, Job):
                self.builds.load(item)
        self.session = secrets.token_hex(4)
        self.quieting_down = False
        self.starting_until = 0.0
        self._stores: dict[str, Store] = {}
        self._threads: list[threading.Thread] = []
        self.queue = Queue(self._start, self._blocker)

    def agent_home(self) -> Path:
        """HOME of the steps: no dot file of the person who runs the sandbox is read."""
        path = self.home / "agent-home"
        path.mkdir(exist_ok=True)
        return path

    def store_of(self, item: Item) -> Store:
        """The credentials store of a folder; the root's is the system store."""
        name = "folder" if item.parent is not None else "system"
        return self._stores.setdefault(item.full_name, Store(item.path, name))

    def job_beside(self, job: Job, name: str) -> Job | None:
        """The job a ``build`` step names."""
        parent = cast(Folder, job.parent)
        found = None if name.startswith("/") else parent.find(name)
        found = found or self.root.find(name.strip("/"))
        return found if isinstance(found, Job) else None

    def _blocker(self, job: Job) -> str | None:
        if self.quieting_down:
            return "Jenkins is about to shut down"
        if job.concurrent:
            return None
        running = [build for build in self.builds.of(job) if build.running]
        if not running:
            return None
        return f"Build #{running[0].number} is already in progress (ETA: N/A)"

    def _start(self, item: QueueItem) -> Build:
        job = cast(Job, item.job)
        build = Build(job, job.take_number(), item.id, item.order)
        build.queued_for = now() - item.since
        self.builds.add(build)
        build.save()
        for cause in item.order.causes:
            build.console.write(_cause_line(cause.description))
        thread = threading.Thread(
            target=self._execute, args=(build,), name=f"jenkins-{job.full_name}-{build.number}", daemon=True
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()
        return build

    def _execute(self, build: Build) -> None:
        try:
            script = build.order.script if build.order.script is not None else build.job.script()
            if self.settings.run is None:
                self._declare(build, script)
            result = self._run()(Host(self, build, script))
        except BuildAbortedError as error:
            build.console.write(f"{error}\n")
            result = "ABORTED"
        except UnreadableError as error:
            build.console.write(f"ERROR: {error}\n")
            result = "FAILURE"
        except Exception as error:  # noqa: BLE001 - a build must end whatever its executor does
            build.console.write(f"ERROR: the stand-in's executor failed: {type(error).__name__}: {error}\n")
            result = "FAILURE"
        build.finish(result)
        if build.job.keeps is not None:
            self.builds.discard(build.job, build.job.keeps)
        with self.queue.changed:
            self.queue.changed.notify_all()

    @staticmethod
    def _declare(build: Build, script: str) -> None:
        """A job without parameters takes those of its Jenkinsfile, with their defaults for this run."""
        definitions = [] if build.job.definitions() else declared(script)
        if definitions:
            build.job.declare(definitions)
            build.order = replace(build.order, parameters={each.name: each.default for each in definitions})

    def _run(self) -> Run:
        if self.settings.run is not None:
            return self.settings.run
        from sandbox.jenkins.executor import run

        return run

    def validate(self, script: str) -> list[str]:
        """The declarative linter's errors."""
        from sandbox.jenkins.executor import validate

        return validate(script)

    def stop(self, build: Build, user: str, how: str) -> None:
        """``stop``, ``term`` or ``kill`` a build; on a finished one nothing happens."""
        if not build.running:
            return
        if how != "kill":
            build.interruption = ("jenkins.model.CauseOfInterruption$UserInterruption", f"Aborted by {user}")
            build.console.write(f"Aborted by {user}\n" if how == "stop" else "Terminating\n")
            build.aborted.set()
            return
        build.killed.set()
        build.aborted.set()
        build.console.write("Hard kill!\n")
        build.hard_killed = True
        build.finish("ABORTED")
        with self.queue.changed:
            self.queue.changed.notify_all()

    def delete(self, item: Item, user: str) -> None:
        """Delete an item; builds that run are aborted first."""
        jobs = [item] if isinstance(item, Job) else []
        if isinstance(item, Folder):
            jobs = [each for each in item.walk() if isinstance(each, Job)]
        for job in jobs:
            self.queue.cancel_all(job)
            for build in self.builds.of(job):
                self.stop(build, user, "stop")
                if build.running and not build.wait(10):
                    self.stop(build, user, "kill")
            self.builds.forget(job)
        if item.parent is not None:
            self._stores.pop(item.full_name, None)
            item.parent.remove(item)

    def restart(self, seconds: float) -> None:
        """As a restart of Jenkins with the home kept: 503 for `seconds`, crumbs and left queue ids forgotten.

        Running builds go on, as pipelines that resume do.
        """
        self.starting_until = time.monotonic() + seconds
        self.session = secrets.token_hex(4)
        self.security.forget_sessions()
        self.queue.forget_left()
        self.quieting_down = False
        for build in self.builds.running():
            build.console.write(
                f"Resuming build at {time.strftime('%a %b %d %H:%M:%S UTC %Y', time.gmtime())} after Jenkins restart\n"
                "Ready to run\n"
            )

    @property
    def starting(self) -> bool:
        """Whether every request gets the page ``Starting Jenkins``."""
        return time.monotonic() < self.starting_until

    def close(self) -> None:
        """Stop the queue and every build; returns when their threads are over, or after ten seconds."""
        self.queue.close()
        for build in self.builds.running():
            self.stop(build, "the end of the stand-in", "stop")
        deadline = time.monotonic() + 10
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for build in self.builds.running():
            self.stop(build, "the end of the stand-in", "kill")


def _cause_line(description: str) -> str:
    return f"{description}\n"
