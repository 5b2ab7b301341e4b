"""A Jenkinsfile to keep finds out what it builds: from what Jenkins read it from, from its parameters, and from git."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from sandbox.jenkins import executor
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.tasks.jenkins_build.running import Listening, Ran, git

ENTRY = ".gitlab-ci.yml"
Rendering = Literal["stages", "graph"]
MESSAGE = 'Say "it\'s" größer\n\nBecause $HOME\n`id` does.\n'
TELLS = "tell: {script: 'echo \"$CI_COMMIT_BRANCH,$CI_COMMIT_TAG,$CI_COMMIT_REF_NAME $CI_COMMIT_SHA $(cat file)\"'}\n"


class Project:
    """A repository: ``main``, and ``topic`` one commit ahead of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.repository = folder, folder / "repository"
        self.repository.mkdir(parents=True)
        git(self.repository, "init", "-q", "-b", "main")
        self.first = self.commit("first", "x")
        git(self.repository, "tag", "v1")
        git(self.repository, "checkout", "-q", "-b", "topic")
        self.topic = self.commit("topic", MESSAGE)
        git(self.repository, "checkout", "-q", "main")

    def commit(self, content: str, message: str) -> str:
        (self.repository / "file").write_text(f"{content}\n")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "-q", "-m", message)
        return git(self.repository, "rev-parse", "HEAD")

    @property
    def url(self) -> str:
        return f"file://{self.repository}"

    def scm(self, branch: str, refspec: str = "") -> dict[str, Any]:
        remote = {"url": self.url, "refspec": refspec}
        return {"$class": "GitSCM", "branches": [{"name": branch}], "userRemoteConfigs": [remote], "extensions": []}

    def run(
        self,
        text: str,
        rendering: Rendering = "stages",
        scm: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Ran:
        pipeline = interpret({ENTRY: text}, Context(files_later=True))
        jenkinsfile = render(pipeline, RenderSettings(rendering=rendering))
        assert executor.validate(jenkinsfile) == []
        known = {"PATH": os.environ["PATH"], **(environment or {})}
        host = Listening(self.folder / "build", jenkinsfile, known, **parameters)
        host.scm = scm
        return host.ran(executor.run(host))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_pipeline_from_source_control_builds_what_it_was_read_at(project: Project, rendering: Rendering) -> None:
    ran = project.run(TELLS, rendering, project.scm("*/topic"))
    assert ran.lines["tell"] == [f"topic,,topic {project.topic} topic"]


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_all_jobs_build_one_commit_when_the_branch_moves_on(project: Project, rendering: Rendering) -> None:
    moving = "git -c user.name=a -c user.email=a commit -q --allow-empty -m y"
    text = f"""
stages: [a, b]
moves: {{stage: a, script: "cd {project.repository} && {moving}"}}
tell: {{stage: b, script: 'echo "$CI_COMMIT_SHA $(git rev-parse HEAD) $(cat file)"'}}
"""
    ran = project.run(text, rendering, project.scm("main"))
    assert ran.lines["tell"] == [f"{project.first} {project.first} first"]


def test_a_branch_of_a_multibranch_project(project: Project) -> None:
    ran = project.run(TELLS, scm=project.scm(project.topic), environment={"BRANCH_NAME": "topic"})
    assert ran.lines["tell"] == [f"topic,,topic {project.topic} topic"]


def test_a_tag_of_a_multibranch_project(project: Project) -> None:
    scm = project.scm("refs/tags/v1", "+refs/tags/v1:refs/tags/v1")
    ran = project.run(TELLS, scm=scm, environment={"BRANCH_NAME": "v1", "TAG_NAME": "v1"})
    assert ran.lines["tell"] == [f",v1,v1 {project.first} first"]


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_merge_request_of_a_multibranch_project_builds_what_was_pushed(
    project: Project, rendering: Rendering
) -> None:
    """Jenkins may have merged it into its target: the checkout is another commit then."""
    git(project.repository, "update-ref", "refs/merge-requests/5/head", project.topic)
    both = "+refs/merge-requests/5/head:refs/remotes/origin/MR-5 +refs/heads/main:refs/remotes/origin/main"
    asked = {"BRANCH_NAME": "MR-5", "CHANGE_ID": "5", "CHANGE_BRANCH": "topic", "CHANGE_TARGET": "main"}
    text = """
pushed: {script: 'true', rules: [{if: $CI_PIPELINE_SOURCE == "push"}]}
.merge: {rules: [{if: $CI_PIPELINE_SOURCE == "merge_request_event"}]}
tell:
  extends: .merge
  script:
    - echo "$CI_COMMIT_REF_NAME,$CI_COMMIT_BRANCH $CI_COMMIT_SHA $(cat file)"
    - echo "$CI_MERGE_REQUEST_IID $CI_MERGE_REQUEST_TITLE $CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
changed: {script: 'true', rules: [{changes: [file]}]}
other: {script: 'true', rules: [{changes: [another]}]}
"""
    ran = project.run(text, rendering, project.scm("main", both), {**asked, "CHANGE_TITLE": "Grow"})
    assert ran.lines["tell"] == [f"topic, {project.topic} topic", "5 Grow main"]
    assert ran.states == {"pushed": "skipped", "tell": "success", "changed": "success", "other": "skipped"}


def test_parameters_are_stronger(project: Project) -> None:
    given = {"CI_COMMIT_BRANCH": "main", "COMMIT_SHA": project.first, "CI_COMMIT_TITLE": "told"}
    text = TELLS + "title: {script: 'echo $CI_COMMIT_TITLE'}\n"
    ran = project.run(text, scm=project.scm("topic", "+refs/heads/*:refs/remotes/origin/*"), **given)
    assert ran.lines == {"tell": [f"main,,main {project.first} first"], "title": ["told"]}


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_changes_since_the_last_push_without_parameters(project: Project, rendering: Rendering) -> None:
    text = """
changed: {script: 'true', rules: [{changes: [file]}]}
other: {script: 'true', rules: [{changes: [another]}]}
"""
    since = {"CI_COMMIT_BEFORE_SHA": project.first}
    ran = project.run(text, rendering, project.scm("topic"), **since)
    assert ran.states == {"changed": "success", "other": "skipped"}


def test_where_the_last_push_is_gone_everything_counts_as_changed(project: Project) -> None:
    text = "other: {script: 'true', rules: [{changes: [another]}]}\n"
    ran = project.run(text, scm=project.scm("topic"), CI_COMMIT_BEFORE_SHA="1" * 40)
    assert ran.states == {"other": "success"}
    assert f"{'1' * 40} cannot be fetched, so everything counts as changed" in ran.console


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_git_describes_the_commit_that_parameters_name(project: Project, rendering: Rendering) -> None:
    text = """
variables: {WHO: "by $CI_COMMIT_AUTHOR"}
tell:
  script:
    - printf '%s|%s|%s\\n' "$CI_COMMIT_TITLE" "$WHO" "$CI_COMMIT_TIMESTAMP"
    - printf '%s\\n' "$CI_COMMIT_DESCRIPTION"
skip: {script: 'true', rules: [{if: $CI_COMMIT_MESSAGE =~ /größer/, when: never}, {when: on_success}]}
"""
    when = git(project.repository, "log", "-1", "--date=unix", "--format=%cd", "topic")
    stamp = datetime.fromtimestamp(int(when), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ran = project.run(text, rendering, COMMIT_SHA=project.topic, REPO_URL=project.url)
    title = f'Say "it\'s" größer|by a <a@b.example>|{stamp}'
    assert ran.lines["tell"] == [title, "Because $HOME", "`id` does."]
    assert ran.states == {"tell": "success", "skip": "skipped"}


def test_the_description_of_a_long_title_is_the_whole_message(project: Project) -> None:
    sha = project.commit("long", f"{'long ' * 20}title\n\nmore")
    ran = project.run("tell: {script: 'echo \"$CI_COMMIT_DESCRIPTION\"'}\n", COMMIT_SHA=sha, REPO_URL=project.url)
    assert ran.lines["tell"] == [f"{'long ' * 20}title", "", "more"]


def test_no_agent_is_taken_where_nothing_is_asked(project: Project) -> None:
    ran = project.run("a: {script: 'true'}\n", COMMIT_SHA=project.first, REPO_URL=project.url)
    assert ran.console.count("[Pipeline] node") == 1


def test_without_parameters_and_source_control_the_message_says_what_is_missing(project: Project) -> None:
    ran = project.run(TELLS, COMMIT_SHA=project.first)
    assert ran.result == "FAILURE"
    assert "the parameters COMMIT_SHA and REPO_URL say what to build; there is nothing else to tell: " in ran.console
    assert ran.events == []
