"""One run of a job: its record on disk, its flow graph and what waits for an answer."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandbox.jenkins.console import Console
from sandbox.jenkins.items import Job
from sandbox.jenkins.model import EarlierBuild, FlowNode, NodeStatus, Result

NODE_LOG_LIMIT = 10_240  # characters `wfapi/log` keeps of a step's text
_WORSE: tuple[Result, ...] = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")


def now() -> int:
    """Epoch milliseconds."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Cause:
    """Why a build was started; `fields` beside the description (userId, upstreamBuild...)."""

    cls: str
    description: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What a queue item asks for.

    Attributes:
        parameters: Values by name, of declared parameters only.
        script: A Jenkinsfile in place of the job's (replay).
        restart: ``(number, stage)`` of a declarative restart.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    script: str | None = None
    restart: tuple[int, str] | None = None


@dataclass
class StepLog:
    """The text of one step: its end, and how long it was."""

    text: str = ""
    length: int = 0

    def add(self, text: str) -> None:
        """Append, keeping the last `NODE_LOG_LIMIT` characters."""
        self.length += len(text)
        self.text = (self.text + text)[-NODE_LOG_LIMIT:]


@dataclass
class PendingInput:
    """An `input` step that waits."""

    id: str
    message: str
    ok: str
    parameters: list[dict[str, Any]]
    since: int
    answer: tuple[Literal["proceed", "abort"], dict[str, Any]] | None = None


class Build:
    """A run and its record; fields are written under `changed`."""

    def __init__(self, job: Job, number: int, queue_id: int, order: Order) -> None:
        self.job = job
        self.number = number
        self.queue_id = queue_id
        self.order = order
        self.folder = job.path / "builds" / str(number)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console = Console(self.folder / "log")
        self.changed = threading.Condition()
        self.timestamp = now()
        self.queued_for = 0
        self.started = self.timestamp
        self.ended: int | None = None
        self.result: Result | None = None
        self.running = True
        self.hard_killed = False
        self.description: str | None = None
        self.keep_log = False
        self.display_name: str | None = None
        self.test_reports: list[Path] = []
        self.variables: dict[str, str] = {}
        self.interruption: tuple[str, str] | None = None
        self.approver: str | None = None
        self.had_input = False
        self.nodes: list[FlowNode] = []
        self.step_logs: dict[str, StepLog] = {}
        self.inputs: dict[str, PendingInput] = {}
        self.aborted = threading.Event()
        self.killed = threading.Event()
        self.last_id = 2  # the graph's own start node

    @property
    def url_path(self) -> str:
        """``job/name/3/``."""
        return f"{self.job.url_path}{self.number}/"

    @property
    def artifacts(self) -> Path:
        """Where archived files are."""
        return self.folder / "archive"

    def begin(
        self,
        kind: Literal["stage", "branch", "step"],
        name: str,
        parents: tuple[str, ...],
        enclosing: str | None,
        node_id: str | None = None,
    ) -> FlowNode:
        """A new node of the graph; a stage has a start node before its body, as in Jenkins."""
        with self.changed:
            self.last_id = max(self.last_id + (2 if kind == "stage" else 1), int(node_id or 0))
            node = FlowNode(node_id or str(self.last_id), kind, name, parents, now(), enclosing=enclosing)
            self.nodes.append(node)
            return node

    def end(self, node: FlowNode, status: NodeStatus, error: str | None) -> None:
        """The node is over; block nodes have end nodes of their own."""
        with self.changed:
            node.ended, node.status, node.error = now(), status, error
            self.last_id += {"stage": 2, "branch": 1, "step": 0}[node.kind]

    def node(self, node_id: str) -> FlowNode | None:
        """A node by id."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def worsen(self, result: Result | None) -> None:
        """As ``currentBuild.result = ...``: it never improves."""
        with self.changed:
            if result is not None and (self.result is None or _WORSE.index(result) > _WORSE.index(self.result)):
                self.result = result

    def finish(self, result: Result) -> None:
        """The end, once; the worst of the result so far and this one is the build's."""
        with self.changed:
            if not self.running:
                return
            self.worsen(result)
            self.console.write(f"Finished: {self.result}\n")
            self.ended, self.running = now(), False
            for node in self.nodes:
                if node.ended is None:
                    node.ended, node.status = self.ended, "ABORTED"
            self.inputs.clear()
            self.save()
            self.changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Until the build is over."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.running, timeout)

    def save(self) -> None:
        """Write the record, so that a restart finds it."""
        record = {
            "number": self.number,
            "queue_id": self.queue_id,
            "timestamp": self.timestamp,
            "started": self.started,
            "queued_for": self.queued_for,
            "ended": self.ended,
            "result": self.result,
            "running": self.running,
            "hard_killed": self.hard_killed,
            "description": self.description,
            "keep_log": self.keep_log,
            "display_name": self.display_name,
            "interruption": self.interruption,
            "approver": self.approver,
            "had_input": self.had_input,
            "variables": dict(self.variables),
            "test_reports": [str(path) for path in self.test_reports],
            "order": asdict(self.order),
            "nodes": [asdict(node) for node in self.nodes],
            "step_logs": {key: asdict(log) for key, log in self.step_logs.items()},
        }
        (self.folder / "build.json").write_text(json.dumps(record))

    @classmethod
    def load(cls, job: Job, folder: Path) -> Build:
        """A build from its record; one that was running when the stand-in ended is ABORTED."""
        record = json.loads((folder / "build.json").read_text())
        order = record.pop("order")
        restart = tuple(order["restart"]) if order["restart"] else None
        causes = tuple(Cause(**cause) for cause in order["causes"])
        build = cls(
            job, record["number"], record["queue_id"], Order(order["parameters"], causes, order["script"], restart)
        )
        build.nodes = [FlowNode(**{**node, "parents": tuple(node["parents"])}) for node in record.pop("nodes")]
        build.step_logs = {key: StepLog(**log) for key, log in record.pop("step_logs").items()}
        build.test_reports = [Path(path) for path in record.pop("test_reports")]
        for name, value in record.items():
            setattr(build, name, value)
        if build.running:
            build.console.write("Lost: the Jenkins stand-in ended while this build ran, and cannot resume it\n")
            build.finish("ABORTED")
        return build


