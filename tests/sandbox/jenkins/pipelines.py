"""Fake pipelines: what stands for the Jenkinsfiles of the recorded jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.jenkins.model import BuildAbortedError
from sandbox.jenkins.parameters import Definition


def hello(host: Any) -> str:
    host.log("[Pipeline] Start of Pipeline\n[Pipeline] node\n")
    with host.lease(None) as lease:
        host.log(f"Running on Jenkins in {lease.workspace}\n[Pipeline] {{\n")
        one_stage(host, "s", "Print Message", "hello\n")
    host.log("[Pipeline] End of Pipeline\n")
    return "SUCCESS"


def one_stage(
    host: Any,
    name: str,
    step: str,
    text: str,
    status: str = "SUCCESS",
    error: str | None = None,
    seconds: float = 0,
    **more: Any,
) -> None:
    stage = host.begin("stage", name, (), more.get("enclosing"))
    node = host.begin("step", step, (stage.id,), stage.id)
    host.log(text)
    if seconds and host.aborted.wait(seconds):
        host.end(node, "ABORTED")
        host.end(stage, "ABORTED")
        raise BuildAbortedError("stopped")
    host.end(node, "FAILED" if error else "SUCCESS", error)
    host.end(stage, status, error)


def skipped_stage(host: Any, name: str, error: str | None = None) -> None:
    host.end(host.begin("stage", name, ()), "NOT_EXECUTED", error)


def sleeper(seconds: float) -> Callable[[Any], str]:
    def run(host: Any) -> str:
        one_stage(host, "a", "Sleep", f"Sleeping for {seconds} sec\n", seconds=seconds)
        return "SUCCESS"

    return run


def no_label(host: Any) -> str:
    with host.lease("no-such-label"):
        return "SUCCESS"


def failing(host: Any) -> str:
    one_stage(host, "ok", "Print Message", "fine\n")
    one_stage(host, "boom", "Shell Script", "+ echo about\nabout\n+ exit 3\n", "FAILED", "script returned exit code 3")
    skipped_stage(host, "never", "script returned exit code 3")
    one_stage(host, "Declarative: Post Actions", "Print Message", "post always\n")
    host.log("ERROR: script returned exit code 3\n")
    return "FAILURE"


def unstable(host: Any) -> str:
    stage = host.begin("stage", "soft", ())
    node = host.begin("step", "Shell Script", (stage.id,), stage.id)
    host.log("+ exit 1\n")
    host.end(node, "FAILED", "script returned exit code 1")
    host.end(stage, "FAILED")
    stage = host.begin("stage", "allowed", ())
    node = host.begin("step", "Shell Script", (stage.id,), stage.id)
    host.log("+ exit 1\n")
    host.end(node, "FAILED", "script returned exit code 1")
    host.end(stage, "UNSTABLE")
    skipped_stage(host, "skipped")
    one_stage(host, "warn", "Set stage result to unstable", "WARNING: careful\n", "UNSTABLE")
    one_stage(host, "after", "Print Message", "x\n")
    host.result = "UNSTABLE"
    return "SUCCESS"


def abortable(host: Any) -> str:
    one_stage(host, "a", "Print Message", "a\n")
    try:
        one_stage(host, "z", "Shell Script", "+ sleep 100\n", seconds=30)
    except BuildAbortedError:
        time.sleep(0.3)
    skipped_stage(host, "later", "")
    stage = host.begin("stage", "Declarative: Post Actions", ())
    for text in ("always\n", "was aborted\n"):
        node = host.begin("step", "Print Message", (stage.id,), stage.id)
        host.log(text)
        host.end(node, "SUCCESS")
    host.end(stage, "SUCCESS")
    return "ABORTED"


def stubborn(host: Any) -> str:
    while not host.killed.wait(0.01):
        host.aborted.clear()
    return "SUCCESS"


def gated(host: Any) -> str:
    one_stage(host, "before", "Print Message", "b\n")
    stage = host.begin("stage", "gate", ())
    parameter = {"type": "StringParameterDefinition", "name": "TARGET", "defaultValue": "prod"}
    answer, _values = host.input("deploy-prod", "Deploy?", "Go", [parameter], host.aborted.is_set)
    host.end(stage, "SUCCESS" if answer == "proceed" else "ABORTED")
    return "SUCCESS" if answer == "proceed" else "ABORTED"


def archiving(host: Any) -> str:
    base = host.folder / "archive" / "out"
    (base / "sub").mkdir(parents=True)
    (base / "a.txt").write_text("hello\n")
    (base / "sub" / "b.bin").write_bytes(b"\x01\x02")
    (base / "sp ace é.txt").write_text("sp ace\n")
    return "SUCCESS"


def with_tests(host: Any) -> str:
    one_stage(host, "t", "Archive JUnit-formatted test results", "Recording test results\n", "UNSTABLE")
    one_stage(host, "after", "Print Message", "UNSTABLE\n")
    report = host.folder / "junit.xml"
    report.write_text(
        '<testsuite name="s"><testcase classname="c.A" name="ok" time="0.5"/><testcase classname="c.A" name="bad">'
        '<failure message="boom">trace</failure></testcase><testcase classname="c.A" name="sk"><skipped/></testcase>'
        "</testsuite>"
    )
    host.test_reports.append(report)
    host.result = "UNSTABLE"
    return "SUCCESS"


def restartable(host: Any) -> str:
    if host.restart_stage is None:
        one_stage(host, "one", "Print Message", "one\n")
    else:
        skipped_stage(host, "one")
    one_stage(host, "two", "Print Message", "two\n")
    one_stage(host, "three", "Shell Script", "+ false\n", "FAILED", "script returned exit code 1")
    skipped_stage(host, "four", "script returned exit code 1")
    return "FAILURE"


def big(host: Any) -> str:
    host.log("[Pipeline] Start of Pipeline\n[Pipeline] node\n")
    time.sleep(0.2)
    one_stage(
        host,
        "s",
        "Shell Script",
        "this is a line of eighty characters, more or less, to fill the console of it..\n" * 65_000,
    )
    host.log("[Pipeline] End of Pipeline\n")
    return "SUCCESS"


def stages_and_parallel(host: Any) -> str:
    host.log("[Pipeline] Start of Pipeline\n")
    one = host.begin("stage", "one", ())
    node = host.begin("step", "Shell Script", (one.id,), one.id)
    host.log("+ echo line 1\nline 1\n")
    host.gates["one"].wait(5)
    host.end(node, "SUCCESS")
    host.end(one, "SUCCESS")
    par = host.begin("stage", "par", ())
    branches = [host.begin("branch", name, (par.id,), par.id) for name in ("p1", "p2", "p3")]
    p1, p2, p3 = (host.begin("stage", each.name, (each.id,), each.id) for each in branches)
    host.end(p3, "NOT_EXECUTED")
    host.end(branches[2], "SUCCESS")
    p1_step = host.begin("step", "Shell Script", (p1.id,), p1.id)
    host.log("[Pipeline] sh\n+ echo p1\np1\n")
    p2a = host.begin("stage", "p2a", (p2.id,), p2.id)
    host.end(host.begin("step", "Shell Script", (p2a.id,), p2a.id), "SUCCESS")
    echo = host.begin("step", "Print Message", (p2a.id,), p2a.id)
    host.log("[Pipeline] echo\np2a\n")
    host.end(echo, "SUCCESS")
    host.end(p2a, "SUCCESS")
    p2b = host.begin("stage", "p2b", (p2.id,), p2.id)
    p2b_step = host.begin("step", "Shell Script", (p2b.id,), p2b.id)
    host.gates["parallel"].wait(5)
    for node in (p1_step, p2b_step, p2b, p1, p2, *branches[:2], par):
        host.end(node, "SUCCESS")
    one_stage(host, "last", "Print Message", "last\n")
    host.log("[Pipeline] End of Pipeline\n")
    return "SUCCESS"


def failing_branch(host: Any) -> str:
    par = host.begin("stage", "par", ())
    branches = [host.begin("branch", name, (par.id,), par.id) for name in ("slow", "quick", "bad", "skipped")]
    slow, quick, bad, left = (host.begin("stage", each.name, (each.id,), each.id) for each in branches)
    step = host.begin("step", "Shell Script", (slow.id,), slow.id)
    host.log("+ echo slow\nslow\n")
    host.end(host.begin("step", "Print Message", (quick.id,), quick.id), "SUCCESS")
    host.end(quick, "SUCCESS")
    host.end(host.begin("step", "Error signal", (bad.id,), bad.id), "FAILED", "oops")
    host.end(bad, "FAILED", "oops")
    host.end(left, "NOT_EXECUTED")
    host.gates["slow"].wait(5)
    for node in (step, slow):
        host.end(node, "SUCCESS")
    host.end(par, "FAILED", "oops")
    skipped_stage(host, "later", "oops")
    return "FAILURE"


def in_three_parts(host: Any) -> str:
    host.log("[Pipeline] Start of Pipeline\n")
    for part in range(4):
        host.gates[f"part {part}"].wait(5)
        host.log(f"[Pipeline] echo\ngl-job name=part-{part} state=running\n")
    return "FAILURE"


def write_parameters(host: Any) -> str:
    host.declare_parameters([Definition("String", "WHO", "dflt")])
    return hello(host)


def waiting(host: Any) -> str:
    host.gates["end"].wait(5)
    return "SUCCESS"


def holding(host: Any) -> str:
    with host.lease(None):
        return waiting(host)
