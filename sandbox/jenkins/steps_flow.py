"""Steps that steer: stage, parallel, node, timeout, retry, catchError, input, build and their like."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.jenkins.context import Branch, Build, Interrupter, KilledError, StageState, result_of, status_of
from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import GroovyError, HostObject, Throwable, UnsupportedError, throw, to_string
from sandbox.jenkins.model import AgentLease, BuildAbortedError, FlowNode, NodeStatus, Result
from sandbox.jenkins.steps import Arguments, step

_SECONDS = {"NANOSECONDS": 1e-9, "MICROSECONDS": 1e-6, "MILLISECONDS": 1e-3, "SECONDS": 1.0, "MINUTES": 60.0,
            "HOURS": 3600.0, "DAYS": 86400.0}  # fmt: skip
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
        build.context.stage.warn("UNSTABLE")


@step("stage", "Stage", "name concurrency", block=True)
def stage(build: Build, arguments: Arguments) -> Any:
    """A stage of a scripted pipeline."""
    return in_stage(build, arguments.text("name"), lambda _state: arguments.run())


def in_stage(build: Build, name: str, body: Callable[[StageState], Any]) -> Any:
    """Run something as a stage of the flow graph (without the ``[Pipeline] stage`` lines around it).

    Raises:
        GroovyError: What the body raised; the node is then FAILED or ABORTED.
    """
    node = begin(build, "stage", name)
    state = StageState(name, build.context.stage)
    try:
        with build.block(name, enclosing=node.id, stage=state):
            result = body(state)
    except GroovyError as error:
        # wfapi shows a stage around a failed parallel step as successful
        hidden = getattr(error, "parallel", None) == node.id
        build.host.end(node, "SUCCESS" if hidden else status_of(error), None if hidden else error.value.message)
        raise
    except BaseException:
        build.host.end(node, "ABORTED" if build.host.killed.is_set() else "FAILED")
        raise
    status = state.forced or ("NOT_EXECUTED" if state.skipped else _STATUS[state.warning])
    build.host.end(node, status, state.error)
    return result


def begin(build: Build, kind: Any, name: str) -> FlowNode:
    """Begin a node of the flow graph after the branch's last one."""
    context = build.context
    node = build.host.begin(kind, name, (context.branch.last,) if context.branch.last else (), context.enclosing)
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
        node = begin(self.build, "branch", name)
        self.build.frame(f"{{ (Branch: {name})")
        branch = Branch(set(context.branch.delivered), node.id)
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
            build.frame("}")
            build.line(f"Failed in branch {name}")
        except KilledError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failed(error)
            self.stop.set()
            build.host.end(node, "FAILED")
            build.frame("}")
        else:
            build.host.end(node, "SUCCESS")
            build.frame("}")

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


@step("timeout", "Enforce time limit", "time unit activity", block=True)
def timeout(build: Build, arguments: Arguments) -> Any:
    """A deadline for a block: its steps are interrupted, the result is ABORTED."""
    if arguments.flag("activity"):
        raise UnsupportedError("timeout(activity: true) is not supported by the Jenkins stand-in")
    seconds = duration(arguments)
    return within(build, seconds, arguments.run)


def duration(arguments: Arguments) -> float:
    """``time`` and ``unit`` in seconds."""
    unit = arguments.text("unit", "MINUTES")
    if unit not in _SECONDS:
        raise throw("IllegalArgumentException", f"No enum constant java.util.concurrent.TimeUnit.{unit}")
    return float(arguments.get("time", 0)) * _SECONDS[unit]


def within(build: Build, seconds: float, body: Callable[[], Any]) -> Any:
    """Run something under a deadline."""
    build.line(f"Timeout set to expire in {shown_duration(seconds)}")
    end = time.monotonic() + seconds
    limit = Interrupter("timeout", "Cancelling nested steps due to timeout", lambda: time.monotonic() >= end)
    with build.block(interrupters=(*build.context.interrupters, limit)):
        return body()


