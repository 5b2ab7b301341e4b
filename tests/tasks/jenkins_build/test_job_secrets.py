"""`secrets:` of a job: from Jenkins' credentials by a name of their own, and for that job alone."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Literal

import pytest

from sandbox.jenkins import executor
from sandbox.jenkins.model import Credential
from tasks.interpretation.compiler import interpret
from tasks.interpretation.context import Context
from tasks.interpretation.predefined import predefined_variables
from tasks.jenkins_build.jenkinsfile import RenderSettings, render
from tests.tasks.jenkins_build.running import Listening, Ran, project

PIPELINE = """
job:
  variables: {GIT_STRATEGY: none}
  secrets:
    PASSWORD: {vault: production/db/password@ops}
    TOKEN: {azure_key_vault: {name: token, version: "1"}, file: false}
  script: ['tr a-z A-Z < "$PASSWORD"', 'echo "$TOKEN" | tr a-z A-Z']
  after_script: ['test -s "$PASSWORD" && echo there']
other:
  variables: {GIT_STRATEGY: none}
  script: ['echo "${PASSWORD-none} ${TOKEN-none}"']
"""
SECRET_FILE = {"fileName": "x", "secretBytes": base64.b64encode(b"from-file\n").decode()}
CREDENTIALS = {
    "gitlab-secret-PASSWORD": Credential("gitlab-secret-PASSWORD", "file", SECRET_FILE),
    "gitlab-secret-TOKEN": Credential("gitlab-secret-TOKEN", "string", {"secret": "from-text"}),
}


def run(folder: Path, rendering: Literal["stages", "graph"], credentials: dict[str, Credential]) -> Ran:
    commit = project(folder / "repository", {".gitlab-ci.yml": PIPELINE})
    pipeline = interpret({".gitlab-ci.yml": PIPELINE}, Context(predefined_variables(commit)))
    text = render(pipeline, RenderSettings(commit.clone_url, commit.sha, rendering=rendering))
    assert executor.validate(text) == []
    host = Listening(folder, text, {"PATH": os.environ["PATH"]}, COMMIT_SHA=commit.sha, BUILD_KEY="k")
    host.credentials = credentials
    return host.ran(executor.run(host))


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_the_job_gets_its_secrets_and_no_other_does(tmp_path: Path, rendering: Literal["stages", "graph"]) -> None:
    ran = run(tmp_path, rendering, CREDENTIALS)
    assert ran.states == {"job": "success", "other": "success"}, ran.console
    assert ran.lines == {"job": ["FROM-FILE", "FROM-TEXT", "there"], "other": ["none none"]}
    assert "from-text" not in ran.console


@pytest.mark.parametrize("rendering", ["stages", "graph"])
def test_a_secret_that_is_not_there_fails_the_job(tmp_path: Path, rendering: Literal["stages", "graph"]) -> None:
    ran = run(tmp_path, rendering, {"gitlab-secret-TOKEN": CREDENTIALS["gitlab-secret-TOKEN"]})
    assert ran.states == {"job": "failed", "other": "success"}
    assert ran.result == "FAILURE"
    assert "Could not find credentials entry with ID 'gitlab-secret-PASSWORD'" in ran.console
