"""Jenkinsfiles run to their end by the stand-in's executor: which jobs run, and what their shells see."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.model import AgentLease, Credential, FlowNode, Result
from tasks.interpretation.expressions import Equal, Match, Pattern, Text, Var
from tasks.interpretation.pipeline import AllowFailure, Artifacts, Job, Need, Pipeline, Retry, Undecided
from tasks.jenkins_build.jenkinsfile import RenderSettings, render


class Host:
    """A build's server, as far as these pipelines ask for one."""

    job_name, number, build_url, jenkins_url = "smartclide/group/app", 3, "http://j.example/job/3/", "http://j.example/"

    def __init__(self, script: str, folder: Path, parameters: Mapping[str, Any], answers: Mapping[str, str]) -> None:
        self.script, self.folder, self.parameters, self.answers = script, folder, parameters, answers
        self.aborted, self.killed = threading.Event(), threading.Event()
        self.console: list[str] = []
        self.numbers = itertools.count()
        self.description: str | None = None
        self.display_name: str | None = None
        self.result: Result | None = None
        self.restart_stage = self.restarted_folder = None
        self.test_reports: list[Path] = []

    def log(self, text: str, *_: object) -> None:
        self.console.append(text)

    def begin(self, kind: Any, name: str, parents: tuple[str, ...], enclosing: str | None = None) -> FlowNode:
        return FlowNode(str(next(self.numbers)), kind, name, tuple(parents), 0)

    def end(self, node: FlowNode, status: Any, error: str | None = None) -> None:
        node.status = status

    @contextmanager
    def lease(self, label: str | None) -> Iterator[AgentLease]:
        workspace = self.folder / f"workspace{next(self.numbers)}"
        workspace.mkdir()
        yield AgentLease(label or "", workspace, {"PATH": os.environ["PATH"]})

    def credential(self, credentials_id: str) -> Credential | None:
        return None

    def input(self, input_id: str, *_: object) -> tuple[str, dict[str, Any]]:
        return self.answers[input_id], {}

    def trigger(self, job: str, parameters: Mapping[str, Any]) -> tuple[int, Result]:
        raise NotImplementedError


