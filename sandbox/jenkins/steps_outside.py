"""Steps that wait for somebody else: a person (input) or another job (build)."""

from __future__ import annotations

from typing import Any

from sandbox.jenkins.context import Build, Interrupter
from sandbox.jenkins.groovy.values import GroovyError, HostObject, Throwable, UnsupportedError, throw
from sandbox.jenkins.model import BuildAbortedError, Result
from sandbox.jenkins.steps import Arguments, step


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
    if answer == "abort":  # what leaves the script uncaught makes the build ABORTED; a script may go on instead
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
