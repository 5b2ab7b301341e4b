"""What the runner does for all jobs grows with their number, not with its square: Jenkins runs its Groovy slowly."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.groovy.runtime import ClosureValue, MethodValue
from tasks.interpretation.expressions import Equal, Text, Var
from tasks.interpretation.pipeline import Child, Job, Need, Pipeline, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.sandbox.jenkins.fake_host import FakeHost
from tests.tasks.jenkins_build.running import project

NEVER = (Undecided(Equal(Var("RUN"), Text("yes"))),)


def _group(count: int) -> list[Job]:
    return [Job(f"job {n}", "a", ("true",), resource_group="one") for n in range(count)]


def _skipped_children(count: int) -> list[Job]:
    starts = [Job(f"child {n}", "a", (), child=Child((f"c{n}",)), rules=NEVER) for n in range(count)]
    return starts + [Job(f"job {n}", f"c{n}", ("true",), parent=f"child {n}") for n in range(count)]


def _after_failures(count: int) -> list[Job]:
    bad = [Job(f"bad {n}", "z", ("false",), needs=()) for n in range(count)]
    first = Job("first", "a", ("true",), needs=tuple(Need(job.name) for job in bad), when="always")
    return [*bad, first, *(Job(f"job {n}", "b", ("true",)) for n in range(count))]


def _calls(folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[Job]) -> int:
    """How many functions and closures of the Jenkinsfile are called."""
    folder.mkdir()
    called: list[object] = []

    def counting(kind: type) -> None:
        call = kind.__call__

        def counted(self: object, *arguments: Any) -> Any:
            called.append(self)
            return call(self, *arguments)

        monkeypatch.setattr(kind, "__call__", counted)

    pipeline = Pipeline(None, ("a", "b", "z"), tuple(jobs), decided=False)
    commit = project(folder / "repository", {"file": "hello"})
    given = {"RUN": "no", "REPO_URL": commit.clone_url, "COMMIT_SHA": commit.sha}
    host = FakeHost(folder, render(pipeline, RenderSettings(rendering="graph")), given)
    host.agent_environment = {"PATH": os.environ["PATH"]}
    with monkeypatch.context() as monkeypatch:
        counting(MethodValue)
        counting(ClosureValue)
        executor.run(host)  # type: ignore[arg-type]  # the fake's attributes are not annotated
    assert host.console.count("gl-job name=") >= len(jobs)
    return len(called)


@pytest.mark.parametrize("jobs", [_group, _skipped_children, _after_failures])
def test_twice_as_many_jobs_are_twice_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: Any) -> None:
    few, many = (_calls(tmp_path / str(count), monkeypatch, jobs(count)) for count in (10, 20))
    assert many <= 2.2 * few, (few, many)


def test_fields_which_jenkins_saves_with_every_step_hold_no_scripts(tmp_path: Path) -> None:
    jobs = (Job("mourn", "a", ("echo not in fields",), after_script=("echo neither",), when="on_failure"),)
    text = render(Pipeline(None, ("a",), jobs, decided=False), RenderSettings(rendering="graph"))
    shown = text.replace("finish()\n        }", "finish()\n          echo jobs.toString()\n        }")
    host = FakeHost(tmp_path, shown, {"REPO_URL": "u", "COMMIT_SHA": "0" * 40})
    assert executor.run(host) == "SUCCESS"  # type: ignore[arg-type]  # the fake's attributes are not annotated
    assert "title:mourn, number:1, stage:0, " in host.console
    assert "not in fields" in text
    assert not re.search("not in fields|neither|CI_JOB_NAME", host.console)