def shown_duration(seconds: float) -> str:
    """A duration in Jenkins' words: ``1 hr 0 min``, ``1 min 30 sec``, ``2 sec``."""
    whole = int(seconds)
    units = (("day", 86400), ("hr", 3600), ("min", 60), ("sec", 1))
    for index, (name, size) in enumerate(units):
        if whole >= size:
            first = f"{whole // size} {name}"
            if index + 1 == len(units) or (name == "min" and whole >= 600):
                return first
            return f"{first} {whole % size // units[index + 1][1]} {units[index + 1][0]}"
    return f"{seconds * 1000:.0f} ms"


@step("retry", "Retry the body up to N times", "count conditions", block=True)
def retry(build: Build, arguments: Arguments) -> Any:
    """Repeat a failing block; a user's stop is not repeated, a timeout is."""
    count = int(arguments.get("count", 1))
    attempt = 0
    while True:
        attempt += 1
        try:
            with build.block():
                return arguments.run()
        except GroovyError as error:
            interruption = error.value.interruption
            stopped = interruption is not None and interruption.kind != "timeout"
            expired = interruption is not None and interruption in build.context.interrupters
            if attempt >= count or stopped or expired or arguments.get("conditions"):
                raise
            show_error(build, error)
            build.line("Retrying")


def show_error(build: Build, error: GroovyError) -> None:
    """Print an exception as Jenkins does: plain for `error` and failed steps, with its class otherwise."""
    value = error.value
    if value.is_a("AbortException"):
        build.line(f"ERROR: {value.message}")
    elif value.name == "FlowInterruptedException":
        if value.interruption is not None and value.interruption.kind == "timeout":
            build.line("Timeout has been exceeded")
    else:
        build.line(f"{value}\n\tat WorkflowScript.run(WorkflowScript:{error.line})")


@step("catchError", "Catch error and set build result to failure", "message buildResult stageResult catchInterruptions",
      block=True)  # fmt: skip
def catch_error(build: Build, arguments: Arguments) -> None:
    """Keep going after a failure."""
    build_result: Result = arguments.get("buildResult", "FAILURE")
    _catching(build, arguments, build_result, arguments.get("stageResult", build_result))


@step("warnError", "Catch error and set build and stage result to unstable", "message catchInterruptions", block=True)
def warn_error(build: Build, arguments: Arguments) -> None:
    """Keep going after a failure; it becomes UNSTABLE."""
    _catching(build, arguments, "UNSTABLE", "UNSTABLE")


def _catching(build: Build, arguments: Arguments, build_result: Result, stage_result: Result) -> None:
    for result in (build_result, stage_result):
        if result not in ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"):
            raise throw("IllegalArgumentException", f"Result {to_string(result)} is invalid")
    try:
        with build.block():
            arguments.run()
    except GroovyError as error:
        if error.value.name == "FlowInterruptedException":
            if not arguments.flag("catchInterruptions", True):
                raise
            build_result = result_of(error)
        if arguments.get("message"):
            build.line(f"ERROR: {arguments.text('message')}")
        show_error(build, error)
        build.set_result(None if build_result == "SUCCESS" else build_result)
        if build.context.stage is not None:
            build.context.stage.warn(stage_result)


@step("sleep", "Sleep", "time unit")
def sleep(build: Build, arguments: Arguments) -> None:
    """Wait."""
    unit = arguments.text("unit", "SECONDS")
    if unit not in _SECONDS:
        raise throw("IllegalArgumentException", f"No enum constant java.util.concurrent.TimeUnit.{unit}")
    seconds = float(arguments.get("time", 0)) * _SECONDS[unit]
    build.line(f"Sleeping for {shown_duration(seconds)}")
    build.wait(seconds)


