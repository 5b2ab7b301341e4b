"""Steps that shape the flow: stage, parallel, node, dir, withEnv, and the plain messages."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.jenkins.context import Branch, Build, Interrupter, KilledError, StageState, status_of
from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import GroovyError, throw, to_string
from sandbox.jenkins.model import AgentLease, BuildAbortedError, FlowNode, NodeStatus, Result
from sandbox.jenkins.steps import Arguments, step

_STATUS: dict[Result | None, NodeStatus] = {
    None: "SUCCESS", "SUCCESS": "SUCCESS", "UNSTABLE": "UNSTABLE", "FAILURE": "FAILED", "ABORTED": "ABORTED",
    "NOT_BUILT": "NOT_EXECUTED",
}  # fmt: skip


@step("echo", "Print Message", "message")
def echo(build: Build, arguments: Arguments) -> None:
    """Print a message."""
    build.line(to_string(arguments.values.get("message")))


@step("error", "Error signal", "message")
def error(_build: Build, arguments: Arguments) -> None:
    """Fail."""
    raise throw("AbortException", arguments.text("message", ""))


@step("unstable", "Set stage result to unstable", "message")
def unstable(build: Build, arguments: Arguments) -> None:
    """Make the build and the stage unstable."""
    build.line(f"WARNING: {arguments.text('message')}")
    build.set_result("UNSTABLE")
    if build.context.stage is not None:
        build.context.stage.warn("UNSTABLE", build.step_id)


@step("stage", "Stage", "name concurrency", block=True)
def stage(build: Build, arguments: Arguments) -> Any:
    """A stage of a scripted pipeline."""
    return in_stage(build, arguments.text("name"), lambda _state: arguments.run())


def in_stage(build: Build, name: str, body: Callable[[StageState], Any]) -> Any:
    """Run something as a stage of the flow graph (without the ``[Pipeline] stage`` lines around it).

    Raises:
        GroovyError: What the body raised; the node is then FAILED or ABORTED.
    """
    node = begin(build, "stage", name, build.frame(f"{{ ({name})"))
    state = StageState(name, build.context.stage, warned=node.warned)
    try:
        with build.changed(enclosing=node.id, stage=state):
            result = body(state)
    except GroovyError as error:
        # wfapi shows a stage around a failed parallel step as successful
        hidden = getattr(error, "parallel", None) == node.id
        node.thrown = status_of(error)
        build.host.end(node, "SUCCESS" if hidden else node.thrown, None if hidden else error.value.message)
        raise
    except BaseException:
        node.thrown = "ABORTED" if build.host.killed.is_set() else "FAILED"
        build.host.end(node, node.thrown)
        raise
    else:
        status = state.forced or ("NOT_EXECUTED" if state.skipped else _STATUS[state.warning])
        build.host.end(node, status, state.error)
        return result
    finally:
        if not build.host.killed.is_set():
            node.end_id = build.frame("}")


def begin(build: Build, kind: Any, name: str, node_id: str) -> FlowNode:
    """Begin a node of the flow graph after the branch's last one."""
    context = build.context
    last = (context.branch.last,) if context.branch.last else ()
    node = build.host.begin(kind, name, last, context.enclosing, node_id)
    if kind != "branch":
        context.branch.last = node.id
    return node


@step("parallel", "Execute in parallel", "", block=True)
def parallel(build: Build, arguments: Arguments) -> Any:
    """Run closures in threads."""
    branches = dict(arguments.values)
    fail_fast = bool(branches.pop("failFast", False))
    for name, body in branches.items():
        if not callable(body):
            raise throw("IllegalArgumentException", f"Unsupported: parallel branch {name} is not a closure")
    return run_parallel(build, branches, fail_fast)


class _Parallel:
    """One ``parallel`` step: its branches, their results and failures."""

    def __init__(self, build: Build, fail_fast: bool) -> None:
        self.build, self.fail_fast = build, fail_fast
        self.stop = threading.Event()
        self.results: dict[str, Any] = {}
        self.failures: list[BaseException] = []
        self.children: list[Branch] = []
        self.interrupter = Interrupter("failFast", "", self.stop.is_set)

    def thread(self, name: str, body: Callable[[], Any]) -> threading.Thread:
        """Begin a branch's node; its thread, not yet started."""
        context = self.build.context
        branch = Branch(set(context.branch.delivered), None, context.branch.opened[-1:])
        node = begin(self.build, "branch", name, self.build.frame(f"{{ (Branch: {name})", branch))
        branch.last = node.id
        self.children.append(branch)
        changes = {
            "branch": branch, "enclosing": node.id, "stage": None,
            "interrupters": (*context.interrupters, self.interrupter),
        }  # fmt: skip
        copied = contextvars.copy_context()
        return threading.Thread(
            target=copied.run, args=(self._run, name, body, node, changes), name=f"branch {name}", daemon=True
        )

    def _run(self, name: str, body: Callable[[], Any], node: FlowNode, changes: dict[str, Any]) -> None:
        build = self.build
        try:
            with build.changed(**changes):
                self.results[name] = body()
        except GroovyError as error:
            self._failed(error)
            build.host.end(node, status_of(error), error.value.message)
            build.frame("}", changes["branch"])
            build.line(f"Failed in branch {name}")
        except KilledError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failed(error)
            self.stop.set()
            build.host.end(node, "FAILED")
            build.frame("}", changes["branch"])
        else:
            build.host.end(node, "SUCCESS")
            build.frame("}", changes["branch"])

    def _failed(self, error: BaseException) -> None:
        self.failures.append(error)
        if self.fail_fast:
            self.stop.set()

    def first_failure(self) -> BaseException | None:
        """The failure the step ends with: a refusal, else the first that is no interruption."""
        unknown = [failure for failure in self.failures if not isinstance(failure, GroovyError)]
        own = [f for f in self.failures if isinstance(f, GroovyError) and f.value.name != "FlowInterruptedException"]
        return next(iter([*unknown, *own, *self.failures]), None)


