"""A Jenkinsfile to keep finds out what it builds: from what Jenkins read it from, from its parameters, and from git."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.model import Credential
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

    def scm(self, branch: str, refspec: str = "", *extensions: Mapping[str, Any], **remote: str) -> dict[str, Any]:
        remotes = [{"url": self.url, "refspec": refspec, **remote}]
        kept = list(extensions)
        return {"$class": "GitSCM", "branches": [{"name": branch}], "userRemoteConfigs": remotes, "extensions": kept}

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
        host.credentials["login"] = Credential("login", "usernamePassword", {"username": "u", "password": "p"})
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
    # Jenkins would take the newer commit for built, and not build it.
    assert f"Checking out Revision {git(project.repository, 'rev-parse', 'main')}" not in ran.console


def test_a_shallow_clone_has_the_commit_when_the_branch_moved_on(project: Project) -> None:
    moving = "git -c user.name=a -c user.email=a commit -q --allow-empty -m y"
    text = f"""
stages: [a, b]
moves: {{stage: a, script: "cd {project.repository} && {moving}"}}
tell: {{stage: b, script: "cat file; git rev-list --count HEAD"}}
"""
    shallow = {"$class": "CloneOption", "shallow": True, "depth": 1, "noTags": True}
    ran = project.run(text, scm=project.scm("main", "", shallow))
    assert ran.lines["tell"] == ["first", "1"]


UPSTREAM = {"name": "upstream", "refspec": "+refs/heads/*:refs/remotes/upstream/*"}


@pytest.mark.parametrize(
    ("branch", "remote", "environment", "expected"),
    [
        ("refs/heads/topic", {}, {}, "topic,,topic topic"),
        ("topic", {}, {"TAG_NAME": "v9", "BRANCH_NAME": "*/topic"}, "topic,,topic topic"),
        ("upstream/topic", UPSTREAM, {}, "topic,,topic topic"),
        ("refs/tags/v1", {}, {}, ",v1,v1 first"),
        ("tags/v1", {}, {}, ",v1,v1 first"),
        ("v1", {}, {}, ",v1,v1 first"),
        ("FETCH_HEAD", {"refspec": "+refs/heads/main:refs/remotes/origin/main"}, {}, ",, first"),
    ],
)
def test_the_ref_of_a_pipeline_from_source_control(
    project: Project, branch: str, remote: dict[str, str], environment: dict[str, str], expected: str
) -> None:
    text = "tell: {script: 'echo \"$CI_COMMIT_BRANCH,$CI_COMMIT_TAG,$CI_COMMIT_REF_NAME $(cat file)\"'}\n"
    ran = project.run(text, scm=project.scm(branch, **remote), environment=environment)
    assert ran.lines["tell"] == [expected]


def test_a_commit_that_the_jenkins_job_names_has_no_branch(project: Project) -> None:
    ran = project.run(TELLS, scm=project.scm(project.topic))
    assert ran.lines["tell"] == [f",, {project.topic} topic"]


def test_a_login_in_the_address_stays_with_jenkins(project: Project) -> None:
    address = "https://robot:pw-9f3@git.example/group/app.git"
    instead = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{project.url}.insteadOf",
        "GIT_CONFIG_VALUE_0": address,
    }
    text = (
        "tell: {script: 'echo $CI_REPOSITORY_URL $CI_PROJECT_PATH; env | grep -v ^GIT_CONFIG | grep pw-9f3 || true'}\n"
    )
    ran = project.run(text, scm=project.scm("main", url=address), environment=instead)
    assert ran.lines["tell"] == ["https://git.example/group/app.git group/app"]


def test_a_branch_of_a_multibranch_project(project: Project) -> None:
    ran = project.run(TELLS, scm=project.scm(project.topic), environment={"BRANCH_NAME": "topic"})
    assert ran.lines["tell"] == [f"topic,,topic {project.topic} topic"]


def test_a_tag_of_a_multibranch_project(project: Project) -> None:
    scm = project.scm("refs/tags/v1", "+refs/tags/v1:refs/tags/v1")
    ran = project.run(TELLS, scm=scm, environment={"BRANCH_NAME": "v1", "TAG_NAME": "v1"})
    assert ran.lines["tell"] == [f",v1,v1 {project.first} first"]


class MergeRequest:
    """Number 5, of ``topic`` for ``main``, which has moved on since, as a multibranch project fetches it."""

    environment: ClassVar = {"BRANCH_NAME": "MR-5", "CHANGE_ID": "5", "CHANGE_BRANCH": "topic", "CHANGE_TARGET": "main"}
    refspec = "+refs/merge-requests/5/head:refs/remotes/origin/MR-5"
    both = f"{refspec} +refs/heads/main:refs/remotes/origin/main"

    def __init__(self, project: Project) -> None:
        self.repository = project.repository
        git(self.repository, "update-ref", "refs/merge-requests/5/head", project.topic)
        main = self.make("main", "main")
        git(self.repository, "update-ref", "refs/heads/main", main)
        self.merged = self.make("topic", "topic", main)  # what Jenkins makes in its own clone

    def make(self, tree: str, *parents: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        return git(self.repository, "commit-tree", f"{tree}^{{tree}}", *words, "-m", "made")

    def push(self) -> None:
        git(self.repository, "update-ref", "refs/merge-requests/5/head", self.make("main", "topic"))


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_merge_request_of_a_multibranch_project_builds_what_was_pushed(
    project: Project, rendering: Rendering
) -> None:
    """Jenkins may have merged its target into it: the checkout is another commit then."""
    asked = MergeRequest(project)
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
    scm = project.scm(asked.merged, f"{asked.both} {asked.merged}")
    ran = project.run(text, rendering, scm, {**asked.environment, "CHANGE_TITLE": "Grow"})
    assert ran.lines["tell"] == [f"topic, {project.topic} topic", "5 Grow main"]
    assert ran.states == {"pushed": "skipped", "tell": "success", "changed": "success", "other": "skipped"}


@pytest.mark.parametrize("merged", [True, False])
def test_a_merge_request_that_was_pushed_to_again_builds_what_jenkins_began_with(
    project: Project, merged: bool
) -> None:
    asked = MergeRequest(project)
    asked.push()
    commit = asked.merged if merged else project.topic
    refspec = f"{asked.both} {commit}" if merged else asked.refspec
    ran = project.run(TELLS, scm=project.scm(commit, refspec), environment=asked.environment)
    assert ran.lines["tell"] == [f",,topic {project.topic} topic"]


def test_changes_of_a_merge_request_are_fetched_with_the_login_of_the_jenkins_job(project: Project) -> None:
    asked = MergeRequest(project)
    tool = project.folder / "tool/git"
    tool.parent.mkdir()
    refused = 'case " $* " in *" fetch "*) test -n "$GIT_ASKPASS" || exit 128 ;; esac'
    tool.write_text(f'#!/bin/sh\n{refused}\nexec {shutil.which("git")} "$@"\n')
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    text = """
changed: {script: 'true', rules: [{changes: [file]}]}
other: {script: 'true', rules: [{changes: [another]}]}
"""
    scm = project.scm(project.topic, asked.refspec, credentialsId="login")
    ran = project.run(text, scm=scm, environment={**asked.environment, "PATH": path})
    assert ran.states == {"changed": "success", "other": "skipped"}


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