@step("waitUntil", "Wait for condition", "initialRecurrencePeriod quiet", default=None, block=True)
def wait_until(build: Build, arguments: Arguments) -> None:
    """Repeat a block until it yields true; the pauses grow by a fifth, to 15 s."""
    pause = float(arguments.get("initialRecurrencePeriod", 250)) / 1000
    while True:
        with build.block():
            if values.truth(arguments.run()):
                return
        if not arguments.flag("quiet"):
            build.line(f"Will try again after {shown_duration(pause)}")
        build.wait(pause)
        pause = min(pause * 1.2, 15.0)


@step("input", "Wait for interactive input", "message id ok parameters submitter submitterParameter cancel")
def input_(build: Build, arguments: Arguments) -> Any:
    """Wait for a person."""
    with build.lock:
        build.inputs += 1
        number = build.inputs
    found = arguments.text("id", f"Input{number}")
    identity = found[:1].upper() + found[1:]
    parameters = [dict(parameter) for parameter in arguments.get("parameters", [])]
    ok = arguments.text("ok", "Proceed")
    message = arguments.text("message", "")
    if parameters:
        build.line("Input requested")
    else:
        build.line(f"{message}\n{ok} or Abort")
    return ask(build, identity, (message, ok), parameters)


def ask(build: Build, identity: str, texts: tuple[str, str], parameters: list[dict[str, Any]]) -> Any:
    """Wait for an answer; None, the only parameter's value, or a map of all.

    Raises:
        GroovyError: FlowInterruptedException, when it was rejected or interrupted.
    """
    try:
        answer, given = build.host.input(
            identity, *texts, parameters, lambda: build.host.killed.is_set() or build.pending() is not None
        )
    except BuildAbortedError:
        answer, given = "abort", {}
    build.poll()
    if answer == "abort":
        build.set_result("ABORTED")
        rejected = Interrupter("rejected", "Rejected", lambda: True)
        raise GroovyError(Throwable("FlowInterruptedException", None, rejected))
    complete = {str(p["name"]): p.get("defaultValue", "") for p in parameters} | dict(given)
    if not parameters:
        return None
    return next(iter(complete.values())) if len(complete) == 1 else complete


class ChildBuild(HostObject):
    """What the ``build`` step returns."""

    def __init__(self, job: str, number: int, result: Result) -> None:
        self.fields: dict[str, Any] = {
            "number": number, "id": str(number), "result": result, "currentResult": result,
            "fullProjectName": job, "projectName": job.rsplit("/", 1)[-1], "displayName": f"#{number}",
        }  # fmt: skip

    def get(self, name: str) -> Any:
        """A property of the finished build."""
        return self.fields[name] if name in self.fields else super().get(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """A getter."""
        key = name[3:4].lower() + name[4:]
        return self.fields[key] if name.startswith("get") and key in self.fields else super().call(name, arguments)


@step("build", "Build a job", "job parameters propagate wait quietPeriod")
def build_job(build: Build, arguments: Arguments) -> Any:
    """Run another job and wait for it."""
    if not arguments.flag("wait", True):
        raise UnsupportedError("build(wait: false) is not supported by the Jenkins stand-in")
    job = arguments.text("job")
    given = {str(item["name"]): item.get("value") for item in arguments.get("parameters", [])}
    build.line(f"Scheduling project: {job.replace('/', ' » ')}")
    try:
        number, result = build.host.trigger(job, given)
    except BuildAbortedError:
        build.poll()
        raise
    except LookupError:
        raise throw("AbortException", f"No item named {job} found") from None
    build.line(f"Starting building: {job.replace('/', ' » ')} #{number}")
    if result != "SUCCESS" and arguments.flag("propagate", True):
        if result == "UNSTABLE":
            build.set_result("UNSTABLE")
            return ChildBuild(job, number, result)
        shown = job.replace("/", " » ")
        message = f"{shown} #{number} completed with status {result} (propagate: false to ignore)"
        raise throw("AbortException", message)
    return ChildBuild(job, number, result)


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
