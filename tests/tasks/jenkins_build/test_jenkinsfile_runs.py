"""Jenkinsfiles run to their end by the stand-in's executor: which jobs run, and what their shells see."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import fields, replace

from sandbox.jenkins import executor
from sandbox.jenkins.model import AgentLease, BuildAbortedError, Credential, FlowNode, Result
from tasks.interpretation.expressions import Equal, Match, Not, Pattern, Text, Var
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
        self.variables: dict[str, str] = {}

    def log(self, text: str, *_: object) -> None:
        self.console.append(text)

    def begin(self, kind: Any, name: str, parents: tuple[str, ...], *_: Any) -> FlowNode:
        return FlowNode(str(next(self.numbers)), kind, name, tuple(parents), 0)

    def end(self, node: FlowNode, status: Any, error: str | None = None) -> None:
        node.status = status

    @contextmanager
    def lease(self, label: str | None) -> Iterator[AgentLease]:
        workspace = self.folder / f"workspace{next(self.numbers)}"
        workspace.mkdir()
        yield AgentLease(label or "", workspace, {"PATH": os.environ["PATH"]})

    def credential(self, credentials_id: str) -> Credential | None:
        return Credential(credentials_id, "usernamePassword", {"username": "robot", "password": "s3cret-word"})

    def input(self, input_id: str, *rest: Any) -> tuple[str, dict[str, Any]]:
        """proceed and abort are buttons; run and skip are answers; at "never" nobody comes, "stop" ends the build."""
        answer = self.answers[input_id]
        if answer == "stop":
            self.aborted.set()
        while answer in {"never", "stop"}:
            if rest[-1]():
                raise BuildAbortedError
            time.sleep(0.02)
        return (answer, {}) if answer in {"proceed", "abort"} else ("proceed", {"ANSWER": answer})

    def trigger(self, job: str, parameters: Mapping[str, Any]) -> tuple[int, Result]:
        raise NotImplementedError


class Runner:
    def __init__(self, folder: Path, rendering: Literal["stages", "graph"]) -> None:
        self.rendering = rendering
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
        names = [field.name for field in fields(RenderSettings) if field.name in more]
        settings = RenderSettings(self.url, self.sha, **{name: more.pop(name) for name in names})
        text = render(Pipeline(None, stages, jobs, **more), replace(settings, rendering=self.rendering))
        assert executor.validate(text) == []
        host = Host(text, self.folder, parameters, answers)
        result = executor.run(host)
        console = "".join(host.console)
        return result, dict(re.findall(r"^gl-job name=(\S+) state=(\w+)\r?$", console, re.MULTILINE)), console


@pytest.fixture(params=["stages", "graph"])
def runner(tmp_path: Path, request: pytest.FixtureRequest) -> Runner:
    return Runner(tmp_path, request.param)


def job(name: str, stage: str, command: str = "true", **more: Any) -> Job:
    return Job(name, stage, (command,), **more)


PLAY = job("play", "a", when="manual", allow_failure=AllowFailure(always=True))


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
        job("polite", "a", "trap 'exit 0' TERM; sleep 30", timeout_seconds=1, allow_failure=AllowFailure(always=True)),
        job("next", "b"),
    )
    assert result == "SUCCESS"
    assert states == dict.fromkeys(("code", "any", "slow", "polite"), "unstable") | {"next": "success"}


def test_an_exit_code_that_is_not_allowed_fails(runner: Runner) -> None:
    result, states, _ = runner.run(job("code", "a", "exit 2", allow_failure=AllowFailure(exit_codes=(137,))))
    assert (result, states) == ("FAILURE", {"code": "failed"})


def test_a_job_is_tried_again(runner: Runner) -> None:
    once = f"mark={runner.folder}/mark; test -e $mark || {{ touch $mark; exit 1; }}"
    assert runner.run(job("flaky", "a", once, retry=Retry(1)))[:2] == ("SUCCESS", {"flaky": "success"})


@pytest.mark.parametrize(
    ("retry", "command", "tries"),
    [
        (Retry(2, exit_codes=(3,)), "exit 3", 3),
        (Retry(2, exit_codes=(3,)), "exit 4", 1),
        (Retry(1, when=("runner_system_failure",)), "exit 4", 1),
        (Retry(1, when=("script_failure",)), "exit 4", 2),
        (Retry(1, when=("runner_system_failure",), exit_codes=(4,)), "exit 4", 2),
        (Retry(1, when=("job_execution_timeout",)), "sleep 20", 2),
        (Retry(1, when=("script_failure",)), "sleep 20", 1),
    ],
)
def test_what_failed_decides_whether_a_job_is_tried_again(
    runner: Runner, retry: Retry, command: str, tries: int
) -> None:
    tried = runner.folder / "tried"
    runner.run(job("flaky", "a", f"echo x >> {tried}; {command}", retry=retry, timeout_seconds=2))
    assert tried.read_text().count("x") == tries


@pytest.mark.parametrize(("reason", "tries"), [("runner_system_failure", 2), ("script_failure", 1)])
def test_a_script_that_the_agent_lost_did_not_fail_itself(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, reason: str, tries: int
) -> None:
    tried = runner.folder / "tried"

    def run(process: Any) -> int:  # as durable-task does where the script's wrapper is gone
        with tried.open("a") as file:
            file.write("x")
        return -1

    monkeypatch.setattr("sandbox.jenkins.shell._Process.run", run)
    runner.run(job("lost", "a", retry=Retry(1, when=(reason,))))
    assert tried.read_text() == "x" * tries


def test_scripts_find_the_branch_of_the_commit(runner: Runner) -> None:
    result, _, console = runner.run(
        job("a", "a", 'test "$(git rev-parse origin/team/one)" = "$(git rev-parse HEAD)"; git branch -r'),
        job("b", "a", "git log --oneline origin/team/one | wc -l | sed s/^/found:/", variables={"GIT_DEPTH": "1"}),
        variables={"CI_COMMIT_BRANCH": "team/one"},
    )
    assert result == "SUCCESS", console
    assert "  origin/team/one\n" in console
    assert "found:1\n" in console


def test_scripts_of_a_tag_s_pipeline_find_the_tag(runner: Runner) -> None:
    runner._git("tag", "-a", "-m", "first", "v1.0/rc-1")
    result, _, console = runner.run(job("a", "a", "git describe"), variables={"CI_COMMIT_TAG": "v1.0/rc-1"})
    assert result == "SUCCESS", console
    assert "\nv1.0/rc-1\n" in console


def test_what_is_unresolved_is_left_to_the_build_and_nothing_else_is(runner: Runner) -> None:
    _, _, console = runner.run(
        job(
            "a",
            "a",
            'echo "$O|$L|$P|$S|${X-unset}"; command -v env',
            variables={"O": "$$5 ${CI_JOB_NAME} $NOT_THERE.", "L": "$$5 $CI_JOB_NAME", "PATH": "/nowhere:$PATH"},
            unresolved_variables=frozenset({"O", "PATH"}),
            excluded_variables=("X",),
        ),
        variables={"P": "$CI_PIPELINE_ID", "S": "$CI_PIPELINE_ID", "X": "x"},
        unresolved_variables=frozenset({"P"}),
    )
    assert "$5 a .|$$5 $CI_JOB_NAME|3|$CI_PIPELINE_ID|unset\n" in console
    assert re.search("^/.*bin/env$", console, re.MULTILINE)


def test_a_delay_of_a_rule(runner: Runner) -> None:
    wait = Undecided(Equal(Var("CI_COMMIT_BRANCH"), Text("main")), when="delayed", start_in_seconds=1)
    begin = time.monotonic()
    parameters = {"REPO_URL": runner.url, "CI_COMMIT_BRANCH": "main"}
    _, states, _ = runner.run(job("a", "a", rules=(wait,)), decided=False, parameters=parameters)
    assert states == {"a": "success"}
    assert time.monotonic() - begin >= 1


def test_the_login_of_the_registry_is_for_jobs_that_use_it(runner: Runner) -> None:
    show = 'echo "${#CI_REGISTRY_USER} ${#CI_REGISTRY_PASSWORD}"; test ! -e "$HOME/.docker/x"'
    _, states, console = runner.run(
        job("push", "a", show, after_script=("echo after ${#CI_REGISTRY_USER}",)),
        job("other", "a", "env | grep ^CI_REG || echo none of it"),
        job(
            "indirect",
            "a",
            "echo as ${#LOGIN}",
            variables={"LOGIN": "$CI_REGISTRY_USER"},
            unresolved_variables=frozenset({"LOGIN"}),
        ),
        job("named", "a", "env | grep ^CI_REGISTRY_USER"),
        job("image", "a", ": $CI_REGISTRY_IMAGE; echo image ${#CI_REGISTRY_USER}"),
        job(
            "scan",
            "a",
            "eval 'echo scan ${#CI_REGISTRY_'USER}",
            artifacts=Artifacts(reports={"container_scanning": ("c",)}),
        ),
        registry_credentials_id="robot",
        registry_job="named",
    )
    assert set(states.values()) == {"success"}
    for line in ("5 11\n", "after 5\n", "none of it\n", "as 5\n", "CI_REGISTRY_USER=****\n", "image 5\n", "scan 5\n"):
        assert line in console
    assert "s3cret-word" not in console


def test_without_a_login_its_variables_are_not_set(runner: Runner) -> None:
    result, _, console = runner.run(job("push", "a", 'echo "${CI_REGISTRY_PASSWORD-unset}"'))
    assert (result, "unset\n" in console) == ("SUCCESS", True)


def test_files_and_variables_are_handed_on(runner: Runner) -> None:
    made = Artifacts(("dist/",), untracked=True, reports={"dotenv": ("b.env",)})
    make = 'mkdir dist; echo it > dist/app; echo "V=it\'s \\$\\$5 = x" > b.env; echo u > u,n'
    result, _, console = runner.run(
        job(
            "make: [1]", "a", make, artifacts=made, after_script=("echo status=$CI_JOB_STATUS; echo more > dist/more",)
        ),
        job(
            "use",
            "b",
            'echo "$(cat dist/app dist/more u,n)" "V=$V" "$M $E-"',
            variables={"V": "no", "M": "$CI_JOB_NAME", "E": ""},
            unresolved_variables=frozenset({"M"}),
        ),
    )
    assert result == "SUCCESS"
    assert "status=success\n" in console
    assert "it\nmore\nu V=it's $5 = x use -\n" in console


def test_reports_are_kept_whatever_came_of_the_job_and_not_handed_on(runner: Runner) -> None:
    reports = {"coverage_report": ("c/cobertura.xml",), "sast": ("*.json", "none.json")}
    _, states, _ = runner.run(
        job(
            "make", "a", "mkdir c; echo > c/cobertura.xml; echo > s.json; exit 1", artifacts=Artifacts(reports=reports)
        ),
        job("see", "b", "test ! -e s.json -a ! -e c", when="always"),
    )
    assert states == {"make": "failed", "see": "success"}
    kept = sorted(path.name for path in runner.folder.rglob("archive/**/*") if path.is_file())
    assert kept == ["cobertura.xml", "s.json"]


def test_manual_and_delayed_jobs(runner: Runner) -> None:
    later = job("soon", "b", when="delayed", start_in_seconds=1)
    _, states, _ = runner.run(PLAY, later, answers={"Job-1": "run"})
    assert states == {"play": "success", "soon": "success"}


def test_a_no_to_an_optional_manual_job_skips_it_and_what_needs_it(runner: Runner) -> None:
    result, states, _ = runner.run(
        PLAY, job("next", "b"), job("x", "b", needs=(Need("play"),)), answers={"Job-1": "skip"}
    )
    assert (result, states) == ("SUCCESS", {"play": "skipped", "next": "success", "x": "skipped"})


def test_an_optional_manual_job_that_nobody_answers_is_skipped(runner: Runner) -> None:
    result, states, _ = runner.run(PLAY, job("next", "b"), answers={"Job-1": "never"}, manual_wait_seconds=1)
    assert (result, states) == ("SUCCESS", {"play": "skipped", "next": "success"})


def test_no_later_stage_waits_for_an_optional_manual_job_but_what_needs_it_does(tmp_path: Path) -> None:
    runner = Runner(tmp_path, "graph")
    result, states, console = runner.run(
        PLAY,
        job("next", "b"),
        job("needs it", "b", needs=(Need("play"),)),
        job("last", "c", when="always"),
        answers={"Job-1": "never"},
        manual_wait_seconds=2,
    )
    assert (result, states["play"], states["needs%20it"]) == ("SUCCESS", "skipped", "skipped")
    ended = re.findall(r"^gl-job name=(\S+) state=(?!running)", console, re.MULTILINE)
    assert ended.index("next") < ended.index("play")
    assert ended[-2:] == ["needs%20it", "last"]


def test_a_stage_waits_for_the_job_that_needs_an_optional_manual_one(tmp_path: Path) -> None:
    runner = Runner(tmp_path, "graph")
    needing = job("needs it", "b", needs=(Need("play"),))
    _, states, console = runner.run(PLAY, needing, job("last", "c"), answers={"Job-1": "run"})
    assert states == {"play": "success", "needs%20it": "success", "last": "success"}
    assert console.index("gl-job name=needs%20it state=success") < console.index("gl-job name=last state=running")


def test_a_build_that_does_not_wait_skips_optional_manual_jobs_at_once(runner: Runner) -> None:
    result, states, console = runner.run(PLAY, job("next", "b"), manual="skip")
    assert (result, states) == ("SUCCESS", {"play": "skipped", "next": "success"})
    assert "Run the job play? Not in this build" in console


def test_the_text_that_confirms_a_manual_job_follows_the_question(runner: Runner) -> None:
    text = "Delete 'it'? ${x}"
    _, _, console = runner.run(replace(PLAY, confirmation=text), job("next", "b"), manual="skip")
    assert "Run the job play? Delete 'it'? ${x} Not in this build" in console


def test_a_stop_while_a_manual_job_waits_is_no_answer(runner: Runner) -> None:
    result, states, _ = runner.run(PLAY, job("needs it", "b", needs=(Need("play"),)), answers={"Job-1": "stop"})
    assert (result, states) == ("ABORTED", {})


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


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize(
    ("parameters", "made"),
    [
        (
            {"CI_COMMIT_BRANCH": "Fix/Ünder_score", "REPO_URL": "https://robot@git.example:8443/Top/mid/My.App.git"},
            {
                "CI_COMMIT_REF_NAME": "Fix/Ünder_score",
                "CI_COMMIT_REF_SLUG": "fix--nder-score",
                "CI_PROJECT_PATH": "Top/mid/My.App",
                "CI_PROJECT_NAMESPACE": "Top/mid",
                "CI_SERVER_HOST": "git.example",
                "CI_PROJECT_NAME": "My.App",
                "CI_PROJECT_ROOT_NAMESPACE": "Top",
                "CI_PROJECT_PATH_SLUG": "top-mid-my-app",
            },
        ),
        (
            {"CI_COMMIT_TAG": "v1", "CI_COMMIT_BRANCH": "", "REPO_URL": "git@git.example:top/app"},
            {
                "CI_COMMIT_REF_NAME": "v1",
                "CI_PROJECT_PATH": "top/app",
                "CI_PROJECT_NAMESPACE": "top",
                "CI_PROJECT_NAME": "app",
                "CI_PROJECT_ROOT_NAMESPACE": "top",
                "CI_SERVER_HOST": "git.example",
            },
        ),
        (
            {
                "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic",
                "CI_PROJECT_PATH": "told/it",
                "REPO_URL": "https://h/a/b/",
            },
            {"CI_COMMIT_REF_NAME": "topic", "CI_PROJECT_PATH": "told/it", "CI_PROJECT_NAME": "b"},
        ),
    ],
)
def test_rules_know_what_scripts_know_of_ref_commit_and_project(
    runner: Runner, parameters: dict[str, str], made: dict[str, str], rendering: Literal["stages", "graph"]
) -> None:
    made = {**made, "CI_COMMIT_SHA": runner.sha, "CI_COMMIT_SHORT_SHA": runner.sha[:8]}
    asked = [
        job(
            name, "a", f'test "${name}" = "{text}"', variables={"GIT_STRATEGY": "none"},
            rules=(Undecided(Equal(Var(name), Text(text))),),
        )
        for name, text in made.items()
    ]  # fmt: skip
    result, states, _ = runner.run(*asked, decided=False, parameters=parameters, rendering=rendering)
    assert (result, states) == ("SUCCESS", dict.fromkeys(made, "success"))


@pytest.mark.parametrize("given", ["", "own"])
def test_a_build_knows_its_project_by_the_address_it_clones(runner: Runner, given: str) -> None:
    repository = Path(runner.url.removeprefix("file://"))
    path = repository.parent / "group" / "My.App.git"
    path.parent.mkdir()
    path.symlink_to(repository)
    asked = Undecided(Not(Equal(Var("CI_PROJECT_ROOT_NAMESPACE"), Text("other"))))
    show = job(
        "show", "a", 'echo "$CI_PROJECT_NAME|${CI_PROJECT_NAMESPACE##*/}|$CI_PROJECT_ROOT_NAMESPACE|$P"',
        variables={"P": "of $CI_PROJECT_NAME"}, unresolved_variables=frozenset({"P"}), rules=(asked,),
    )  # fmt: skip
    parameters = {"REPO_URL": f"file://{path}", "CI_PROJECT_ROOT_NAMESPACE": given}
    _, states, console = runner.run(show, decided=False, parameters=parameters)
    assert states == {"show": "success"}
    assert f"My.App|group|{given or path.parts[1]}|of My.App\n" in console


def test_a_build_for_another_commit_stops_at_once(runner: Runner) -> None:
    result, states, console = runner.run(job("a", "a"), parameters={"COMMIT_SHA": "0" * 40})
    assert (result, states) == ("FAILURE", {})
    assert f"job was rewritten for commit {runner.sha}" in console


def test_needs_start_a_job_before_its_stage(tmp_path: Path) -> None:
    runner = Runner(tmp_path, "graph")
    mark = tmp_path / "mark"
    slow = f"i=0; until test -e {mark} || test $i = 100; do i=$((i+1)); sleep 0.1; done; test -e {mark}"
    result, states, _ = runner.run(
        job("slow", "a", slow), job("quick", "a"), job("early", "b", f"touch {mark}", needs=(Need("quick"),))
    )
    assert (result, set(states.values())) == ("SUCCESS", {"success"})


def test_a_job_that_needs_nothing_starts_at_once(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    slow = f"i=0; until test -e {mark} || test $i = 100; do i=$((i+1)); sleep 0.1; done; test -e {mark}"
    result, _, _ = Runner(tmp_path, "graph").run(job("slow", "a", slow), job("now", "z", f"touch {mark}", needs=()))
    assert result == "SUCCESS"


@pytest.mark.slow
def test_a_thousand_jobs(tmp_path: Path) -> None:
    runner = Runner(tmp_path, "graph")
    none = {"GIT_STRATEGY": "none"}
    jobs = [
        Job(f"j{n}", f"s{n // 100}", (":",), variables=none, needs=(Need(f"j{n - 100}"),) if 100 <= n < 500 else None)
        for n in range(1000)
    ]
    result, states, _ = runner.run(*jobs)
    assert (result, len(states), set(states.values())) == ("SUCCESS", 1000, {"success"})
