"""Steps that steer a block: timeout, retry, catchError, sleep, waitUntil."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.jenkins.context import Build, Interrupter, result_of
from sandbox.jenkins.groovy import values
from sandbox.jenkins.groovy.values import GroovyError, UnsupportedError, throw, to_string
from sandbox.jenkins.model import Result
from sandbox.jenkins.steps import Arguments, step

_SECONDS = {"NANOSECONDS": 1e-9, "MICROSECONDS": 1e-6, "MILLISECONDS": 1e-3, "SECONDS": 1.0, "MINUTES": 60.0,
            "HOURS": 3600.0, "DAYS": 86400.0}  # fmt: skip


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
    _catching(build, arguments, build_result, arguments.get("stageResult", "SUCCESS"))


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
            build.context.stage.warn(stage_result, build.context.branch.ended)


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
