"""What a step runs in: the build's shared state, and the context that block steps (node, dir, withEnv, ...) change."""

from __future__ import annotations

import base64
import contextvars
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox.jenkins.groovy.values import GroovyError, Throwable, to_string
from sandbox.jenkins.model import AgentLease, BuildHost, NodeStatus, Note, Result

POLL_SECONDS = 0.02
_SEVERITY: dict[Result | None, int] = {None: 0, "SUCCESS": 0, "UNSTABLE": 1, "FAILURE": 2, "NOT_BUILT": 3, "ABORTED": 4}


class KilledError(BaseException):
    """The build was killed: every thread gives up at once, no `finally` of the script runs steps."""


def worse(left: Result | None, right: Result | None) -> Result | None:
    """The worse of two results (None counts as success)."""
    return right if _SEVERITY[right] > _SEVERITY[left] else left


@dataclass(eq=False)
class Interrupter:
    """Something that interrupts what runs inside it: the user's stop, a timeout, a failed sibling.

    It interrupts every branch once; a script that swallows it goes on.
    """

    kind: str
    message: str
    is_set: Callable[[], bool]


@dataclass(frozen=True)
class Opened:
    """A node that has not ended, as the console numbers them: a step, or the body of one."""

    id: str
    body: bool = False
    atom: bool = False


@dataclass(eq=False)
class Branch:
    """A thread of the pipeline: what it was interrupted by, its last node in the flow graph, and what is open in it.

    `ended` is the node that ended its last body, as the console numbers it.
    """

    delivered: set[Interrupter] = field(default_factory=set)
    last: str | None = None
    opened: list[Opened] = field(default_factory=list)
    ended: str | None = None


@dataclass(eq=False)
class StageState:
    """A running stage: the worst status a step gave it without failing it."""

    name: str
    outer: StageState | None = None
    warning: Result | None = None
    skipped: bool = False
    error: str | None = None
    forced: NodeStatus | None = None

    warned: dict[str, Result] = field(default_factory=dict)

    def warn(self, result: Result | None, step: str | None = None) -> None:
        """Mark this stage and those around it, and the step that does it."""
        self.warning = worse(self.warning, result)
        if step is not None and result is not None:
            self.warned[step] = result
        if self.outer is not None:
            self.outer.warn(result)


@dataclass(frozen=True)
class Context:
    """The surroundings of a step; block steps make changed copies."""

    branch: Branch = field(default_factory=Branch)
    env: Mapping[str, str] = field(default_factory=dict)
    lease: AgentLease | None = None
    folder: Path | None = None
    interrupters: tuple[Interrupter, ...] = ()
    enclosing: str | None = None
    stage: StageState | None = None
    secrets: tuple[str, ...] = ()
    secret_names: tuple[str, ...] = ()


_current: contextvars.ContextVar[Context] = contextvars.ContextVar("jenkins-context")


