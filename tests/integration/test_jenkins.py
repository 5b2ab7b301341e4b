"""What the interpreter writes, on a Jenkins: the one SMARTCLIDE_TEST_JENKINS names, or else the stand-in.

A real one runs every case; the stand-in, which has run most of them elsewhere, a few, so that this way is walked. The
Jenkins and its agents must reach 127.0.0.1 of this machine, where the tests' GitLab listens.
"""

import asyncio
import json
import os
import re
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from blocks.jenkins_server import JenkinsServer
from errors import InputError, InterpretationError
from sandbox.gitlab.server import GitLab
from sandbox.http import AppServer
from sandbox.jenkins.server import Jenkins as StandIn
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.predefined import predefined_variables
from tasks.jenkins_build.attribution import Owners
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tasks.jenkins_build.job_config import ParameterDefinition, job_config
from tasks.jenkins_build.page import PageReader
from tasks.jenkins_build.server import Jenkins
from tasks.jenkins_build.task import JobSpec, ensure_job, remove_job
from tasks.source.model import Commit
from tests.integration.real import JENKINS, needed
from tests.tasks.interpretation.showing import files_of as files_of_case
from tests.tasks.interpretation.test_cases import FOUND, context_of
from tests.tasks.jenkins_build.running import Ran, before, files_of, own
from tests.tasks.jenkins_build.test_fidelity import CASES

SECONDS = 600
KEY = "0123456789abcdef0123456789abcdef"
MARKER = re.compile(r"gl-job name=(\S+) state=(\w+)")
TOLD = "tell: {script: 'echo \"$CI_COMMIT_BRANCH $CI_COMMIT_TITLE $CI_COMMIT_SHA $(cat file)\"'}\n"
FROM_SCM = """<flow-definition plugin="workflow-job"><properties><hudson.model.ParametersDefinitionProperty>
<parameterDefinitions><hudson.model.StringParameterDefinition><name>RUN</name></hudson.model.StringParameterDefinition>
</parameterDefinitions></hudson.model.ParametersDefinitionProperty></properties>
<definition class="org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition" plugin="workflow-cps">
<scm class="hudson.plugins.git.GitSCM" plugin="git"><configVersion>2</configVersion><userRemoteConfigs>
<hudson.plugins.git.UserRemoteConfig><url>{url}</url></hudson.plugins.git.UserRemoteConfig></userRemoteConfigs>
<branches><hudson.plugins.git.BranchSpec><name>*/main</name></hudson.plugins.git.BranchSpec></branches></scm>
<scriptPath>Jenkinsfile</scriptPath><lightweight>false</lightweight></definition></flow-definition>"""


@dataclass
class Place:
    """A Jenkins, a folder of its own in it, and a GitLab that it clones from."""

    block: JenkinsServer
    gitlab: GitLab
    url: str
    made: list[str] = field(default_factory=list)

    def project(self, name: str, files: dict[str, str]) -> Commit:
        """A project of its own; the cases take its commit for one of ``group/app``."""
        path = f"group/{name}"
        self.gitlab.create_project(path, files, visibility="public")
        url = f"{self.url}/{path}.git"
        sha = subprocess.run(["git", "ls-remote", url, "main"], check=True, capture_output=True, text=True).stdout[:40]
        self.made.append(name)
        when, web = "2026-01-01T00:00:00Z", f"{self.url}/group/app"
        return Commit(
            7, "group/app", "app", "main", "main", "branch", sha, "x", "x", "a <a@b.example>", when, True, url, web,
            "public", self.url,
        )  # fmt: skip

    def build(self, name: str, config: str, parameters: dict[str, str]) -> Ran:
        """Make the job and run it to its end."""
        spec = JobSpec(name, config, parameters.get("COMMIT_SHA", ""), KEY)
        asyncio.run(ensure_job.fn(self.block, spec))
        jenkins = Jenkins(self.block)
        job, end = jenkins.job_name(name), time.monotonic() + SECONDS
        queued = jenkins.trigger(job, parameters)
        while (number := jenkins.queue_item(queued).number) is None:
            assert time.monotonic() < end, "the build waits in Jenkins' queue"
            time.sleep(0.1)
        while (state := jenkins.build(job, number)).building:
            assert time.monotonic() < end, "the build runs too long"
            time.sleep(0.1)
        return ran(jenkins, job, number, state.result)