class Runner:
    def __init__(self, folder: Path) -> None:
        self.folder, self.repository = folder, folder / "repository"
        self.repository.mkdir()
        (self.repository / "file").write_text("hello\n")
        self._git("init", "-q", "-b", "main")
        self._git("add", ".")
        self._git("commit", "-q", "-m", "x")
        self.sha, self.url = self._git("rev-parse", "HEAD"), f"file://{self.repository}"

    def _git(self, *words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", *words]
        return subprocess.run(command, cwd=self.repository, check=True, capture_output=True, text=True).stdout.strip()

    def run(self, *jobs: Job, answers: Mapping[str, str] = {}, **more: Any) -> tuple[Result, dict[str, str], str]:
        """The build's result, the last state of every job, and the console."""
        parameters = {"COMMIT_SHA": self.sha, "BUILD_KEY": "k", **more.pop("parameters", {})}
        stages = tuple(dict.fromkeys(job.stage for job in jobs))
        text = render(Pipeline(None, stages, jobs, **more), RenderSettings(self.url, self.sha))
        assert executor.validate(text) == []
        host = Host(text, self.folder, parameters, answers)
        result = executor.run(host)  # type: ignore[arg-type]
        console = "".join(host.console)
        return result, dict(re.findall(r"^gl-job name=(\S+) state=(\w+)\r?$", console, re.MULTILINE)), console


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def job(name: str, stage: str, command: str = "true", **more: Any) -> Job:
    return Job(name, stage, (command,), **more)


def test_after_a_failure_only_those_run_that_want_to(runner: Runner) -> None:
    result, states, _ = runner.run(
        job("bad", "a", "exit 3"),
        job("good", "a", "cat file"),
        job("later", "b"),
        job("tell", "b", when="on_failure"),
        job("tidy", "c", when="always"),
        job("needs good", "c", needs=(Need("good"),)),
        job("needs later", "c", needs=(Need("later"),)),
        job("mourns bad", "c", needs=(Need("bad"),), when="on_failure"),
    )
    assert result == "FAILURE"
    assert states == {
        "bad": "failed",
        "good": "success",
        "later": "skipped",
        "tell": "success",
        "tidy": "success",
        "needs%20good": "success",
        "needs%20later": "skipped",
        "mourns%20bad": "success",
    }


def test_allowed_failures_and_timeouts_leave_the_build_green(runner: Runner) -> None:
    result, states, _ = runner.run(
        job("code", "a", "exit 137", allow_failure=AllowFailure(exit_codes=(137,))),
        job("any", "a", "exit 1", allow_failure=AllowFailure(always=True)),
        job("slow", "a", "sleep 30", timeout_seconds=1, allow_failure=AllowFailure(always=True)),
        job("next", "b"),
    )
    assert result == "SUCCESS"
    assert states == {"code": "unstable", "any": "unstable", "slow": "unstable", "next": "success"}


def test_an_exit_code_that_is_not_allowed_fails(runner: Runner) -> None:
    result, states, _ = runner.run(job("code", "a", "exit 2", allow_failure=AllowFailure(exit_codes=(137,))))
    assert (result, states) == ("FAILURE", {"code": "failed"})


def test_a_job_is_tried_again(runner: Runner) -> None:
    once = f"mark={runner.folder}/mark; test -e $mark || {{ touch $mark; exit 1; }}"
    assert runner.run(job("flaky", "a", once, retry=Retry(1)))[:2] == ("SUCCESS", {"flaky": "success"})


def test_files_and_variables_are_handed_on(runner: Runner) -> None:
    made = Artifacts(("dist/",), untracked=True, reports={"dotenv": ("b.env",)})
    make = 'mkdir dist; echo it > dist/app; echo "V=it\'s \\$5 = x" > b.env; echo u > u,n'
    result, _, console = runner.run(
        job(
            "make: [1]", "a", make, artifacts=made, after_script=("echo status=$CI_JOB_STATUS; echo more > dist/more",)
        ),
        job(
            "use",
            "b",
            'echo "$(cat dist/app dist/more u,n)" "V=$V" "$M $E-"',
            variables={"V": "no", "M": "$CI_JOB_NAME", "E": ""},
        ),
    )
    assert result == "SUCCESS"
    assert "status=success\n" in console
    assert "it\nmore\nu V=it's $5 = x use -\n" in console


def test_manual_and_delayed_jobs(runner: Runner) -> None:
    manual = job("play", "a", when="manual", allow_failure=AllowFailure(always=True))
    later = job("soon", "b", when="delayed", start_in_seconds=1)
    _, states, _ = runner.run(manual, later, answers={"Job-1": "proceed"})
    assert states == {"play": "success", "soon": "success"}
    _, states, _ = runner.run(
        manual, job("next", "b"), job("x", "b", needs=(Need("play"),)), answers={"Job-1": "abort"}
    )
    assert states == {"play": "skipped", "next": "success", "x": "skipped"}


def test_a_no_to_a_manual_job_that_must_run_ends_the_build(runner: Runner) -> None:
    result, states, _ = runner.run(job("play", "a", when="manual"), job("next", "b"), answers={"Job-1": "abort"})
    assert (result, states) == ("ABORTED", {})


def test_rules_left_to_the_build(runner: Runner) -> None:
    on_main = Undecided(Equal(Var("CI_COMMIT_BRANCH"), Text("main")), variables={"T": "it's"})
    on_tag = Undecided(Match(Var("CI_COMMIT_TAG"), Pattern("^v\\d+$")))
    by_pattern = Undecided(Match(Var("CI_COMMIT_BRANCH"), Var("WANTED")))
    result, states, console = runner.run(
        job("main", "a", 'echo "T=$T $CI_COMMIT_BRANCH $CI_COMMIT_REF_NAME $CI_COMMIT_SHA"', rules=(on_main,)),
        job("tag", "b", rules=(on_tag,)),
        job("wanted", "b", rules=(by_pattern,)),
        decided=False,
        parameters={"REPO_URL": runner.url, "CI_COMMIT_BRANCH": "main", "CI_COMMIT_TAG": "", "WANTED": "/^MA/i"},
    )
    assert (result, states) == ("SUCCESS", {"main": "success", "tag": "skipped", "wanted": "success"})
    assert f"T=it's main main {runner.sha}\n" in console


def test_a_build_for_another_commit_stops_at_once(runner: Runner) -> None:
    result, states, console = runner.run(job("a", "a"), parameters={"COMMIT_SHA": "0" * 40})
    assert (result, states) == ("FAILURE", {})
    assert f"job was rewritten for commit {runner.sha}" in console