class Builds:
    """All builds, by job."""

    def __init__(self) -> None:
        self._by_job: dict[str, dict[int, Build]] = {}
        self._lock = threading.Lock()

    def load(self, job: Job) -> None:
        """Read a job's builds from disk."""
        for record in (job.path / "builds").glob("*/build.json"):
            self.add(Build.load(job, record.parent))

    def add(self, build: Build) -> None:
        """Know a build."""
        with self._lock:
            self._by_job.setdefault(build.job.full_name, {})[build.number] = build

    def of(self, job: Job) -> list[Build]:
        """A job's builds, newest first."""
        with self._lock:
            known = dict(self._by_job.get(job.full_name, {}))
        return [known[number] for number in sorted(known, reverse=True)]

    def get(self, job: Job, number: int) -> Build | None:
        """One build."""
        with self._lock:
            return self._by_job.get(job.full_name, {}).get(number)

    def before(self, build: Build) -> EarlierBuild | None:
        """The newest build of the same job before this one."""
        older = next((other for other in self.of(build.job) if other.number < build.number), None)
        if older is None:
            return None
        return EarlierBuild(older.number, older.result, dict(older.variables), lambda: self.before(older))

    def forget(self, job: Job, number: int | None = None) -> None:
        """A build, or all of a job, was deleted."""
        with self._lock:
            if number is None:
                self._by_job.pop(job.full_name, None)
            else:
                self._by_job.get(job.full_name, {}).pop(number, None)

    def discard(self, job: Job, keep: int) -> None:
        """As LogRotator: those after the newest `keep`, but none that runs, is kept for ever, or is the last good."""
        builds = self.of(job)
        last = [permalink(builds, "lastSuccessfulBuild"), permalink(builds, "lastStableBuild")]
        for build in builds[keep:]:
            if not (build.running or build.keep_log or build in last):
                self.forget(job, build.number)
                shutil.rmtree(build.folder, ignore_errors=True)

    def running(self) -> list[Build]:
        """Builds that are not over."""
        with self._lock:
            return [build for builds in self._by_job.values() for build in builds.values() if build.running]


PERMALINKS: Mapping[str, frozenset[Result | None]] = {
    "lastBuild": frozenset({None, *_WORSE}),
    "lastCompletedBuild": frozenset(_WORSE),
    "lastFailedBuild": frozenset({"FAILURE"}),
    "lastStableBuild": frozenset({"SUCCESS"}),
    "lastSuccessfulBuild": frozenset({"SUCCESS", "UNSTABLE"}),
    "lastUnstableBuild": frozenset({"UNSTABLE"}),
    "lastUnsuccessfulBuild": frozenset({"FAILURE", "UNSTABLE", "NOT_BUILT", "ABORTED"}),
}


def permalink(builds: list[Build], name: str) -> Build | None:
    """``lastBuild`` and friends among a job's builds (newest first)."""
    wanted = PERMALINKS[name]
    for build in builds:
        if (None if build.running else build.result) in wanted:
            return build
    return None