def ran(jenkins: Jenkins, job: str, number: int, result: str) -> Ran:
    """What came of a build, read from its console as people have it in Jenkins."""
    found = Ran(result)
    page, owners, scripts = PageReader(), Owners(), set()
    start, more = 0, True
    while more:
        chunk = jenkins.log(job, number, start)
        lines = [line for piece in chunk.pieces() for line in page.feed(piece)]
        page.end_piece()
        chunk.body.close()
        more = chunk.next != start
        start = chunk.next
        for line in [*lines, *([] if more else page.finish())]:
            found.console += f"{line.text}\n"
            owners.see(line)
            if line.node is not None and line.text.endswith("[Pipeline] sh"):
                scripts.add(line.node.id)
            if marker := MARKER.fullmatch(line.text):
                name = unquote(marker[1])
                found.events.append((name, marker[2]))
                if marker[2] == "running":
                    owners.give(line, name)
            elif line.step in scripts and (name := owners.of(line.step)) is not None and own(line.text):
                found.lines.setdefault(name, []).append(line.text)
    found.states = {name: state for name, state in found.events if state != "running"}
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The Jenkins that is named, or the stand-in; what was made there is removed."""
    gitlab_server, server = AppServer(None, name="gitlab"), AppServer(None, name="jenkins")
    gitlab = GitLab(tmp_path_factory.mktemp("gitlab"), lambda: gitlab_server.url)
    gitlab_server._app.app = gitlab.app
    folder = f"smartclide-test-{uuid.uuid4().hex[:8]}"
    with gitlab_server:
        if os.environ.get(JENKINS):
            url, user, token = needed(JENKINS, f"{JENKINS}_USER", f"{JENKINS}_TOKEN")
            block = JenkinsServer(url=url, username=user, api_token=SecretStr(token), folder=folder)
            place = Place(block, gitlab, gitlab_server.url)
            yield place
            for name in place.made:
                asyncio.run(remove_job.fn(block, name))
            return
        standin = StandIn(
            tmp_path_factory.mktemp("jenkins"), lambda: server.url, {"robot": "t0ken"}, os.environ["PATH"]
        )
        server._app.app = standin.app
        with server:
            block = JenkinsServer(url=server.url, username="robot", api_token=SecretStr("t0ken"), folder=folder)
            yield Place(block, gitlab, gitlab_server.url)
        standin.close()


def texts(expected: Path) -> list[str]:
    """The Jenkinsfiles of a case of the interpreter: decided and to keep, in both renderings."""
    context = context_of(json.loads(expected.read_text()).get("context", {}))
    entry = expected.with_name(f"{'input' if expected.stem == 'expected' else expected.stem}.yml")
    files = files_of_case(expected.parent, entry)
    found = []
    for known in (context, Context(files_later=True, tree=context.tree, inputs=context.inputs)):
        for rendering in ("stages", "graph"):
            try:
                settings = RenderSettings("http://gitlab.example/a.git", "0" * 40, rendering=rendering)
                found.append(render(interpret(files, known), settings))
            except (InterpretationError, InputError):
                continue  # refused, or nothing to run
    return found


def some(names, step):
    return list(names) if os.environ.get(JENKINS) else list(names)[::step]


@pytest.mark.parametrize("expected", some(FOUND, 12), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_linter_takes_every_jenkinsfile(expected, place):
    jenkins = Jenkins(place.block)
    assert [jenkins.lint(text) for text in texts(expected)] == [[] for _ in texts(expected)]


@pytest.mark.parametrize("rendering", ["stages", "graph"])
@pytest.mark.parametrize("name", some(CASES, 9))
def test_a_pipeline_runs_as_on_gitlab(name, rendering, place):
    case = CASES[name]
    job = f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}-{rendering}"
    files = files_of(case)
    commit = place.project(job, files)
    overrides = {"MARK": f"/tmp/smartclide-{uuid.uuid4().hex}", **case.get("overrides", {})}
    pipeline = interpret(files, Context(predefined_variables(commit), overrides, tree=list(files)))
    text = render(pipeline, RenderSettings(commit.clone_url, commit.sha, manual="skip", rendering=rendering))
    config = job_config(text, [ParameterDefinition("COMMIT_SHA"), ParameterDefinition("BUILD_KEY")])
    found = place.build(job, config, {"COMMIT_SHA": commit.sha, "BUILD_KEY": f"{KEY}-1"})
    assert found.states == case["states"], found.console
    assert found.result == case.get("result", "SUCCESS")
    wanted = case.get("lines", {})
    assert {one: found.lines.get(one, []) for one in wanted} == wanted
    assert [pair for pair in case.get("order", []) if not before(found, *pair)] == []


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_jenkinsfile_to_keep_runs_beside_the_code(rendering, place):
    text = render(interpret({".gitlab-ci.yml": TOLD}, Context(files_later=True)), RenderSettings(rendering=rendering))
    commit = place.project(f"kept-{rendering}", {"file": "hello\n", "Jenkinsfile": text})
    found = place.build(f"kept-{rendering}", FROM_SCM.format(url=commit.clone_url), {"RUN": "1"})
    assert found.result == "SUCCESS", found.console
    assert found.lines == {"tell": [f"main Initial commit {commit.sha} hello"]}


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_jenkinsfile_to_keep_runs_by_parameters(rendering, place):
    text = render(interpret({".gitlab-ci.yml": TOLD}, Context(files_later=True)), RenderSettings(rendering=rendering))
    commit = place.project(f"told-{rendering}", {"file": "hello\n"})
    given = {"COMMIT_SHA": commit.sha, "REPO_URL": commit.clone_url, "CI_COMMIT_BRANCH": "main"}
    found = place.build(f"told-{rendering}", job_config(text, map(ParameterDefinition, given)), given)
    assert found.result == "SUCCESS", found.console
    assert found.lines == {"tell": [f"main Initial commit {commit.sha} hello"]}
