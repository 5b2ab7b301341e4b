"""What a running build sees of the server: the `BuildHost` of one build."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sandbox.jenkins import parameters
from sandbox.jenkins.builds import Build, Cause, Order, PendingInput, StepLog, now
from sandbox.jenkins.model import (
    AgentLease,
    BuildAbortedError,
    Credential,
    EarlierBuild,
    FlowNode,
    NodeStatus,
    Note,
    Result,
)

if TYPE_CHECKING:
    from sandbox.jenkins.controller import Controller

_POLL = 0.02  # seconds between looks at an event or a free executor


class Host:
    """`sandbox.jenkins.model.BuildHost` for one build.

    Beyond the protocol: `declare_parameters` writes the parameters of a Jenkinsfile into the job's config.xml.
    """

    def __init__(self, controller: Controller, build: Build, script: str) -> None:
        self._controller = controller
        self._build = build
        self._open_steps: dict[int, list[FlowNode]] = {}
        self._line_nodes: dict[int, str | None] = {}  # by thread: the node its lines belong to
        self.job_name = build.job.full_name
        self.number = build.number
        self.script = script
        self.parameters: Mapping[str, Any] = dict(build.order.parameters)
        self.jenkins_url = controller.public_url().rstrip("/") + "/"
        self.build_url = self.jenkins_url + build.url_path
        self.folder = build.folder
        self.variables = build.variables
        self.aborted = build.aborted
        self.killed = build.killed
        self.scm = build.job.source()
        self.restart_stage = build.order.restart[1] if build.order.restart else None
        self.restarted_folder = (
            build.folder.parent / str(build.order.restart[0]) if build.order.restart is not None else None
        )

    @property
    def description(self) -> str | None:
        """``currentBuild.description``."""
        return self._build.description

    @description.setter
    def description(self, text: str | None) -> None:
        self._build.description = text

    @property
    def display_name(self) -> str | None:
        """``currentBuild.displayName``."""
        return self._build.display_name

    @display_name.setter
    def display_name(self, text: str | None) -> None:
        self._build.display_name = text

    @property
    def result(self) -> Result | None:
        """``currentBuild.result``."""
        return self._build.result

    @result.setter
    def result(self, value: Result | None) -> None:
        self._build.worsen(value)

    @property
    def test_reports(self) -> list[Path]:
        """JUnit files taken by the ``junit`` step."""
        return self._build.test_reports

    @test_reports.setter
    def test_reports(self, paths: list[Path]) -> None:
        self._build.test_reports = paths

    def previous(self) -> EarlierBuild | None:
        """The newest build of the job before this one."""
        return self._controller.builds.before(self._build)

    def log(self, text: str, note: Note | None = None, node: FlowNode | None = None) -> None:
        """Append to the console; the text also belongs to `node`, by default this thread's innermost open step."""
        if not self._build.running:
            return
        thread = threading.get_ident()
        self._build.console.write(text, note, None if note else self._line_nodes.get(thread))
        if note is not None:
            self._line_nodes[thread] = note.lines
        if node is None:
            steps = self._open_steps.get(thread)
            node = steps[-1] if steps else None
        if node is not None:
            own = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("[Pipeline]"))
            self._build.step_logs.setdefault(node.id, StepLog()).add(own)

    def begin(
        self,
        kind: Literal["stage", "branch", "step"],
        name: str,
        parents: tuple[str, ...],
        enclosing: str | None = None,
        node_id: str | None = None,
    ) -> FlowNode:
        """A node of the flow graph begins."""
        node = self._build.begin(kind, name, parents, enclosing, node_id)
        if kind == "step":
            self._open_steps.setdefault(threading.get_ident(), []).append(node)
        return node

    def end(self, node: FlowNode, status: NodeStatus, error: str | None = None) -> None:
        """The node is over."""
        self._build.end(node, status, error)
        for steps in list(self._open_steps.values()):
            if node in steps:
                steps.remove(node)

    @contextmanager
    def lease(self, label: str | None) -> Iterator[AgentLease]:
        """An executor and a workspace; waits in the queue as a node step without name, as Jenkins' does."""
        agents = self._controller.agents
        taken = agents.take(label, self.job_name, self._build) or self._wait_for_executor(label)
        try:
            yield AgentLease(
                label or "",
                taken.workspace,
                {
                    "PATH": self._controller.agent_path,
                    "HOME": str(self._controller.agent_home()),
                    "JENKINS_HOME": str(self._controller.home),
                    "NODE_NAME": "built-in",
                    "NODE_LABELS": " ".join(sorted(agents.labels)),
                    "EXECUTOR_NUMBER": str(taken.executor),
                },
            )
        finally:
            agents.give_back(taken)

    def _wait_for_executor(self, label: str | None) -> Any:
        agents, queue = self._controller.agents, self._controller.queue
        item = queue.add_node_step(agents.why_not(label) or "", stuck=not agents.matches(label))
        announce = time.monotonic() + self._controller.still_waiting
        try:
            while (taken := agents.take(label, self.job_name, self._build)) is None:
                self.check()
                if item.cancelled:
                    self._build.interruption = (
                        "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$QueueTaskCancelled",
                        "Queue task was cancelled",
                    )
                    self._build.aborted.set()
                    raise BuildAbortedError("Queue task was cancelled")
                item.why_waiting = agents.why_not(label) or item.why_waiting
                if time.monotonic() > announce:
                    self.log(f"Still waiting to schedule task\n{item.why_waiting}\n")
                    announce = float("inf")
                time.sleep(_POLL)
            return taken
        finally:
            queue.leave(item)

    def check(self) -> None:
        """Raise `BuildAbortedError` when the build was stopped."""
        if self.aborted.is_set() or self.killed.is_set():
            raise BuildAbortedError(f"{self.job_name} #{self.number} was stopped")

    def credential(self, credentials_id: str) -> Credential | None:
        """From the job's folders inside out, then the global store."""
        for item in reversed(self._build.job.lineage()[:-1]):
            entry = self._controller.store_of(item).get(credentials_id)
            if entry is not None:
                return entry.credential()
        return None

    def input(
        self, input_id: str, message: str, ok: str, parameters: list[dict[str, Any]], cancelled: Callable[[], bool]
    ) -> tuple[str, dict[str, Any]]:
        """Wait for an answer; the id's first letter is upper-cased, as Jenkins does."""
        pending = PendingInput(input_id[:1].upper() + input_id[1:], message, ok, parameters, now())
        build = self._build
        with build.changed:
            build.inputs[pending.id] = pending
            build.had_input = True
        try:
            while pending.answer is None:
                self.check()
                if cancelled():
                    raise BuildAbortedError("the input step was interrupted")
                with build.changed:
                    build.changed.wait(_POLL)
            return pending.answer
        finally:
            with build.changed:
                build.inputs.pop(pending.id, None)

    def trigger(self, job: str, parameters: Mapping[str, Any]) -> tuple[int, Result]:
        """Run another job to its end; a name is looked up beside this job first, then from the root."""
        cause = Cause(
            "hudson.model.Cause$UpstreamCause",
            f'Started by upstream project "{self.job_name}" build number {self.number}',
            {"upstreamBuild": self.number, "upstreamProject": self.job_name, "upstreamUrl": self._build.job.url_path},
        )
        target = self._controller.job_beside(self._build.job, job)
        if target is None:
            raise LookupError(f"No item named {job} found")
        given = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in parameters.items()
        }
        order = Order(self._values(target.definitions(), given), (cause,))
        item, _new = self._controller.queue.schedule(target, order, 0)
        while True:
            self.check()
            if item.build is not None and item.build.wait(_POLL):
                return item.build.number, item.build.result or "FAILURE"
            if item.cancelled:
                return 0, "ABORTED"
            time.sleep(_POLL)

    @staticmethod
    def _values(definitions: list[parameters.Definition], given: Mapping[str, str]) -> dict[str, Any]:
        return parameters.values(definitions, given)

    def declare_parameters(self, definitions: list[parameters.Definition]) -> None:
        """The ``parameters`` of a declarative Jenkinsfile, written into the job by its first run."""
        if self._build.job.definitions() != definitions:
            self._build.job.declare(definitions)