def run_parallel(build: Build, branches: Mapping[str, Callable[[], Any]], fail_fast: bool) -> dict[str, Any]:
    """Run branches in threads, to the end of the last one.

    Raises:
        GroovyError: The first failure of a branch.
    """
    running = _Parallel(build, fail_fast)
    threads = [running.thread(name, body) for name, body in branches.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            build.check()
            thread.join(0.05)
    build.check()
    context = build.context
    for child in running.children:
        context.branch.delivered.update(child.delivered & set(context.interrupters))
    failure = running.first_failure()
    if isinstance(failure, GroovyError):
        failure.parallel = context.enclosing  # type: ignore[attr-defined]
    if failure is not None:
        raise failure
    return running.results


@step("script", "Run arbitrary Pipeline script", "", block=True)
def script(build: Build, arguments: Arguments) -> Any:
    """Scripted code inside a declarative stage."""
    with build.block():
        return arguments.run()


@step("node", "Allocate node", "label", block=True)
def node(build: Build, arguments: Arguments) -> Any:
    """An executor and a workspace."""
    return on_node(build, arguments.get("label"), arguments.run)


def on_node(build: Build, label: str | None, body: Callable[[], Any]) -> Any:
    """Run something on an executor.

    Raises:
        GroovyError: The build was stopped while it waited for one.
    """
    try:
        with build.host.lease(label or None) as lease:
            lease.workspace.mkdir(parents=True, exist_ok=True)
            build.line(f"Running on Jenkins in {lease.workspace}")
            with build.block(lease=lease, folder=lease.workspace):
                return body()
    except BuildAbortedError:
        build.check()
        raise build.interrupt(build.context.interrupters[0]) from None


@step("ws", "Allocate workspace", "dir", block=True, needs_workspace=True)
def ws(build: Build, arguments: Arguments) -> Any:
    """Another workspace on the same executor."""
    lease = build.lease
    workspace = lease.workspace.parent / arguments.text("dir")
    workspace.mkdir(parents=True, exist_ok=True)
    build.line(f"Running in {workspace}")
    with build.block(lease=AgentLease(lease.label, workspace, lease.environment), folder=workspace):
        return arguments.run()


@step("dir", "Change current directory", "path", block=True, needs_workspace=True)
def dir_(build: Build, arguments: Arguments) -> Any:
    """Another current folder."""
    folder = (build.context.folder or Path()) / arguments.text("path")
    build.line(f"Running in {folder}")
    with build.block(folder=folder):
        return arguments.run()


@step("withEnv", "Set environment variables", "overrides", block=True)
def with_env(build: Build, arguments: Arguments) -> Any:
    """Environment variables for a block."""
    pairs = {}
    for item in values.iterate(arguments.get("overrides", [])):
        name, equals, value = to_string(item).partition("=")
        if not equals:
            raise throw("IllegalArgumentException", to_string(item))
        pairs[name] = value
    with build.block(env=build.with_env(pairs)):
        return arguments.run()


@step("timestamps", "Timestamps", "", block=True)
def timestamps(build: Build, arguments: Arguments) -> Any:
    """Timestamps are an annotation of the page; the console text stays as it is."""
    with build.block():
        return arguments.run()


@step("milestone", "The milestone step forces all builds to go through in order", "ordinal label")
def milestone(build: Build, arguments: Arguments) -> None:
    """Nothing to do: builds of one job run in order here."""
    build.line(f"Trying to pass milestone {arguments.get('ordinal', 0)}")


@step("properties", "Set job properties", "properties")
def properties(build: Build, _arguments: Arguments) -> None:
    """Job properties come from the job's configuration alone."""
    build.line("The Jenkins stand-in ignores job properties set by the script; put them into the job's configuration.")
