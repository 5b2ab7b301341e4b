"""What the two halves of the Jenkins stand-in share: the server keeps jobs and builds, the executor runs scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

NodeStatus = Literal["IN_PROGRESS", "SUCCESS", "UNSTABLE", "FAILED", "ABORTED", "NOT_EXECUTED", "PAUSED_PENDING_INPUT"]
Result = Literal["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]


@dataclass
class FlowNode:
    """One node of a build's flow graph: a stage, a parallel branch, or a step (times in epoch milliseconds).

    Attributes:
        end_id: The node that ended a stage, as the console numbers it.
        thrown: What ended a stage as an exception, whatever `status` wfapi shows.
        warned: What steps in a stage made of it without ending it, by the console's ids: of the step, or, where it
            caught an error, of the node that ends its body.
    """

    id: str
    kind: Literal["stage", "branch", "step"]
    name: str
    parents: tuple[str, ...]
    started: int
    ended: int | None = None
    status: NodeStatus = "IN_PROGRESS"
    error: str | None = None
    enclosing: str | None = None
    end_id: str | None = None
    thrown: NodeStatus | None = None
    warned: dict[str, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """What Jenkins keeps of a ``[Pipeline]`` line: ids of the flow graph.

    Attributes:
        node: The node that begins or ends with this line.
        start: The node that begins the block that begins or ends here, or None.
        enclosing: The innermost block around a node that begins, or None.
        lines: The node that lines after this one belong to, or None.
    """

    node: str
    start: str | None
    enclosing: str | None
    lines: str | None


@dataclass(frozen=True)
class Credential:
    """An entry of the credentials store; `fields` by the XML element's name (username, password, secret, ...)."""

    id: str
    kind: Literal["usernamePassword", "string", "file", "sshUserPrivateKey", "other"]
    fields: Mapping[str, str]


@dataclass
class AgentLease:
    """An executor and a workspace, leased to one `node` step."""

    label: str
    workspace: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class BuildAbortedError(Exception):
    """The build was stopped (or a step was interrupted)."""


@dataclass(frozen=True)
class EarlierBuild:
    """A build of the same job before this one, as ``currentBuild.previousBuild`` shows it."""

    number: int
    result: Result | None
    variables: Mapping[str, str]  # what it set on `env`
    previous: Callable[[], EarlierBuild | None]


class BuildHost(Protocol):
    """What the executor may ask of the server while it runs one build. All methods are thread-safe."""

    job_name: str  # full name, e.g. smartclide/group/app
    number: int
    script: str
    parameters: Mapping[str, Any]
    build_url: str
    jenkins_url: str
    folder: Path  # the build's own folder: stashes go to folder/"stashes", artifacts to folder/"archive"
    aborted: threading.Event  # set by stop/term: the executor interrupts steps (SIGTERM to processes), runs post
    variables: dict[str, str]  # what the build sets on `env`; later builds see them as buildVariables
    scm: Mapping[str, Any] | None  # what the script was read from, as `checkout` takes it; None = it is the job's own
    killed: threading.Event  # set by kill: the executor gives up at once
    restart_stage: str | None  # the top-level stage a restarted declarative build begins at
    restarted_folder: Path | None  # the folder of the build it was restarted from

    def log(self, text: str, note: Note | None = None) -> None:
        """Append to the console (text with its own line ends; masking is done by the executor).

        A ``[Pipeline]`` line comes alone, with its `note`.
        """

    def begin(
        self,
        kind: Literal["stage", "branch", "step"],
        name: str,
        parents: tuple[str, ...],
        enclosing: str | None = None,
        node_id: str | None = None,
    ) -> FlowNode:
        """A node of the flow graph begins, under the console's id if that is given; the executor later calls `end`."""

    def end(self, node: FlowNode, status: NodeStatus, error: str | None = None) -> None:
        """The node is over."""

    def lease(self, label: str | None) -> AbstractContextManager[AgentLease]:
        """An executor with that label and a workspace of its own; blocks while all are busy.

        Raises:
            BuildAbortedError: The build was stopped meanwhile.
        """

    def previous(self) -> EarlierBuild | None:
        """The newest build of the job before this one."""

    def credential(self, credentials_id: str) -> Credential | None:
        """From the job's folders inside out, then the global store."""

    def input(
        self, input_id: str, message: str, ok: str, parameters: list[dict[str, Any]], cancelled: Callable[[], bool]
    ) -> tuple[str, dict[str, Any]]:
        """Wait for an answer: ``("proceed", {"name": value})`` or ``("abort", {})``; `cancelled` is polled."""

    def trigger(self, job: str, parameters: Mapping[str, Any]) -> tuple[int, Result]:
        """Run another job to its end (`build` step); its number and result."""

    description: str | None
    display_name: str | None
    result: Result | None  # as currentBuild.result: None until something worsened it
    test_reports: list[Path]  # JUnit XML files taken by the `junit` step