class Build:
    """The shared state of one running build."""

    def __init__(self, host: BuildHost) -> None:
        self.host = host
        self.global_env = host.variables
        self.lock = threading.RLock()
        self.inputs = 0
        self._last_id = 1
        self.cookie = uuid.uuid4().hex
        self.parameters: dict[str, Any] = dict(host.parameters)
        # the server has already said who stopped the build
        abort = Interrupter("abort", "", host.aborted.is_set)
        self._root = Context(interrupters=(abort,))
        self._mask: dict[tuple[str, ...], re.Pattern[str]] = {}

    @property
    def context(self) -> Context:
        """The current thread's context."""
        return _current.get(self._root)

    @contextmanager
    def changed(self, **changes: Any) -> Iterator[Context]:
        """Run something in a changed context."""
        inner = replace(self.context, **changes)
        token = _current.set(inner)
        try:
            yield inner
        finally:
            _current.reset(token)

    @property
    def lease(self) -> AgentLease:
        """The executor and workspace of a step that needs one.

        Raises:
            GroovyError: The step is outside ``node``.
        """
        lease = self.context.lease
        if lease is None:
            raise GroovyError(Throwable("IllegalStateException", "Required context class hudson.FilePath is missing"))
        return lease

    @property
    def folder(self) -> Path:
        """The current folder of a step that needs a workspace."""
        return self.context.folder or self.lease.workspace

    # console

    def log(self, text: str) -> None:
        """Append to the console, secrets masked."""
        secrets = self.context.secrets
        if secrets:
            pattern = self._mask.setdefault(secrets, _mask_pattern(secrets))
            text = pattern.sub("****", text)
        self.host.log(text)

    def line(self, text: str) -> None:
        """A line on the console."""
        self.log(text + "\n")

    @property
    def step_id(self) -> str | None:
        """The step that runs, as the console numbers it."""
        opened = self.context.branch.opened
        return opened[-1].id if opened else None

    def frame(self, text: str, branch: Branch | None = None, *, atom: bool = False) -> str:
        """A ``[Pipeline]`` line on the console: one node of the flow graph, with ids as Jenkins gives them.

        Args:
            text: What begins or ends.
            branch: Whose it is; None = the current branch.
            atom: It is a step without a body.

        Returns:
            The node's id.
        """
        opened = (branch or self.context.branch).opened
        if opened and opened[-1].atom:
            opened.pop()
        with self.lock:
            self._last_id += 1
            node = str(self._last_id)
        if text.startswith(("}", "// ", "End of ")):
            start, enclosing = (opened.pop().id if opened else None), None
        else:
            start, enclosing = (None if atom else node), (opened[-1].id if opened else None)
            opened.append(Opened(node, body=text.startswith("{"), atom=atom))
        lines = opened[-1].id if opened and not opened[-1].body else None
        self.host.log(f"[Pipeline] {text}\n", Note(node, start, enclosing, lines))
        return node

    @contextmanager
    def block(self, label: str | None = None, **changes: Any) -> Iterator[Context]:
        """The body of a block step: ``{`` and ``}`` on the console, and a changed context."""
        self.frame("{" if label is None else f"{{ ({label})")
        try:
            with self.changed(**changes) as inner:
                yield inner
        finally:
            if not self.host.killed.is_set():
                self.context.branch.ended = self.frame("}")

    # result

    def set_result(self, result: Result | None) -> None:
        """Worsen the build's result; it never improves."""
        with self.lock:
            self.host.result = worse(self.host.result, result)

    # interruption

    def check(self) -> None:
        """Give up when the build was killed."""
        if self.host.killed.is_set():
            raise KilledError

    def pending(self) -> Interrupter | None:
        """The interrupter whose turn it is in this branch."""
        context = self.context
        for interrupter in context.interrupters:
            if interrupter not in context.branch.delivered and interrupter.is_set():
                return interrupter
        return None

    def interrupt(self, interrupter: Interrupter) -> GroovyError:
        """Mark an interruption as delivered to this branch, and make its exception."""
        self.context.branch.delivered.add(interrupter)
        if interrupter.kind == "abort":
            self.set_result("ABORTED")
        return GroovyError(Throwable("FlowInterruptedException", None, interrupter))

    def poll(self) -> None:
        """Raise a pending interruption.

        Raises:
            GroovyError: FlowInterruptedException.
            KilledError: The build was killed.
        """
        self.check()
        pending = self.pending()
        if pending is not None:
            if pending.message:
                self.line(pending.message)
            raise self.interrupt(pending)

    def wait(self, seconds: float | None = None, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait interruptibly; whether `until` became true."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not until():
            self.poll()
            left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(POLL_SECONDS, left))
        return True

    # flow graph

    @contextmanager
    def step_node(self, name: str) -> Iterator[None]:
        """A step in the flow graph."""
        context = self.context
        parents = (context.branch.last,) if context.branch.last else ()
        node = self.host.begin("step", name, parents, context.enclosing, self.step_id)
        context.branch.last = node.id
        try:
            yield
        except GroovyError as error:
            self.host.end(node, status_of(error), error.value.message)
            raise
        except BaseException:
            self.host.end(node, "ABORTED" if self.host.killed.is_set() else "FAILED")
            raise
        self.host.end(node, "SUCCESS")

    # environment

    def environment(self) -> dict[str, str]:
        """The environment that ``env`` and shell steps see: agent, build, parameters, `env.X = `, withEnv."""
        context = self.context
        result: dict[str, str] = {}
        if context.lease is not None:
            result.update(_lease_environment(context.lease))
        result.update(self._build_environment())
        result.update({name: to_string(value) for name, value in self.parameters.items() if value is not None})
        result.update(self.global_env)
        result.update(context.env)
        return {name: value for name, value in result.items() if value != ""}

    def _build_environment(self) -> dict[str, str]:
        host = self.host
        return {
            "BUILD_NUMBER": str(host.number),
            "BUILD_ID": str(host.number),
            "BUILD_DISPLAY_NAME": host.display_name or f"#{host.number}",
            "BUILD_TAG": f"jenkins-{host.job_name.replace('/', '-')}-{host.number}",
            "BUILD_URL": host.build_url,
            "JOB_NAME": host.job_name,
            "JOB_BASE_NAME": host.job_name.rsplit("/", 1)[-1],
            "JOB_URL": host.build_url.rstrip("/").rsplit("/", 1)[0] + "/",
            "JENKINS_URL": host.jenkins_url,
            "CI": "true",
        }

    def with_env(self, pairs: Mapping[str, str]) -> dict[str, str]:
        """The overrides of an inner context; ``PATH+X`` prepends to PATH."""
        merged = dict(self.context.env)
        for name, value in pairs.items():
            if "+" in name:
                base = name.partition("+")[0]
                before = merged.get(base) or self.environment().get(base) or os.environ.get(base, "")
                merged[base] = f"{value}:{before}" if before else value
            else:
                merged[name] = value
        return merged


def status_of(error: GroovyError) -> NodeStatus:
    """The flow node status after an exception."""
    return "ABORTED" if error.value.name == "FlowInterruptedException" else "FAILED"


def result_of(error: GroovyError) -> Result:
    """The build's result after an exception; a branch stopped by failFast is part of its sibling's failure."""
    if error.value.name != "FlowInterruptedException":
        return "FAILURE"
    interruption = error.value.interruption
    return "FAILURE" if interruption is not None and interruption.kind == "failFast" else "ABORTED"


def _lease_environment(lease: AgentLease) -> dict[str, str]:
    return {
        **lease.environment,
        "NODE_NAME": lease.environment.get("NODE_NAME", lease.label or "built-in"),
        "EXECUTOR_NUMBER": lease.environment.get("EXECUTOR_NUMBER", "0"),
        "WORKSPACE": str(lease.workspace),
        "WORKSPACE_TMP": f"{lease.workspace}@tmp",
    }


def _mask_pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    forms: set[str] = set()
    for secret in secrets:
        forms.add(secret)
        forms.update(line for line in secret.split("\n") if len(line) > 3)
        encoded = base64.b64encode(secret.encode()).decode()
        forms.update({encoded, encoded.rstrip("="), "'" + secret.replace("'", "'\\''") + "'"})
    ordered = sorted((form for form in forms if form), key=len, reverse=True)
    return re.compile("|".join(re.escape(form) for form in ordered) or r"(?!)")
